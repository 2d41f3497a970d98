"""Area under the ROC curve with DeLong's interval; for dependent rows and for several classes in its cluster form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from flyball.evaluation.degenerate import FEWEST_UNITS
from flyball.evaluation.interval import Interval, wilson
from flyball.evaluation.resampling import label_codes
from flyball_runtime.errors import BadInput

__all__ = ["NotEnoughData", "auc_interval", "macro_auc_interval", "paired_auc"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Truth = NDArray[np.bool_]


class NotEnoughData(BadInput):
    """Too few rows (or only one class) for the statistic to be defined."""

    code = "FB-METRIC-003"


def auc_interval(
    score: Floats,
    positive: Truth,
    *,
    level: float = 0.90,
    units: Codes | None = None,
    weights: Floats | None = None,
) -> Interval:
    """Area under the ROC curve with DeLong's interval, taken on the logit scale so that it stays within [0, 1].

    score: (rows,) any monotone score, higher = more positive; positive: (rows,). units: (rows,) codes from 0 of rows
    that belong together; weights: (rows,). O(rows log rows).
    Raises NotEnoughData below two rows of either class: the curve is then undefined, not 0.5.

    >>> rng = np.random.default_rng(7)
    >>> y = rng.random(1000) < 0.3
    >>> auc_interval(y + rng.normal(size=1000), y)  # doctest: +ELLIPSIS
    Interval(value=0.7..., low=0.7..., high=0.7...)

    DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44(3); fast form of Sun & Xu (2014); clusters as Obuchowski
    (1997), Biometrics 53(2).
    """
    return macro_auc_interval([score], [positive], level=level, units=units, weights=weights)


def macro_auc_interval(
    scores: Sequence[Floats],
    positives: Sequence[Truth],
    *,
    level: float = 0.90,
    units: Codes | None = None,
    weights: Floats | None = None,
) -> Interval:
    """Mean of one-versus-rest areas, with the interval of that mean; classes with less than two rows are passed over.

    Rows of weight 0 are as if they were not there. Raises NotEnoughData when no class is left.
    """
    if weights is not None and not (weights > 0).all():
        weighty = weights > 0
        scores, positives = [score[weighty] for score in scores], [truth[weighty] for truth in positives]
        units, weights = None if units is None else label_codes(units[weighty]), weights[weighty]
    usable = [place for place, truth in enumerate(positives) if min(truth.sum(), (~truth).sum()) >= 2]
    if not usable:
        raise NotEnoughData(
            "the ROC curve needs two rows of either class",
            why=f"there are {', '.join(str(int(truth.sum())) for truth in positives)} rows of the class",
            fix="measure on more rows",
        )
    row_weights = np.ones(len(scores[0])) if weights is None else weights
    parts = [_influence(scores[place], positives[place], row_weights, units is None) for place in usable]
    value = float(np.mean([area for area, _ in parts]))
    influence = np.mean([share for _, share in parts], axis=0)
    scarcest = min(min(int(positives[place].sum()), int((~positives[place]).sum())) for place in usable)
    if units is None:
        return _logit(value, float(influence @ influence), level, scarcest, NormalDist().inv_cdf(0.5 + level / 2))
    sums = np.bincount(units, weights=influence)
    count = len(sums)
    if count < 2:
        return Interval(value, 0.0, 1.0)
    from scipy.special import stdtrit

    reach = float(stdtrit(count - 1, 0.5 + level / 2))
    return _logit(value, float(sums @ sums) * count / (count - 1), level, min(count, scarcest), reach)


def paired_auc(
    ours: Sequence[Floats],
    theirs: Sequence[Floats],
    positives: Sequence[Truth],
    *,
    level: float = 0.90,
    units: Codes | None = None,
    weights: Floats | None = None,
) -> tuple[float, float, Interval, float]:
    """Both mean areas on the same rows, their difference with its interval, and the p-value of no difference.

    One score (rows,) for each of the classes in `positives`, as `macro_auc_interval` takes them. Scores that never
    differ give a difference of exactly 0 and a p-value of 1. Raises NotEnoughData.
    DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44(3), for correlated curves; clusters as Obuchowski (1997).
    """
    from scipy.special import stdtr, stdtrit

    if weights is not None and not (weights > 0).all():
        weighty = weights > 0
        ours, theirs = [score[weighty] for score in ours], [score[weighty] for score in theirs]
        positives = [truth[weighty] for truth in positives]
        units, weights = None if units is None else label_codes(units[weighty]), weights[weighty]
    usable = [place for place, truth in enumerate(positives) if min(truth.sum(), (~truth).sum()) >= 2]
    if not usable:
        raise NotEnoughData("the ROC curve needs two rows of either class", fix="compare on more rows")
    row_weights = np.ones(len(ours[0])) if weights is None else weights
    sides = [
        [_influence(scores[place], positives[place], row_weights, units is None) for place in usable]
        for scores in (ours, theirs)
    ]
    mine, other = (float(np.mean([area for area, _ in side])) for side in sides)
    moved = np.mean([share for _, share in sides[0]], axis=0) - np.mean([share for _, share in sides[1]], axis=0)
    sums = moved if units is None else np.bincount(units, weights=moved)
    count = len(sums)
    difference = mine - other
    if count < 2:
        return mine, other, Interval(difference, -math.inf, math.inf), math.nan
    variance = float(sums @ sums) * (1.0 if units is None else count / (count - 1))
    if variance <= 0:
        scarcest = min(min(int(positives[place].sum()), int((~positives[place]).sum())) for place in usable)
        if difference != 0 and min(count, scarcest) < FEWEST_UNITS:
            return mine, other, Interval(difference, -math.inf, math.inf), math.nan
        return mine, other, Interval(difference, difference, difference), 1.0 if difference == 0 else 0.0
    error = math.sqrt(variance)
    half = float(stdtrit(count - 1, 0.5 + level / 2)) * error
    p_value = 2 * float(stdtr(count - 1, -abs(difference) / error))
    return mine, other, Interval(difference, difference - half, difference + half), p_value


def _influence(score: Floats, positive: Truth, weights: Floats, independent: bool) -> tuple[float, Floats]:
    """The area, and how much each row moves it: (rows,). `independent` rows get DeLong's small-sample factor."""
    _, tie = np.unique(score, return_inverse=True)
    yes, no = np.bincount(tie, weights * positive), np.bincount(tie, weights * ~positive)
    below, above = np.cumsum(no) - no / 2, yes.sum() - np.cumsum(yes) + yes / 2
    placement = np.where(positive, below[tie] / no.sum(), above[tie] / yes.sum())
    area = float(weights[positive] @ placement[positive] / yes.sum())
    share = weights * (placement - area) / np.where(positive, yes.sum(), no.sum())
    if independent:
        for side in (positive, ~positive):
            share[side] *= math.sqrt(side.sum() / (side.sum() - 1))
    return area, share


def _logit(value: float, variance: float, level: float, scarcest: int, reach: float) -> Interval:
    if value in (0.0, 1.0):  # resamples to itself, but is not certain for that
        return wilson(value, scarcest, level)
    if variance <= 0:
        return wilson(value, scarcest, level) if scarcest < FEWEST_UNITS else Interval(value, value, value)
    half, centre = reach * math.sqrt(variance) / (value * (1 - value)), math.log(value / (1 - value))
    return Interval(value, min(value, _sigmoid(centre - half)), max(value, _sigmoid(centre + half)))


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > -700 else 0.0
