"""Intervals where resampling says nothing: on rows so few, or so alike, that every resample gives the same figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flyball.evaluation.interval import Interval, wilson

__all__ = ["FEWEST_UNITS", "Called", "exact_interval", "is_degenerate"]

FEWEST_UNITS = 20  # below it a figure that does not vary may well do so on other rows

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Called:
    """True and predicted class codes, (rows,) each; `positive`: the code of the class that a binary metric is about."""

    truth: Codes
    called: Codes
    classes: int
    positive: int


def is_degenerate(found: Interval) -> bool:
    """Whether an interval has no width; infinite ends have one."""
    return found.high - found.low <= 1e-12 * max(1.0, abs(found.value))


def exact_interval(
    name: str, value: float, *, rows: Called | None, weights: Floats, units: Codes | None, level: float
) -> Interval | None:
    """The interval of a metric whose resamples do not differ, from the proportions that it is made of; None for others.

    weights: (rows,); units: (rows,) codes from 0, None when each row is its own. F1 is a function of one proportion
    (Jaccard's: of the rows that are or are called positive, the share that both holds for); the average over classes is
    put together from theirs by MOVER (Zou & Donner 2008, Statistics in Medicine 27); a mean of equal values in [0, 1]
    may hold any other value with the probability that so many rows never showed it (Clopper & Pearson 1934).
    """
    if name == "brier":
        count = _count(np.ones(len(weights), dtype=np.bool_), weights, units)
        unseen = 1 - ((1 - level) / 2) ** (1 / count)
        return Interval(value, value * (1 - unseen), value + (1 - value) * unseen)
    if rows is None:
        return None
    hit = rows.truth == rows.called
    if name == "balanced_accuracy":
        parts = [_share(hit, rows.truth == code, weights, units, level) for code in range(rows.classes)]
        return _mean(value, parts)
    if name in ("f1", "macro_f1"):
        codes = range(rows.classes) if name == "macro_f1" else [rows.positive]
        found = [_share(hit, (rows.truth == code) | (rows.called == code), weights, units, level) for code in codes]
        parts = [None if one is None else Interval(*(2 * end / (1 + end) for end in (one.value, one.low, one.high)))
                 for one in found]  # fmt: skip
        return _mean(value, parts)
    return None


def _share(
    hit: NDArray[np.bool_], concerned: NDArray[np.bool_], weights: Floats, units: Codes | None, level: float
) -> Interval | None:
    """The share of hits among the rows concerned, by Wilson's interval over their units; None without any."""
    whole = float(weights[concerned].sum())
    if whole <= 0:
        return None
    return wilson(float(weights[concerned] @ hit[concerned]) / whole, _count(concerned, weights, units), level)


def _count(concerned: NDArray[np.bool_], weights: Floats, units: Codes | None) -> int:
    """How many units the rows concerned are of; rows that weigh nothing do not count."""
    counted = concerned & (weights > 0)
    return max(1, int(counted.sum()) if units is None else len(np.unique(units[counted])))


def _mean(value: float, parts: Sequence[Interval | None]) -> Interval | None:
    known = [one for one in parts if one is not None]
    if not known:
        return None
    down, up = (math.sqrt(sum(gap**2 for gap in gaps)) / len(known) for gaps in (
        [one.value - one.low for one in known], [one.high - one.value for one in known]))  # fmt: skip
    return Interval(value, max(0.0, value - down), min(1.0, value + up))
