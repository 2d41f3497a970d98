"""Whether reported numbers hold: models made on a part of each real table, then judged on rows held out from everything.

Every table is cut five times: by time at five origins (learn from what was before, hold out the next tenth), by groups,
or by rows in fifths. Flyball gets the earlier part as a file with nothing declared, and what its evidence says of its
metrics must hold on the rows held out: the held-out figure lies in the reported 90 % interval. A cell is a cut of a
table with the metric that Flyball chose; all its other metrics are counted beside.

A cell where the held-out rows are demonstrably of another kind than the learned ones is listed apart: a classifier of
the columns that the model uses (but for times) and of the target tells the two apart, with an area under the ROC curve
whose lower 95 % end is above 0.6. That says nothing of the model or its error. Targets: 85 % of the other cells hold;
their median width is at most 1.5 times the bootstrap interval of the held-out figure itself.

    python -m benchmarks truth                      all tables, 6 s each
    FLYBALL_BENCH_ONLY=adult,metro python -m benchmarks truth
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import flyball as fb
from benchmarks._tables import TABLES, RealTable, data_folder, take_parquet, write_parquet
from flyball.data import Table, read_source
from flyball.evaluation import Interval, auc_interval, evaluate, label_codes, time_blocks

ORIGINS = (0.5, 0.6, 0.7, 0.8, 0.9)
PARTS = 5
SHIFTED = 0.6
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Cell:
    """One metric of one cut: what was reported, and what the rows held out show with their own bootstrap interval."""

    table: str
    cut: int
    split: str
    metric: str
    chosen: bool
    reported: Interval
    held_out: Interval
    shifted: bool
    told_apart: float

    @property
    def holds(self) -> bool:
        return self.reported.low <= self.held_out.value <= self.reported.high

    @property
    def width(self) -> float:
        own = self.held_out.high - self.held_out.low
        return (self.reported.high - self.reported.low) / own if own > 0 else float("nan")


def main() -> dict[str, Any]:
    """Every cell, the share that holds and the median width."""
    data_folder()
    wanted = [name for name in os.environ.get("FLYBALL_BENCH_ONLY", "").split(",") if name] or list(TABLES)
    budget = float(os.environ.get("FLYBALL_BENCH_BUDGET", "6"))
    cells: list[Cell] = []
    for name in wanted:
        for number, found in enumerate(_measure(TABLES[name], budget)):
            cells += found
            for cell in found:
                if cell.chosen:
                    print(_line(cell, number), flush=True)
    return _conclude(cells, budget)


def _measure(known: RealTable, budget: float) -> Iterator[list[Cell]]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_parquet(known.query, home / "all.parquet")
        table = read_source(home / "all.parquet", name=known.name).table
        units, cuts = _cuts(known, table)
        for number, (before, after) in enumerate(cuts):
            take_parquet(home / "all.parquet", before, home / "learn.parquet")
            learned = _learn(home, known, budget)
            yield _cells(known, number, table, (before, after), units=units, learned=learned)


def _cuts(known: RealTable, table: Table) -> tuple[NDArray[np.int64] | None, list[tuple[Rows, Rows]]]:
    """The honest units of the rows, None where each is its own, and the (learned, held out) rows of each cut."""
    rng = np.random.default_rng(11)
    rows = table.rows
    if known.kind == "time":
        moments = np.arange(rows) if known.by is None else np.asarray(table[known.by])
        order = np.argsort(moments, kind="stable")
        cuts = []
        for origin in ORIGINS:
            begin, end = round(origin * rows), min(rows, round((origin + 0.1) * rows))
            while begin < end - 1 and moments[order[begin]] == moments[order[begin - 1]]:
                begin += 1
            cuts.append((np.sort(order[:begin]), np.sort(order[begin:end])))
        return time_blocks(moments, count=300), cuts
    units = label_codes(np.asarray(table[known.by])) if known.by else None
    codes = np.arange(rows) if units is None else units
    part = (rng.permutation(int(codes.max()) + 1) % PARTS)[codes]
    return units, [(np.flatnonzero(part != number), np.flatnonzero(part == number)) for number in range(PARTS)]


def _learn(home: Path, known: RealTable, budget: float) -> fb.LearnedModel:
    state = home / "project"
    state.mkdir(exist_ok=True)
    (state / "flyball.toml").write_text(f'[project]\nname = "{known.name}"\n', encoding="utf-8")
    project = fb.open(state)
    try:
        return project.learn(project.dataset(home / "learn.parquet", target=known.target), budget=budget)
    finally:
        project.close()


def _cells(
    known: RealTable,
    cut: int,
    table: Table,
    parts: tuple[Rows, Rows],
    *,
    units: NDArray[np.int64] | None,
    learned: fb.LearnedModel,
) -> list[Cell]:
    evidence, after = learned.evidence, parts[1]
    held = table.take(after)
    outputs: dict[str, NDArray[Any]] = {"prediction": learned.predict(held.columns)}
    if learned.classes is None:
        outputs["low"], outputs["high"] = learned.predict_interval(held.columns)
    else:
        outputs["probability"] = learned.predict_proba(held.columns)
    truth = held[known.target]
    if learned.classes is not None and truth.dtype != object:
        truth = truth.astype(learned.classes.dtype)
    positive = learned.candidate.pipeline.positive
    shown = evaluate(
        evidence["task"], truth, outputs, classes=learned.classes, positive=positive,
        groups=None if units is None else units[after],
    )  # fmt: skip
    told_apart = _told_apart(table, parts, units, [*evidence["data"]["used"], known.target])
    return [
        Cell(
            known.name,
            cut,
            evidence["split"]["kind"],
            name,
            name == evidence["metric"],
            Interval.from_dict(reported),
            shown[name],
            told_apart.low > SHIFTED,
            told_apart.value,
        )
        for name, reported in evidence["metrics"]["test"].items()
        if name in shown
    ]


def _told_apart(
    table: Table, parts: tuple[Rows, Rows], units: NDArray[np.int64] | None, columns: list[str]
) -> Interval:
    """How well held-out rows are told from learned ones, without moments of time, over whole units."""
    import lightgbm

    from flyball.data.look.view import as_numbers

    rng = np.random.default_rng(5)
    rows = np.concatenate([rng.choice(part, min(len(part), 4000), replace=False) for part in parts])
    later = np.isin(rows, parts[1])
    names = [field for field in table.schema if field.name in columns and field.kind != "time"]
    matrix = np.column_stack([as_numbers(table[field.name][rows], field)[0] for field in names])
    codes = label_codes(rows if units is None else units[rows])
    fold = (rng.permutation(int(codes.max()) + 1) % 2)[codes]
    score = np.empty(len(rows))
    settings = {"objective": "binary", "num_leaves": 15, "verbosity": -1, "seed": 1, "num_threads": 2}
    for held in (0, 1):
        fit = fold != held
        booster = lightgbm.train(settings, lightgbm.Dataset(matrix[fit], later[fit].astype(float)), 60)
        score[~fit] = booster.predict(matrix[~fit])
    return auc_interval(score, later, level=0.90, units=codes)


def _line(cell: Cell, cut: int) -> str:
    shown = [f"{each.value:.4g} [{each.low:.4g}, {each.high:.4g}]" for each in (cell.reported, cell.held_out)]
    state = "holds " if cell.holds else "MISSED"
    apart = f"  shifted ({cell.told_apart:.2f})" if cell.shifted else ""
    return (
        f"{cell.table:<15}{cut}  {cell.split:<7}{cell.metric:<14}{shown[0]:<34} held out {shown[1]:<34} {state}{apart}"
    )


def _conclude(cells: list[Cell], budget: float) -> dict[str, Any]:
    chosen = [cell for cell in cells if cell.chosen]
    summary: dict[str, Any] = {"budget_s": budget}
    groups = {
        "cells": [cell for cell in chosen if not cell.shifted],
        "cells with demonstrated shift": [cell for cell in chosen if cell.shifted],
        "all metrics": [cell for cell in cells if not cell.shifted],
        "all metrics with demonstrated shift": [cell for cell in cells if cell.shifted],
    }
    for name, group in groups.items():
        share = statistics.mean(cell.holds for cell in group) if group else float("nan")
        width = float(np.nanmedian([cell.width for cell in group])) if group else float("nan")
        print(f"{name:<38} {len(group):4d}   hold {share:6.1%}   median width {width:.2f} x the held-out bootstrap")
        summary[name] = {"number": len(group), "hold": share, "median_width": width}
    main = summary["cells"]
    summary["met"] = bool(main["hold"] >= 0.85 and main["median_width"] <= 1.5)
    return {**summary, "detail": [{**asdict(cell), "holds": cell.holds, "width": cell.width} for cell in cells]}
