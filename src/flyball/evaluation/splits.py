"""Which rows a model learns from, is tuned on and is judged by: in the order or the groups that the data has."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flyball.evaluation.allocation import deal_groups, deal_rows, strata
from flyball.evaluation.apart import Apart
from flyball.evaluation.metrics import Task
from flyball.evaluation.resampling import label_codes, time_blocks
from flyball_runtime.errors import BadInput

__all__ = ["SplitImpossible", "SplitKind", "SplitPlan", "plan_split"]

SplitKind = Literal["random", "time", "group"]
Indices = NDArray[np.intp]
Sides = tuple[Indices, Indices]
Parts = tuple[Indices, Indices, list[Sides]]
_NEITHER = 0  # the part of a row that no fold holds
_UNITS = {"random": "row", "group": "group", "time": "stretch of time"}


class SplitImpossible(BadInput):
    """The table cannot be split in the way asked for: too few rows, groups, moments or classes on one side."""

    code = "FB-SPLIT-001"


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """How rows are divided. `train`, `test` and the folds hold row numbers of the table; folds lie within `train`.

    `units`: (rows,) code of each row's honest resampling unit, None when that is the row itself; `unit` names it.
    `embargoed` and `purged` count rows that neither side uses: too near to the test, or of a group that is tested.
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
    embargoed: int = 0
    purged: int = 0

    def units_of(self, rows: Indices) -> NDArray[np.int64] | None:
        """The resampling units of some rows, in the form that `evaluate(groups=...)` takes."""
        return None if self.units is None else self.units[rows]

    @property
    def digest(self) -> str:
        """SHA-256 of which rows are learned from, in each fold too, and which of them depend on each other.

        An embargo or a test file changes the rows; a group beside a time may change only the units.
        """
        digest = hashlib.sha256()
        units = self.units_of(self.train)
        for rows in (self.train, *(side for fold in self.folds for side in fold), *([] if units is None else [units])):
            digest.update(len(rows).to_bytes(8, "little") + np.asarray(rows, dtype="<i8").tobytes())
        return digest.hexdigest()


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
    embargo: float = 0.0,
    purge: bool = False,
    sides: Sides | None = None,
    confidence: float = 1.0,
    why: str = "",
) -> SplitPlan:
    """Divide `rows` rows into train, test and cross-validation folds.

    random: stratified by the target; rows that share a label in `groups` (duplicates, say) stay together.
    group: whole groups. time: the latest rows by `order` (default: the order of rows) are the test; each fold learns
    from the past and validates on what follows; equal moments are never divided. Between what is learned from and what
    judges, in the test and in every fold, `gap` rows or `embargo` units of `order` are left out; `purge` leaves out
    what belongs to a group that is judged. With `groups` beside a time, groups or stretches are resampled, whichever
    are fewer in the test. `sides`: rows to learn from and rows to test on, when they are given; only folds are made
    then. Deterministic for a seed. Raises SplitImpossible.
    """
    learnable = rows if sides is None else len(sides[0])
    if learnable < 10:
        raise SplitImpossible(
            "the table is too small to split", why=f"it has {learnable} rows; 10 are needed", fix="give more rows"
        )
    if (kind == "group" or purge) and groups is None:
        raise SplitImpossible("a split by group needs the groups", fix="name their column: group = COLUMN")
    if kind != "time" and (gap or embargo):
        raise SplitImpossible("an embargo needs rows in the order of time", fix="name their column: time = COLUMN")
    rng = np.random.default_rng(seed)
    codes = None if groups is None else label_codes(np.asarray(groups))
    moments = None
    if kind == "time":
        moments = np.arange(rows) if order is None else _sortable(order)
        train, test_rows, parts = _split_time(moments, test, folds, sides)
    elif codes is not None:
        train, test_rows, parts = _split_groups(codes, strata(target, task), test, folds, rng=rng, sides=sides)
    else:
        train, test_rows, parts = _split_rows(strata(target, task), test, folds, rng, sides)
    unit, units = _units(kind, codes, moments, test_rows)
    plan = SplitPlan(kind, by, train, test_rows, parts, confidence, why, unit, units)
    plan = _kept_apart(plan, Apart(moments, gap, embargo, codes if purge else None))
    if task != "regression":
        plan = _with_classes(plan, np.asarray(label_codes(np.asarray(target))))
    return plan


def _units(
    kind: SplitKind, codes: NDArray[np.int64] | None, moments: NDArray[Any] | None, test: Indices
) -> tuple[str, NDArray[np.int64] | None]:
    """What is resampled as one, and its code for each row: the coarser of the two when rows have both."""
    if moments is None:
        return _UNITS[kind], codes
    stretches = _time_units(moments, test)
    if codes is None or len(np.unique(codes[test])) > len(np.unique(stretches[test])):
        return _UNITS["time"], stretches
    return _UNITS["group"], codes


def _kept_apart(plan: SplitPlan, apart: Apart) -> SplitPlan:
    """The plan without training rows that lie too near to what judges them. Raises SplitImpossible."""
    if not apart.asks:
        return plan
    near, shared = apart.embargoed(plan.train, plan.test), apart.shared(plan.train, plan.test)
    train = plan.train[~(near | shared)]
    folds = [(np.intersect1d(fit, train), np.intersect1d(validate, train)) for fit, validate in plan.folds]
    folds = [(apart.keep(fit, validate), validate) for fit, validate in folds]
    folds = [(fit, validate) for fit, validate in folds if len(fit) and len(validate)]
    embargoed, purged = int(near.sum()), int((shared & ~near).sum())
    if not folds or len(train) < 2:
        taken = [f"{embargoed:,} are too near to the test" if embargoed else "",
                 f"{purged:,} belong to groups that are tested" if purged else ""]  # fmt: skip
        raise SplitImpossible(
            "nothing is left to learn from" if len(train) < 2 else "no cross-validation fold is left",
            where=plan.by,
            why=f"of {len(plan.train):,} training rows " + (" and ".join(filter(None, taken)) or "too few are left")
            + ("" if len(train) < 2 else "; within the rest, every fold loses all it would learn from"),
            fix="ask for a shorter embargo, leave purge out, or give more rows",
        )  # fmt: skip
    return replace(plan, train=train, folds=folds, embargoed=embargoed, purged=purged)


def _split_rows(
    stratum: NDArray[np.int64], test: float, folds: int, rng: np.random.Generator, sides: Sides | None
) -> Parts:
    """Rows whose stratum has a single training row are always learned from and never validated."""
    if sides is not None:
        part = np.full(len(stratum), _NEITHER)
        dealt = deal_rows(label_codes(stratum[sides[0]]), 1 / folds, folds - 1, rng)
        part[sides[0]] = np.where(dealt < 0, dealt, dealt + 1)
        return *sides, _folds_of(part, sides[0])
    part = deal_rows(stratum, test, folds, rng)
    train, test_rows = np.flatnonzero(part != 0), np.flatnonzero(part == 0)
    return train, test_rows, _folds_of(part, train)


def _split_groups(
    group: NDArray[np.int64],
    stratum: NDArray[np.int64],
    test: float,
    folds: int,
    *,
    rng: np.random.Generator,
    sides: Sides | None,
) -> Parts:
    own = group if sides is None else label_codes(group[sides[0]])
    count, needed = int(own.max()) + 1, 3 if sides is None else 2
    if count < needed:
        held = "; one is held out for the test and two are needed to tune" if sides is None else ", two are needed"
        raise SplitImpossible(
            "too few groups to split by",
            why=f"there are {count}{held}",
            fix='choose another column, or split = "random" if the rows are independent after all',
        )
    if sides is not None:
        number = min(folds, count)
        part = np.full(len(group), _NEITHER)
        dealt = deal_groups(own, label_codes(stratum[sides[0]]), 1 / number, number - 1, rng)
        part[sides[0]] = dealt[own] + 1
        return *sides, _folds_of(part, sides[0])
    part = deal_groups(group, stratum, test, min(folds, count - 1), rng)[group]
    train, test_rows = np.flatnonzero(part != 0), np.flatnonzero(part == 0)
    return train, test_rows, _folds_of(part, train)


def _folds_of(part: NDArray[np.int64], train: Indices) -> list[tuple[Indices, Indices]]:
    divided = [(train[part[train] != number], train[part[train] == number]) for number in range(1, part.max() + 1)]
    return [(fit, validate) for fit, validate in divided if len(fit) and len(validate)]


def _split_time(moments: NDArray[Any], test: float, folds: int, sides: Sides | None) -> Parts:
    among = np.arange(len(moments)) if sides is None else sides[0]
    order = among[np.argsort(moments[among], kind="stable")]
    ranked = moments[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))  # rows where a new moment begins
    if len(starts) < 3:
        raise SplitImpossible(
            "too few moments to split by time",
            why=f"the column holds {len(starts)} different values",
            fix='name another time column, or split = "random"',
        )
    cut = _nearest_start(starts[1:], round(len(order) * (1 - test))) if sides is None else len(order)
    inner = starts[(starts > 0) & (starts < cut)]
    wanted = (
        [_nearest_start(inner, round(cut * (step + 1) / (folds + 1))) for step in range(folds)] if len(inner) else []
    )
    parts = [
        (np.sort(order[:begin]), np.sort(order[begin:end])) for begin, end in pairwise([*sorted(set(wanted)), cut])
    ]
    if not parts:
        raise SplitImpossible(
            "no cross-validation fold is left",
            why="the training part holds a single moment",
            fix='give more rows, name another time column, or split = "random"',
        )
    if sides is not None:
        return *sides, parts
    return np.sort(order[:cut]), np.sort(order[cut:]), parts


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
    return replace(plan, folds=usable)
