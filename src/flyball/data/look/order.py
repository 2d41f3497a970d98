"""Whether the sequence of rows is a sequence in time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.data.look.quick import cross_fitted, fold_of_rows, row_losses
from flyball.data.look.view import Floats, View
from flyball_runtime.schema import MISSING_TIME

__all__ = [
    "OrderGain",
    "clock_columns",
    "is_ascending",
    "is_sorted_by_target",
    "order_gain",
    "time_columns",
    "time_gap",
]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EPOCH_NAME = re.compile(r"(^|_|\b)(date|time|timestamp|ts|datetime|epoch)s?($|_|\b)", re.IGNORECASE)
_ATTRIBUTE_NAME = re.compile(r"birth|dob|hire|expir|due|valid|deadline|required|until", re.IGNORECASE)
_CODED = r"^[a-z]{3,9}$"


@dataclass(frozen=True, slots=True)
class OrderGain:
    """What time tells or hides: a relative change of a quick model's loss, and its z value over rows."""

    share: float
    z: float

    @property
    def likely(self) -> bool:
        """Beyond chance: enough beside other evidence of an order."""
        return self.share >= 0.03 and self.z >= 4

    @property
    def clear(self) -> bool:
        """Far beyond chance, and large enough to matter."""
        return self.share >= 0.04 and self.z >= 6

    @property
    def wide(self) -> bool:
        """A gap between later and random rows that matters and is beyond chance."""
        return self.share >= 0.05 and self.z >= 4.5

    @property
    def overwhelming(self) -> bool:
        """So strong that it needs no clock beside it."""
        return self.share >= 0.15 and self.z >= 10


def order_gain(view: View, place: Floats, rng: np.random.Generator, seed: int) -> OrderGain:
    """Compare two models, both out of fold on random rows: one that sees each row's `place` (rows,) beside the columns,
    and one that sees it shuffled. The shuffled place keeps all else equal, the number of columns above all.

    Where rows are arranged by a column (all rows of one city, then all of the next), both see that arrangement too, so
    that a sort key never passes for time.
    """
    matrix = np.column_stack([view.matrix(), *_arrangements(view)])
    fold = fold_of_rows(len(view), 2, rng)
    losses = [
        row_losses(
            cross_fitted(
                np.column_stack([matrix, given]),
                view.target,
                task=view.task,
                classes=view.classes,
                fold=fold,
                seed=seed,
            ),
            view.target,
            view.task,
        )
        for given in (rng.permutation(place), place)
    ]
    saved = losses[0] - losses[1]
    spread = float(saved.std()) / np.sqrt(len(saved))
    return OrderGain(float(saved.mean() / max(losses[0].mean(), 1e-12)), float(saved.mean() / max(spread, 1e-12)))


def _arrangements(view: View) -> list[Floats]:
    """For each column whose equal values stand together in the rows: when each value first appears, (rows,)."""
    found = []
    for field in view.fields:
        values = view.columns[field.name]
        if field.kind == "time" or field.logical == "float" or not 2 < view.levels[field.name] <= len(view) / 3:
            continue
        runs = 1 + int(np.count_nonzero(np.diff(values)))
        if runs <= 1.2 * view.levels[field.name] + 2:
            first, inverse = np.unique(values, return_index=True, return_inverse=True)[1:]
            found.append(first[inverse].astype(np.float64))
    return found


def time_gap(view: View, moments: Floats, rng: np.random.Generator, seed: int) -> OrderGain:
    """How much a random split flatters: the later half of rows predicted from the earlier half, against predicting the
    same rows from as many random ones. `moments`: (rows,)."""
    matrix = view.matrix()
    later = np.argsort(np.argsort(moments, kind="stable"), kind="stable") >= len(view) // 2
    losses = []
    for fold in (later.astype(np.intp), fold_of_rows(len(view), 2, rng)):
        outputs = cross_fitted(matrix, view.target, task=view.task, classes=view.classes, fold=fold, seed=seed)
        losses.append(row_losses(outputs, view.target, view.task)[later])
    worse = losses[0] - losses[1]
    spread = float(worse.std()) / np.sqrt(len(worse))
    return OrderGain(float(worse.mean() / max(losses[1].mean(), 1e-12)), float(worse.mean() / max(spread, 1e-12)))


def is_sorted_by_target(view: View) -> bool:
    """Whether rows are arranged by what is to be predicted, so that their order says nothing about time."""
    target = view.target
    if view.task == "regression":
        ranks = np.argsort(np.argsort(target, kind="stable"), kind="stable")
        return bool(abs(np.corrcoef(ranks, np.arange(len(ranks)))[0, 1]) > 0.98)
    shares = np.bincount(target.astype(np.intp)) / len(target)
    expected_runs = 1 + (len(target) - 1) * (1 - float((shares**2).sum()))
    return bool(np.count_nonzero(np.diff(target)) + 1 < 0.02 * expected_runs)


def has_block_of_one_class(view: View) -> bool:
    """Whether a fifth of the rows stand together in one class, though that class is not nearly all of the table."""
    if view.task == "regression":
        return False
    target = view.target
    begins = np.concatenate([[0], np.flatnonzero(np.diff(target)) + 1])
    lengths = np.diff(np.concatenate([begins, [len(target)]]))
    shares = np.bincount(target.astype(np.intp)) / len(target)
    usual = shares[target[begins].astype(np.intp)] > 0.9
    return bool((lengths[~usual] > 0.2 * len(target)).any())


def clock_columns(view: View) -> list[str]:
    """Columns that run like a clock through the rows: upward in small steps, then back to the start, several times.

    Hours, days of a month, month names, weekday names: what a recorder writes and no shuffled or sorted table shows.
    """
    return [field.name for field in view.fields if _runs_like_a_clock(_ordinal(view, field.name))]


def _ordinal(view: View, name: str) -> Floats:
    """A column's numbers; for names of months or weekdays, their place in the year or week."""
    field = view.table.schema[name]
    if field.kind != "text":
        return view.columns[name]
    values = view.table[name][view.rows]
    levels = {value for value in values.tolist() if value is not None}
    if len(levels) > 31:
        return np.empty(0)
    for words in (_MONTHS, _WEEKDAYS):
        place = {
            level: next((i for i, word in enumerate(words) if level.lower().startswith(word)), None) for level in levels
        }
        if len(levels) >= 5 and all(re.match(_CODED, level.lower()) for level in levels) and None not in place.values():
            return np.array([np.nan if value is None else place[value] for value in values.tolist()], dtype=np.float64)
    return np.empty(0)


def _runs_like_a_clock(values: Floats) -> bool:
    values = values[~np.isnan(values)]
    if len(values) < 50:
        return False
    steps = np.diff(values)
    steps = steps[steps != 0]
    low, high = values.min(), values.max()
    if len(steps) < 20 or high == low or not np.isfinite(high - low):
        return False
    spread = high - low
    wraps = steps < -0.4 * spread
    climbs = (steps > 0) & (steps <= 0.35 * spread)
    return bool(wraps.sum() >= 3 and (wraps | climbs).mean() >= 0.93 and climbs.sum() >= 3 * wraps.sum())


def time_columns(view: View) -> list[tuple[str, NDArray[np.int64]]]:
    """Columns that may tell when a row was observed, as (rows,) integers, most telling first.

    Dates and times that vary, and whole numbers that are seconds or milliseconds since 1970, or dates like 20240309.
    A date that is missing in every tenth row tells of an event, not of the observation.
    """
    found: list[tuple[int, str, NDArray[Any]]] = []
    for field in view.fields:
        many = view.levels[field.name] >= max(10, min(30, len(view) // 20))
        values = view.columns[field.name]
        known = np.isfinite(values)
        if not many or _ATTRIBUTE_NAME.search(field.name) or known.mean() < 0.9:
            continue
        if field.kind == "time":
            found.append((view.levels[field.name], field.name, view.table[field.name][view.rows]))
        elif field.kind == "number" and _tells_moments(values[known], field.name):
            moments = np.where(known, values, MISSING_TIME)
            found.append((view.levels[field.name], field.name, moments.astype(np.int64)))
    found.sort(key=lambda item: -item[0])
    return [(name, moments) for _, name, moments in found]


def _tells_moments(values: Floats, name: str) -> bool:
    """Whether numbers are seconds, milli- or microseconds since 1970, or dates written as 20240309.

    A column called a date or time may lie anywhere from 1973 on, any other from 2000 to 2036.
    """
    low, high = float(values.min()), float(values.max())
    since, until = (1e8, 4e9) if _EPOCH_NAME.search(name) else (946_684_800.0, 2.1e9)
    if any(low >= since * unit and high <= until * unit for unit in (1.0, 1e3, 1e6)):
        return True
    if low < 19_000_101 or high > 21_001_231 or bool((values % 1).any()):
        return False
    month, day = values // 100 % 100, values % 100
    return bool(((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).mean() > 0.999)


def is_ascending(moments: NDArray[np.int64]) -> bool:
    """Whether rows come in the order of time, forwards or backwards, but for one in a hundred."""
    present = moments[moments != MISSING_TIME]
    steps = np.diff(present)
    steps = steps[steps != 0]
    if len(steps) < 10 or len(present) < 0.9 * len(moments):
        return False
    upward = float((steps > 0).mean())
    return max(upward, 1 - upward) >= 0.99
