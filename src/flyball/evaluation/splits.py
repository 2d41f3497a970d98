"""Which rows a model learns from, is tuned on and is judged by: in the order or the groups that the data has."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flyball.evaluation.allocation import deal_groups, deal_rows, strata
from flyball.evaluation.metrics import Task
from flyball.evaluation.resampling import label_codes, time_blocks
from flyball_runtime.errors import BadInput

__all__ = ["SplitImpossible", "SplitKind", "SplitPlan", "plan_split"]

SplitKind = Literal["random", "time", "group"]
Indices = NDArray[np.intp]
_UNITS = {"random": "row", "group": "group", "time": "stretch of time"}


class SplitImpossible(BadInput):
    """The table cannot be split in the way asked for: too few rows, groups, moments or classes on one side."""

    code = "FB-SPLIT-001"


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """How rows are divided. `train`, `test` and the folds hold row numbers of the table; folds lie within `train`.

    `units`: (rows,) code of each row's honest resampling unit, None when that is the row itself; `unit` names it.
    """

    kind: SplitKind
    by: str | None
    train: Indices
    test: Indices
    folds: list[tuple[Indices, Indices]]
    confidence: float
    why: str
    unit: str
    units: NDArray[np.int64] | None = field(default=None, repr=False)

    def units_of(self, rows: Indices) -> NDArray[np.int64] | None:
        """The resampling units of some rows, in the form that `evaluate(groups=...)` takes."""
        return None if self.units is None else self.units[rows]


def plan_split(
    rows: int,
    *,
    kind: SplitKind,
    by: str | None = None,
    order: NDArray[Any] | None = None,
    groups: NDArray[Any] | None = None,
    target: NDArray[Any],
    task: Task,
    seed: int,
    test: float = 0.2,
    folds: int = 5,
    gap: int = 0,
    confidence: float = 1.0,
    why: str = "",
) -> SplitPlan:
    """Divide `rows` rows into train, test and cross-validation folds.

    random: stratified by the target; rows that share a label in `groups` (duplicates, say) stay together.
    group: whole groups. time: the latest rows by `order` (default: the order of rows) are the test; each fold learns
    from the past and validates on what follows, leaving out `gap` rows between; equal moments are never divided.
    Deterministic for a seed. Raises SplitImpossible.
    """
    if rows < 10:
        raise SplitImpossible(
            "the table is too small to split", why=f"it has {rows} rows; 10 are needed", fix="give more rows"
        )
    if kind == "group" and groups is None:
        raise SplitImpossible("a split by group needs the groups", fix="name their column: group = COLUMN")
    rng = np.random.default_rng(seed)
    if kind == "time":
        moments = np.arange(rows) if order is None else _sortable(order)
        train, test_rows, parts = _split_time(moments, test, folds, gap)
        units = _time_units(moments, test_rows)
    elif groups is not None:
        units = label_codes(np.asarray(groups))
        train, test_rows, parts = _split_groups(units, strata(target, task), test, folds, rng)
    else:
        units = None
        train, test_rows, parts = _split_rows(strata(target, task), test, folds, rng)
    plan = SplitPlan(kind, by, train, test_rows, parts, confidence, why, _UNITS[kind], units)
    if task != "regression":
        plan = _with_classes(plan, np.asarray(label_codes(np.asarray(target))))
    return plan


def _split_rows(
    stratum: NDArray[np.int64], test: float, folds: int, rng: np.random.Generator
) -> tuple[Indices, Indices, list[tuple[Indices, Indices]]]:
    """Rows whose stratum has a single training row are always learned from and never validated."""
    part = deal_rows(stratum, test, folds, rng)
    train, test_rows = np.flatnonzero(part != 0), np.flatnonzero(part == 0)
    return train, test_rows, _folds_of(part, train)


def _split_groups(
    group: NDArray[np.int64],
    stratum: NDArray[np.int64],
    test: float,
    folds: int,
    rng: np.random.Generator,
) -> tuple[Indices, Indices, list[tuple[Indices, Indices]]]:
    count = int(group.max()) + 1
    if count < 3:
        raise SplitImpossible(
            "too few groups to split by",
            why=f"there are {count}; one is held out for the test and two are needed to tune",
            fix='choose another column, or split = "random" if the rows are independent after all',
        )
    part = deal_groups(group, stratum, test, min(folds, count - 1), rng)[group]
    train, test_rows = np.flatnonzero(part != 0), np.flatnonzero(part == 0)
    return train, test_rows, _folds_of(part, train)


def _folds_of(part: NDArray[np.int64], train: Indices) -> list[tuple[Indices, Indices]]:
    divided = [(train[part[train] != number], train[part[train] == number]) for number in range(1, part.max() + 1)]
    return [(fit, validate) for fit, validate in divided if len(fit) and len(validate)]


def _split_time(
    moments: NDArray[Any], test: float, folds: int, gap: int
) -> tuple[Indices, Indices, list[tuple[Indices, Indices]]]:
    order = np.argsort(moments, kind="stable")
    ranked = moments[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))  # rows where a new moment begins
    if len(starts) < 3:
        raise SplitImpossible(
            "too few moments to split by time",
            why=f"the column holds {len(starts)} different values",
            fix='name another time column, or split = "random"',
        )
    cut = _nearest_start(starts[1:], round(len(order) * (1 - test)))
    inner = starts[(starts > 0) & (starts < cut)]
    wanted = (
        [_nearest_start(inner, round(cut * (step + 1) / (folds + 1))) for step in range(folds)] if len(inner) else []
    )
    bounds = [*sorted(set(wanted)), cut]
    train = np.sort(order[: max(1, cut - gap)])
    parts = [(np.sort(order[: max(0, begin - gap)]), np.sort(order[begin:end])) for begin, end in pairwise(bounds)]
    kept = [(fit, np.intersect1d(validate, train)) for fit, validate in parts]
    usable = [(fit, validate) for fit, validate in kept if len(fit) and len(validate)]
    if not usable:
        raise SplitImpossible(
            "no cross-validation fold is left",
            why=f"a gap of {gap} rows takes all that a fold would learn from or validate on",
            fix="ask for a smaller gap, or give more rows",
        )
    return train, np.sort(order[cut:]), usable


def _nearest_start(starts: NDArray[np.intp], wanted: int) -> int:
    return int(starts[np.abs(starts - wanted).argmin()])


def _time_units(moments: NDArray[Any], test: Indices) -> NDArray[np.int64]:
    """Stretches of one length over both sides, about 30 in the test; none spans the cut. Gap rows get a unit too."""
    units = np.zeros(len(moments), dtype=np.int64)
    units[test] = 1 + time_blocks(moments[test])
    per_block = max(1, len(test) // 30)
    before = np.setdiff1d(np.arange(len(moments)), test)
    units[before] = units.max() + 1 + time_blocks(moments[before], count=max(2, len(before) // per_block))
    return units - 1


def _sortable(order: NDArray[Any]) -> NDArray[Any]:
    """Rows without a moment come first, so that they are never judged as the future. Raises SplitImpossible for text."""
    values = np.asarray(order)
    if values.dtype.kind == "f":
        return np.where(np.isnan(values), -np.inf, values)
    if values.dtype.kind in "OUS":
        raise SplitImpossible(
            "text has no order in time",
            why="sorted by its letters, 10. March comes before 9. March",
            fix="give times or numbers, or choose another split",
        )
    return values


def _with_classes(plan: SplitPlan, codes: NDArray[np.int64]) -> SplitPlan:
    """Drop folds that would learn from one class only; refuse a training part that holds one class only."""
    if len(np.unique(codes[plan.train])) < 2:
        raise SplitImpossible(
            "the training part of the split holds one class only",
            where=plan.by,
            why=f"by {plan.by or 'row order'}, every row of the other classes falls into the test",
            fix='give more rows, or choose another split (split = "random")',
        )
    usable = [(fit, validate) for fit, validate in plan.folds if len(np.unique(codes[fit])) >= 2]
    if not usable:
        raise SplitImpossible(
            "no cross-validation fold learns from two classes",
            where=plan.by,
            why="the rarer class appears only at the end of the training part, or has a single row there",
            fix='give more rows of it, or choose another split (split = "random")',
        )
    return SplitPlan(
        plan.kind, plan.by, plan.train, plan.test, usable, plan.confidence, plan.why, plan.unit, plan.units
    )
