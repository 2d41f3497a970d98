"""Features out of related tables: do they pay, are they as-of, and how fast are they against Featuretools?

Worth: on real databases, a model of the flat table against one that has the features of the related tables too, with equal
budgets, at several origins in time; the paired difference on the rows after each origin, with its interval. Where the
interval reaches zero that is what is printed. Speed: 20,000 rows, each with a cutoff time of its own; the values are
compared with those of Featuretools, which runs in an environment of its own (it needs pandas 2).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._peers import peer_python
from benchmarks._tables import data_folder, write_parquet
from flyball.automl import export_graph, infer_task, learn, worth
from flyball.data import Table, read_source
from flyball.evaluation import compare, plan_split
from flyball.features.relational import (
    LooksAhead,
    RelatedFeature,
    compute,
    enumerate_features,
    refuse_ahead,
    relate,
    synthesise,
)
from flyball_runtime.schema import Field as Column
from flyball_runtime.schema import Schema
from flyball_runtime.score import Scorer

BUDGET_S = float(os.environ.get("FLYBALL_BENCH_BUDGET", "10"))
ROWS = int(os.environ.get("FLYBALL_BENCH_ROWS", "20000"))
ORIGINS = (0.7, 0.85, 1.0)
FEATURETOOLS = ("featuretools==1.31.0", "pandas>=2,<3", "numpy<2.3", "setuptools<81", "pyarrow")
_US = 1_000_000


@dataclass(frozen=True)
class Case:
    """A database: the table to predict (a query), its target, and what is known of it only afterwards."""

    name: str
    folder: str
    base: str
    query: str
    target: str
    metric: str
    related: tuple[str, ...]
    time: str
    hidden: tuple[str, ...] = ()
    known: str | None = None
    key: str | None = None
    refers: Mapping[str, str] = field(default_factory=dict)


CASES = (
    Case(
        "northwind, freight of an order", "northwind", "orders",
        "select * exclude (shipped_date) from '{data}/northwind/orders.parquet'", "freight", "rmse",
        ("order_details", "customers", "products", "categories", "suppliers", "employees", "shippers"), "order_date",
    ),
    Case(
        "northwind, shipped late", "northwind", "orders",
        "select * exclude (shipped_date, freight), greatest(shipped_date, required_date) as known,"
        " shipped_date > required_date as late from '{data}/northwind/orders.parquet' where shipped_date is not null",
        "late", "roc_auc",
        ("order_details", "customers", "products", "categories", "suppliers", "employees", "shippers"), "order_date",
        hidden=("known",), known="known",
    ),
    Case(
        "adventureworks, delivery rejected in part", "adventureworks", "PurchaseOrderDetail",
        "select d.* exclude (RejectedQty, StockedQty, ReceivedQty, ModifiedDate, DueDate), OrderDate, VendorID,"
        " DueDate as known, RejectedQty > 0 as rejected from '{data}/adventureworks/PurchaseOrderDetail.parquet' d"
        " join '{data}/adventureworks/PurchaseOrderHeader.parquet' using (PurchaseOrderID)",
        "rejected", "roc_auc", ("Vendor", "Product", "ProductVendor"), "OrderDate", hidden=("known",), known="known",
        key="PurchaseOrderDetailID", refers={"VendorID": "Vendor", "ProductID": "Product"},
    ),
)  # fmt: skip


def gain(case: Case) -> dict[str, Any]:
    """Flat against related, with all features and with those that pay, at each origin; all pooled."""
    tables = load(case)
    base = tables[case.base]
    order = np.argsort(base[case.time], kind="stable")
    tables[case.base] = base = base.take(order)
    relations = relate(
        tables, times={case.base: case.time}, keys={case.base: case.key} if case.key else None,
        refers={case.base: case.refers} if case.refers else None, hidden={case.base: case.hidden},
    )  # fmt: skip
    began = time.perf_counter()
    made = synthesise(relations, target=case.target, known=case.known)
    seconds = time.perf_counter() - began
    gone = (case.target, *case.hidden)
    sides = {"flat": base.drop(gone), "related": made.table.drop(gone)}
    answers: dict[str, list[dict[str, NDArray[Any]]]] = {name: [] for name in (*sides, "kept")}
    kept: list[int] = []
    truths, classes, task = [], None, infer_task(base[case.target], base.schema[case.target]).task
    for origin in ORIGINS:
        rows = round(base.rows * origin)
        truth = base[case.target][:rows]
        plan = plan_split(rows, kind="time", by=case.time, target=truth, task=task, seed=0)
        place = np.full(rows, -1, dtype=np.intp)
        place[plan.train] = np.arange(len(plan.train))
        folds = [(place[fit], place[validate]) for fit, validate in plan.folds]
        bought = worth(
            sides["related"].take(plan.train), truth[plan.train], [one.name for one in made.features], task=task,
            metric=case.metric, folds=folds, seed=0, field=base.schema[case.target], units=plan.units_of(plan.train),
        )  # fmt: skip
        gone_now = [one.name for one in made.features if one.name not in bought.kept]
        kept.append(len(bought.kept))
        for name, table in {**sides, "kept": sides["related"].drop(gone_now)}.items():
            learned = learn(
                table.take(plan.train), truth[plan.train], field=base.schema[case.target], task=task, folds=folds,
                metric=case.metric, budget_seconds=BUDGET_S, seed=0, units=plan.units_of(plan.train),
            )  # fmt: skip
            pipeline = learned.pipeline
            scorer = Scorer(export_graph(pipeline), pipeline.schema, pipeline.task, pipeline.class_values)
            answers[name].append(scorer.score(dict(table.take(plan.test).columns)))
            classes = pipeline.class_values
        truths.append(truth[plan.test])
    pooled = {
        name: {
            key: np.concatenate([one[key] for one in parts]) for key in ("prediction", "probability") if key in parts[0]
        }
        for name, parts in answers.items()
    }
    judged = {
        name: compare(
            task, np.concatenate(truths), pooled[name], pooled["flat"], classes=classes,
            positive=None if classes is None else classes[-1],
        )[case.metric]
        for name in ("related", "kept")
    }  # fmt: skip
    counts = {"related": f"all {len(made.features)}", "kept": f"the {', '.join(map(str, kept))} that pay"}
    for name, found in judged.items():
        gap = found.difference
        print(
            f"{case.name:<42} {case.metric} {found.theirs:.4f} flat, {found.ours:.4f} with {counts[name]} "
            f"({seconds:.2f} s): difference {gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}], {found.outcome}",
            flush=True,
        )
    return {
        "case": case.name, "features": len(made.features), "kept": kept, "synthesis_s": seconds,
        **{name: found.to_dict() for name, found in judged.items()},
    }  # fmt: skip


def load(case: Case) -> dict[str, Table]:
    """The tables of a case by name, the one to predict first."""
    with tempfile.TemporaryDirectory(prefix="flyball-relational-") as scratch:
        write_parquet(case.query, Path(scratch) / "base.parquet")
        base = read_source(Path(scratch) / "base.parquet").table
    folder = data_folder() / case.folder
    return {case.base: base, **{name: read_source(folder / f"{name}.parquet").table for name in case.related}}


def events(rows: int) -> dict[str, Table]:
    """Visits of customers, and what customers bought over the time before and after them: three purchases a visit."""
    rng = np.random.default_rng(0)
    bought, people = 3 * rows, rows // 10
    moments = rng.choice(1000 * 86_400, rows + bought, replace=False).astype(np.int64) * _US  # no two at one moment

    def table(**columns: NDArray[Any]) -> Table:
        kinds = {name: "time" if name in ("at", "when") else "number" for name in columns}
        return Table(Schema(tuple(Column(name, kinds[name]) for name in columns)), columns)  # type: ignore[arg-type]

    return {
        "visits": table(
            visit_id=np.arange(rows, dtype=np.float64), customer_id=rng.integers(0, people, rows).astype(np.float64),
            when=moments[:rows],
        ),
        "customers": table(customer_id=np.arange(people, dtype=np.float64), age=rng.integers(18, 90, people).astype(np.float64)),
        "purchases": table(
            purchase_id=np.arange(bought, dtype=np.float64), customer_id=rng.integers(0, people, bought).astype(np.float64),
            at=moments[rows:], amount=rng.lognormal(size=bought), items=rng.integers(1, 9, bought).astype(np.float64),
        ),
    }  # fmt: skip


def speed(rows: int = ROWS) -> dict[str, Any]:
    """Seconds of both for the same aggregates, and the largest difference between their values."""
    tables = events(rows)
    relations = relate(tables)
    wanted = [
        feature for feature in enumerate_features(relations)
        if feature.hops[0].table == "purchases" and feature.window_s is None
        and feature.function in ("count", "mean", "sum", "min", "max", "std")
    ]  # fmt: skip
    ours = min(_seconds(lambda: compute(relations, wanted)) for _ in range(3))
    values = {feature.name: array for feature, (_, array) in zip(wanted, compute(relations, wanted), strict=True)}
    with tempfile.TemporaryDirectory(prefix="flyball-relational-") as scratch:
        for name, table in tables.items():
            np.savez(Path(scratch) / f"{name}.npz", **table.columns)
        python = peer_python("featuretools", FEATURETOOLS)
        script = Path(__file__).with_name("_featuretools_asof.py")
        answer = subprocess.run([python, script, scratch], check=True, capture_output=True, text=True)
        theirs = json.loads(answer.stdout.splitlines()[-1])
        peer = dict(np.load(Path(scratch) / "answer.npz"))
    worst = max(_apart(values[name], peer[name]) for name in values)
    ratio = theirs["seconds"] / ours
    print(
        f"as-of aggregates, {rows:,} rows x {len(wanted)} features: {ours:.3f} s, Featuretools {theirs['version']} "
        f"{theirs['seconds']:.1f} s: {ratio:.0f} times; largest relative difference {worst:.1e}",
        flush=True,
    )
    return {"rows": rows, "features": len(wanted), "seconds": ours, **theirs, "ratio": ratio, "worst": worst}


def _seconds(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _apart(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    """The largest relative difference; a count or sum over nothing is 0 to one and may be missing to the other."""
    both = np.isfinite(ours) & np.isfinite(theirs)
    lonely = np.isfinite(ours) != np.isfinite(theirs)
    if (np.where(np.isfinite(ours), ours, theirs)[lonely] != 0).any():
        return float("inf")
    return float((np.abs(ours - theirs)[both] / np.maximum(1.0, np.abs(theirs[both]))).max(initial=0.0))


def refusal() -> bool:
    """Whether a specification that looks ahead is refused, naming the row."""
    relations = relate(events(200))
    spec = next(one for one in enumerate_features(relations) if one.function == "mean" and one.window_s is None)
    ahead = RelatedFeature(spec.name, spec.hops, spec.column, spec.function, lag_s=-7 * 86_400.0)
    try:
        refuse_ahead(relations, [ahead])
    except LooksAhead as refused:
        print(f"refused: {refused.what}; {refused.where}: {refused.why}")
        return "row" in str(refused.where)
    return False


def main() -> dict[str, Any]:
    """Worth on every database, speed, and the refusal."""
    named = refusal()
    fast = speed()
    cases = [gain(case) for case in CASES]
    # A database on which it does not pay is printed as such, and is no failure.
    met = named and fast["ratio"] >= 100 and fast["worst"] <= 1e-9
    return {"worth": cases, "speed": fast, "refused": named, "met": met}


if __name__ == "__main__":
    sys.exit(0 if main()["met"] else 1)
