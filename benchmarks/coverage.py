"""Do nine in ten truths lie where the model says? Prediction intervals and class sets on held-out rows of real tables.

Each table is split honestly (as its rows hang together: at random, by group, by time) at least three times; a model is
learned from the training part alone, exported, and its graph asked about the rest. Target: coverage between .87 and
.93, pooled over all tables with equal weight.

    python -m benchmarks coverage                   all tables, 10 s for each model
    FLYBALL_BENCH_ONLY="adult,taxi tip" FLYBALL_BENCH_BUDGET=5 python -m benchmarks coverage
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._tables import TABLES, RealTable, write_parquet
from flyball.automl import Learned, export_graph, infer_task, learn
from flyball.automl.conformal import conformal_interval, standing
from flyball.data import Table, read_source
from flyball.evaluation import SplitPlan, class_codes, plan_split
from flyball.evaluation.classification import equal_mass_bins
from flyball_runtime.schema import Field
from flyball_runtime.score import Scorer

TARGET = (0.87, 0.93)
BUDGET_S = 10.0
MOST_ROWS = 16_000
SPLITS, ORIGINS = 3, (0.7, 0.85, 1.0)


@dataclass(frozen=True)
class Case:
    """A table, and the columns that tell the answer or are the split's alone; `learn` does not look for them."""

    name: str
    table: RealTable
    drop: tuple[str, ...] = ()


def _table(name: str, **other: str) -> RealTable:
    """A table of the benchmarks, with another target or split."""
    return replace(TABLES[name], **other)  # type: ignore[arg-type]


_TAXI = ("total", "pickup", "dropoff")
_FLAWS = ("UDI", "Product ID", "TWF", "HDF", "PWF", "OSF", "RNF")
_NO2 = "select * from '{data}/air_quality.parquet' where \"NO2(GT)\" > -100"
_CAPPED = (
    "select *, least(125, max(cycle) over (partition by unit) - cycle) as rul from '{data}/cmapss/train_FD001.parquet'"
)
CASES = [
    Case("california", _table("california")),
    Case("taxi fare", _table("nyc_taxis", target="fare"), drop=(*_TAXI, "tip")),
    Case("taxi tip", _table("nyc_taxis"), drop=_TAXI),
    Case("credit amount", _table("credit", target="amount")),
    Case("metro", _table("metro")),
    Case("bike", _table("bike"), drop=("casual", "registered", "instant")),
    Case("air CO", _table("air_quality"), drop=("NMHC(GT)",)),
    Case("air NO2", _table("air_quality", query=_NO2, target="NO2(GT)"), drop=("NMHC(GT)",)),
    Case("freight", RealTable("orders", "select * from '{data}/northwind/orders.parquet'", "freight", "time",
         "order_date")),
    Case("FD001 life", _table("cmapss1")),
    Case("FD003 life", _table("cmapss3")),
    Case("FD001 capped", _table("cmapss1", query=_CAPPED)),
    Case("adult", _table("adult")),
    Case("ai4i", _table("ai4i"), drop=_FLAWS),
    Case("credit risk", _table("credit")),
    Case("bearing", _table("bearing")),
    Case("covertype", _table("covertype")),
    Case("letter", _table("letter")),
    Case("bank", _table("bank"), drop=("duration",)),
    Case("elec2", _table("elec2")),
    Case("apachejit", _table("apachejit"), drop=("commit_id", "year")),
    Case("valve", _table("skab"), drop=("datetime",)),
    Case("rejected", _table("adventureworks"),
         drop=("PurchaseOrderDetailID", "ReceivedQty", "DueDate", "ModifiedDate")),
    Case("flaky kind", RealTable("flaky kind", "select * from '{data}/flaky_tests.parquet'", "Category", "group",
         "Project URL"), drop=("Status", "PR Link", "Notes")),
]  # fmt: skip


@dataclass(frozen=True)
class Split:
    """The rows of a table up to one origin, or under one seed, and their division into training, folds and test."""

    table: Table
    target: NDArray[Any]
    field: Field
    task: Any
    plan: SplitPlan
    seed: int


def load(case: Case) -> tuple[Table, NDArray[Any], Field]:
    """The rows with a target, in time order where that counts, thinned to `MOST_ROWS` (groups stay whole)."""
    kind, by = case.table.kind, case.table.by
    with tempfile.TemporaryDirectory(prefix="flyball-coverage-") as scratch:
        write_parquet(case.table.query, Path(scratch) / "table.parquet")
        table = read_source(Path(scratch) / "table.parquet").table
    target, field = table[case.table.target], table.schema[case.table.target]
    known = [value is not None and value == value for value in target.tolist()]  # noqa: PLR0124 - NaN
    rows = np.flatnonzero(known)
    if kind == "time" and by:
        rows = rows[np.argsort(table[by][rows], kind="stable")]
    if kind == "group" and by:
        rows = _whole_groups(table[by], rows)
    elif len(rows) > MOST_ROWS:
        rows = rows[np.linspace(0, len(rows) - 1, MOST_ROWS).astype(np.intp)]
    _, codes = np.unique(target[rows].astype(str), return_inverse=True)
    if int(codes.max()) < 50:  # classes: one of a few rows cannot stand on every side of a split
        rows = rows[np.bincount(codes)[codes] >= 10]
    return table.take(rows), target[rows], field


def _whole_groups(label: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Rows of as many groups, drawn at random, as make up the number wanted."""
    names, codes = np.unique(label[rows].astype(str), return_inverse=True)
    order = np.random.default_rng(0).permutation(len(names))
    reached = np.cumsum(np.bincount(codes)[order])
    return rows[np.isin(codes, order[: int(np.searchsorted(reached, MOST_ROWS)) + 1])]


def splits(case: Case) -> Iterator[Split]:
    """Three seeds; or, in time, three origins, of which each tests on the newest fifth of the rows before it."""
    table, target, field = load(case)
    kind, by = case.table.kind, case.table.by
    for seed in range(SPLITS):
        rows = round(table.rows * ORIGINS[seed]) if kind == "time" else table.rows
        part, truth = table.take(slice(0, rows)), target[:rows]
        task = infer_task(truth, field).task
        groups = part[by] if kind == "group" and by else None
        plan = plan_split(rows, kind=kind, by=by, groups=groups, target=truth, task=task, seed=seed)
        gone = [case.table.target, *case.drop, *([by] if groups is not None and by else [])]
        yield Split(part.drop(gone), truth, field, task, plan, seed)


def model_of(split: Split, budget: float) -> Learned:
    """What is learned from a split's training rows."""
    plan, rows = split.plan, split.plan.train
    place = np.full(split.table.rows, -1, dtype=np.intp)
    place[rows] = np.arange(len(rows))
    return learn(
        split.table.take(rows), split.target[rows], field=split.field, task=split.task, budget_seconds=budget,
        folds=[(place[fit], place[validate]) for fit, validate in plan.folds], seed=split.seed,
        units=plan.units_of(rows),
    )  # fmt: skip


def measure(split: Split, budget: float) -> dict[str, Any]:
    """Coverage, width and spread over parts of the test rows, as the exported graph answers."""
    learned = model_of(split, budget)
    pipeline, plan = learned.pipeline, split.plan
    scorer = Scorer(export_graph(pipeline), pipeline.schema, pipeline.task, pipeline.class_values)
    rows = split.table.take(plan.test)
    answer = scorer.score(dict(rows.columns))
    truth = split.target[plan.test]
    found: dict[str, Any] = {"seconds": learned.seconds, "rows": len(truth), "notes": list(learned.notes)}
    if pipeline.class_values is None:
        covered = (answer["low"] <= truth) & (truth <= answer["high"])
        constant = _constant(learned, split)
        apart = (answer["prediction"] + constant[0] <= truth) & (truth <= answer["prediction"] + constant[1])
        slices = equal_mass_bins(answer["prediction"])
        found |= {
            "width": float((answer["high"] - answer["low"]).mean() / (constant[1] - constant[0])),
            "coverage_constant": float(apart.mean()),
            "worst_slice_constant": _worst(apart, slices),
            "follows": pipeline.interval is not None and pipeline.interval.spread is not None,
        }
    else:
        slices = class_codes(truth, pipeline.class_values)
        known = slices < len(pipeline.class_values)
        covered = known & answer["in_set"][np.arange(len(truth)), np.where(known, slices, 0)]
        sizes = answer["in_set"].sum(axis=1)
        filled = covered | ((sizes == 0) & (answer["prediction"] == truth))
        found |= {
            "size": float(sizes.mean()),
            "empty": float((sizes == 0).mean()),
            "coverage_filled": float(filled.mean()),
            "accuracy": float((answer["prediction"] == truth).mean()),
        }
    units = plan.units_of(plan.test)
    if units is not None:
        _, codes = np.unique(units, return_inverse=True)
        each = np.bincount(codes, covered) / np.bincount(codes)
        found["units"] = [float(value) for value in np.quantile(each, [0.1, 0.5, 0.9])]
    return found | {"coverage": float(covered.mean()), "worst_slice": _worst(covered, slices)}


def _constant(learned: Learned, split: Split) -> tuple[float, float]:
    """The offsets that every row would get, from the same out-of-fold errors."""
    rows = split.plan.train
    seen = np.isfinite(learned.oof[:, 0])
    place = np.full(split.table.rows, -1, dtype=np.intp)
    place[rows] = np.arange(len(rows))
    folds = [(place[fit], place[validate]) for fit, validate in split.plan.folds]
    counted = standing(seen, folds, np.ones(len(rows)), split.plan.units_of(rows))
    made = conformal_interval(learned.oof[seen, 0], split.target[rows][seen].astype(np.float64), counted)
    if made is None:
        raise ValueError("no row was validated")
    return made[0].low, made[0].high


def _worst(covered: NDArray[np.bool_], codes: NDArray[np.int64]) -> float:
    """Coverage of the slice (of the prediction, or a class) with the least, among those of 20 rows or more."""
    rows = np.bincount(codes)
    shares = np.bincount(codes, covered) / np.maximum(rows, 1)
    return float(shares[rows >= 20].min(initial=1.0))


def _line(name: str, trials: list[dict[str, Any]]) -> str:
    mean = {key: float(np.mean([trial[key] for trial in trials])) for key, value in trials[0].items()
            if isinstance(value, float | bool)}  # fmt: skip
    each = " ".join(f"{trial['coverage']:.3f}" for trial in trials)
    units = (
        f"  units {np.mean([trial['units'] for trial in trials], axis=0).round(2).tolist()}"
        if "units" in trials[0]
        else ""
    )
    if "width" in mean:
        rest = (
            f"width x{mean['width']:.2f} of constant (which covers {mean['coverage_constant']:.3f})  "
            f"worst slice {mean['worst_slice']:.2f}, constant {mean['worst_slice_constant']:.2f}"
        )
    else:
        rest = (
            f"size {mean['size']:.2f}, {mean['empty']:.1%} empty (filled {mean['coverage_filled']:.3f})  "
            f"accuracy {mean['accuracy']:.3f}  worst class {mean['worst_slice']:.2f}"
        )
    return f"{name:14} {mean['coverage']:.3f}  [{each}]  {rest}{units}"


def main() -> dict[str, Any]:
    wanted = [name.strip() for name in os.environ.get("FLYBALL_BENCH_ONLY", "").split(",") if name.strip()]
    budget = float(os.environ.get("FLYBALL_BENCH_BUDGET", BUDGET_S))
    results: dict[str, list[dict[str, Any]]] = {}
    for case in CASES:
        if wanted and case.name not in wanted:
            continue
        results[case.name] = [measure(split, budget) for split in splits(case)]
        print(_line(case.name, results[case.name]), flush=True)
    pooled = {
        kind: float(
            np.mean([[trial["coverage"] for trial in trials] for trials in results.values() if key in trials[0]])
        )
        for kind, key in (("intervals", "width"), ("sets", "size"), ("all", "coverage"))
        if any(key in trials[0] for trials in results.values())
    }
    kinds = {case.name: case.table.kind for case in CASES}
    for kind in ("random", "group", "time"):
        shares = [[trial["coverage"] for trial in trials] for name, trials in results.items() if kinds[name] == kind]
        if shares:
            pooled[f"split by {kind}"] = float(np.mean(shares))
    met = bool(results) and TARGET[0] <= pooled["all"] <= TARGET[1]
    shown = ", ".join(f"{kind} {value:.3f}" for kind, value in pooled.items())
    print(
        f"pooled over {len(results)} tables: {shown}; target {TARGET[0]} to {TARGET[1]}: {'met' if met else 'missed'}"
    )
    return {"results": results, "pooled": pooled, "budget_s": budget, "target": TARGET, "met": met}


if __name__ == "__main__":
    raise SystemExit(0 if main()["met"] else 1)
