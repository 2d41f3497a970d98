"""Area under the ROC curve: with DeLong's interval on independent rows, and with weights for resampling."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from flyball.evaluation.interval import Interval, wilson
from flyball_runtime.errors import BadInput

__all__ = ["NotEnoughData", "auc_interval", "ranked_auc", "ranked_precision"]

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], float]


class NotEnoughData(BadInput):
    """Too few rows (or only one class) for the statistic to be defined."""

    code = "FB-METRIC-003"


def auc_interval(score: Floats, positive: NDArray[np.bool_], *, level: float = 0.90) -> Interval:
    """Area under the ROC curve with DeLong's interval, taken on the logit scale so that it stays within [0, 1].

    score: (rows,) any monotone score, higher = more positive; positive: (rows,). O(rows log rows).
    Raises NotEnoughData below two rows of either class: the curve is then undefined, not 0.5.

    >>> rng = np.random.default_rng(7)
    >>> y = rng.random(1000) < 0.3
    >>> auc_interval(y + rng.normal(size=1000), y)  # doctest: +ELLIPSIS
    Interval(value=0.7..., low=0.7..., high=0.7...)

    DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44(3); fast form of Sun & Xu (2014).
    """
    yes, no = int(positive.sum()), int((~positive).sum())
    if min(yes, no) < 2:
        raise NotEnoughData(
            "the ROC curve needs two rows of either class",
            why=f"there are {yes} positive and {no} negative rows",
            fix="measure on more rows",
        )
    everywhere, within_yes, within_no = _midrank(score), _midrank(score[positive]), _midrank(score[~positive])
    above = (everywhere[positive] - within_yes) / no
    below = 1.0 - (everywhere[~positive] - within_no) / yes
    value = float(above.mean())
    variance = float(above.var(ddof=1) / yes + below.var(ddof=1) / no)
    if value in (0.0, 1.0):
        return wilson(value, min(yes, no), level)
    if variance <= 0:
        return Interval(value, value, value)
    reach = NormalDist().inv_cdf(0.5 + level / 2) * math.sqrt(variance) / (value * (1 - value))
    centre = math.log(value / (1 - value))
    return Interval(value, min(value, _sigmoid(centre - reach)), max(value, _sigmoid(centre + reach)))


def ranked_auc(score: Floats, positive: NDArray[np.bool_]) -> Statistic:
    """A function from row weights (rows,) to the weighted area under the ROC curve; sorted once, ties count half.

    NaN when the weights leave a class empty.
    """
    order, ties = _descending(score)
    yes = positive[order].astype(np.float64)

    def statistic(weights: Floats) -> float:
        found, missed = _by_tie(weights[order] * yes, ties), _by_tie(weights[order] * (1 - yes), ties)
        all_found, all_missed = found.sum(), missed.sum()
        if all_found <= 0 or all_missed <= 0:
            return math.nan
        below = all_missed - np.cumsum(missed)
        return float(found @ (below + missed / 2) / (all_found * all_missed))

    return statistic


def ranked_precision(score: Floats, positive: NDArray[np.bool_]) -> Statistic:
    """A function from row weights (rows,) to the average precision: precision at each threshold times recall gained.

    NaN when the weights leave no positive row.
    """
    order, ties = _descending(score)
    yes = positive[order].astype(np.float64)

    def statistic(weights: Floats) -> float:
        ranked = weights[order]
        found, called = _by_tie(ranked * yes, ties), np.cumsum(_by_tie(ranked, ties))
        total = found.sum()
        if total <= 0:
            return math.nan
        precision = np.divide(np.cumsum(found), called, out=np.zeros_like(called), where=called > 0)
        return float(found @ precision / total)

    return statistic


def _descending(score: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp] | None]:
    """Order of falling score, and where each run of equal scores begins (None: no two are equal)."""
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    return order, None if len(starts) == len(score) else starts


def _by_tie(values: Floats, ties: NDArray[np.intp] | None) -> Floats:
    return values if ties is None else np.add.reduceat(values, ties)


def _midrank(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    rank: Floats = (last - (counts - 1) / 2)[inverse]
    return rank


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > -700 else 0.0
