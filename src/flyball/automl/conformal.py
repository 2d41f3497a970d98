"""Conformal calibration: intervals and class sets that hold a stated share of new truths, from out-of-fold rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from flyball.automl.pipeline import PredictionInterval, PredictionSet
from flyball.automl.problem import Fold
from flyball.automl.spread import CrossFit

__all__ = ["Standing", "class_sets", "conformal_interval", "interval_score", "natural_bounds", "standing"]

LEVEL = 0.90
_FADE = 0.5  # weight of a forward-chaining fold, relative to the one after it
_LEAST_GAIN = 0.01  # of the interval score, for a spread that must be carried along
_SURE, _CERTAIN = 0.95, 1 - 1e-12
_ROOM = 1.5  # on the logit scale
_LEAST_CLASS_ROWS = 30
_NEAR = 1e-6  # probabilities this close to a threshold count as reaching it: two libraries may round apart
Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Standing:
    """What the out-of-fold rows count for. rows: (n,) their positions among the training rows; weight: (n,), mean 1;
    part: (n,) the fold that validated each; units: (n,) codes of rows that depend on each other, None for the row itself.
    """

    rows: NDArray[np.intp]
    weight: Floats
    part: Codes
    units: Codes | None

    def of(self, chosen: NDArray[np.bool_]) -> Standing:
        """The same for some of the rows, by a mask (n,)."""
        units = None if self.units is None else self.units[chosen]
        return Standing(self.rows[chosen], self.weight[chosen], self.part[chosen], units)


def standing(
    seen: NDArray[np.bool_], folds: Sequence[Fold], weight: Floats, units: NDArray[np.integer] | None
) -> Standing:
    """Which rows calibrate, and how much each counts: seen, weight, units are (rows,) of the training table.

    Where the folds chain forward in time, each earlier fold counts half as much as the next: its models had seen less, and
    the newest rows resemble those to come most. Barber et al. (2023), "Conformal prediction beyond exchangeability".
    """
    part = np.full(len(seen), -1, dtype=np.int64)
    for number, (_, validate) in enumerate(folds):
        part[validate] = number
    rows = np.flatnonzero(seen)
    counts = weight[rows].astype(np.float64)
    if _chained(folds, part):
        newest = part[rows].max(initial=0)
        counts = counts * _FADE ** (newest - part[rows])
    total = counts.sum()
    return Standing(
        rows,
        counts * (len(rows) / total) if total > 0 else np.ones(len(rows)),
        part[rows],
        None if units is None else np.unique(units[rows], return_inverse=True)[1].astype(np.int64),
    )


def _chained(folds: Sequence[Fold], part: Codes) -> bool:
    """Whether the later folds learn from more, and none from rows that a later one validates; part: (rows,)."""
    growing = all(len(before[0]) < len(after[0]) for before, after in pairwise(folds))
    return len(folds) > 1 and growing and not any(np.any(part[fit] > number) for number, (fit, _) in enumerate(folds))


def conformal_interval(
    prediction: Floats,
    truth: Floats,
    counted: Standing,
    found: CrossFit | None = None,
    *,
    level: float = LEVEL,
) -> tuple[PredictionInterval, tuple[int, float] | None, Floats] | None:
    """The interval that holds `level` of new truths, an equal share missed on either side; None without rows.

    prediction, truth: (n,) out of fold; found: spreads of these rows to choose from. The errors are taken in units of
    each spread, and of none; the choice is the one with the lowest interval score, if it gains 1 % on constant offsets.
    Returns the interval (without its spread model), the spread chosen, and that spread of each row (n,).
    Vovk, Gammerman & Shafer (2005); Lei et al. (2018), "Distribution-free predictive inference for regression" (its
    locally weighted scores); Gneiting & Raftery (2007) for the score.
    """
    if not len(truth):
        return None
    error = truth - prediction
    floor, ceiling = natural_bounds(truth)

    def offsets(scale: Floats) -> tuple[PredictionInterval, float]:
        score = error / scale
        low, high = -_quantile(-score, counted, (1 + level) / 2), _quantile(score, counted, (1 + level) / 2)
        made = PredictionInterval(min(low, 0.0), max(high, 0.0), level, floor=floor, ceiling=ceiling)
        ends = made.ends(prediction, scale)
        return made, interval_score(truth, *ends, counted.weight, level)

    ones = np.ones(len(truth))
    best, least = offsets(ones)
    choice, scale, least = None, ones, least * (1 - _LEAST_GAIN)
    for option, spread in ({} if found is None else found.scales).items():
        made, score = offsets(spread)
        if score < least:
            best, least, choice, scale = made, score, option, spread
    return best, choice, scale


def interval_score(truth: Floats, low: Floats, high: Floats, weight: Floats, level: float) -> float:
    """Mean width plus 2 / (1 - level) times the distance of each truth that lies outside; lower is better."""
    miss = np.maximum(low - truth, 0.0) + np.maximum(truth - high, 0.0)
    return float(np.average(high - low + 2 / (1 - level) * miss, weights=weight))


def natural_bounds(truth: Floats) -> tuple[float | None, float | None]:
    """Ends that the target itself has, as far as they show: a value at which many rows pile up, or zero.

    Truths below the smallest of n are as rare as 1 in n, but only a pile-up or zero is an end that later rows will
    respect as well: a series that climbs goes beyond its old peak, but sales do not fall below zero.
    """
    least, most = float(truth.min()), float(truth.max())
    floor = least if _piled(truth, least) else None
    ceiling = most if _piled(-truth, -most) else None
    room = 0.01 * (most - least)
    if floor is None and 0 <= least <= room:
        floor = 0.0
    if ceiling is None and -room <= most <= 0:
        ceiling = 0.0
    return (floor, ceiling) if len(truth) >= 100 and most > least else (None, None)


def _piled(values: Floats, least: float) -> bool:
    """Whether the smallest value is shared by half a percent of the rows, and by as many as the next one."""
    at = int(np.count_nonzero(values == least))
    if at < max(10, 0.005 * len(values)):
        return False
    above = values[values > least]
    return len(above) > 0 and at >= int(np.count_nonzero(above == above.min()))


def class_sets(probability: Floats, target: Codes, counted: Standing, *, level: float = LEVEL) -> PredictionSet | None:
    """Thresholds, one per class, that `level` of the rows of that class reach with its probability; None without rows.

    probability: (n, classes) out of fold; target: (n,) class positions. A row's set holds every class whose threshold
    its probability reaches; it is empty where none does. Classes with fewer than 30 rows share one threshold.
    Sadinle, Lei & Wasserman (2019), "Least ambiguous set-valued classifiers with bounded error levels"; Ding et al.
    (2023), "Class-conditional conformal prediction with many classes", for the sharing.
    """
    if not len(target):
        return None
    classes = probability.shape[1]
    score = -probability[np.arange(len(target)), target]
    rows = np.bincount(target, minlength=classes)
    rare = rows < _LEAST_CLASS_ROWS
    shared = rare[target] if rows[rare].sum() >= _LEAST_CLASS_ROWS else np.ones(len(target), dtype=np.bool_)

    def threshold(chosen: NDArray[np.bool_]) -> float:
        return _with_room(-_quantile(score[chosen], counted.of(chosen), level), -score[chosen])

    thresholds = np.empty(classes)
    if rare.any():
        thresholds[rare] = threshold(shared)
    for code in np.flatnonzero(~rare):
        thresholds[code] = threshold(target == code)
    return PredictionSet(tuple(float(value) for value in np.maximum(thresholds - _NEAR, 0.0)), level)


def _with_room(threshold: float, probability: Floats) -> float:
    """Where nearly all rows of a class are as good as certain, their probabilities differ by less than those of the folds'
    models and the whole's: the threshold then keeps a distance from their middle, or it would split them by chance.
    """
    if threshold <= _SURE:
        return threshold
    middle, edge = (float(logit(np.clip(value, 0.0, _CERTAIN))) for value in (np.median(probability), threshold))
    return float(expit(min(edge, max(middle - _ROOM, float(logit(_SURE))))))


def _quantile(values: Floats, counted: Standing, level: float) -> float:
    """The weighted quantile with the finite-sample correction: of n + 1 values, n of them known.

    n is the number of independent rows that would tell as much: fewer where weights differ, and where rows of one unit
    miss together. With n so small that the quantile is beyond all of them it is the largest.
    """
    order = np.argsort(values, kind="stable")
    mass = np.cumsum(counted.weight[order])
    plain = values[order][min(int(np.searchsorted(mass, level * mass[-1])), len(values) - 1)]
    count = _independent(values > plain, counted, level)
    rank = np.searchsorted(mass, level * (1 + 1 / count) * mass[-1] - 1e-9 * counted.weight.mean())
    return float(values[order][min(int(rank), len(values) - 1)])


def _independent(miss: NDArray[np.bool_], counted: Standing, level: float) -> float:
    """How many independent rows would give the variance that the share of misses shows over units.

    By Kish (1965) for the weights, and by the linearised variance of a ratio over units (Korn & Graubard 1998).
    """
    weight = counted.weight
    kish = float(weight.sum() ** 2 / (weight**2).sum())
    if counted.units is None:
        return kish
    units = int(counted.units.max()) + 1
    if units < 2:
        return 1.0
    beyond = np.bincount(counted.units, weight * (miss - (1 - level)), minlength=units)
    variance = units / (units - 1) * float((beyond**2).sum()) / float(weight.sum()) ** 2
    return float(np.clip(level * (1 - level) / variance, 1.0, kish)) if variance > 0 else kish
