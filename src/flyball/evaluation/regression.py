"""Statistics of regressors as functions of sums over rows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from flyball.evaluation.classification import equal_mass_bins, mean
from flyball.evaluation.resampling import Block, Statistic

__all__ = ["regression_statistics"]

Floats = NDArray[np.float64]
_BUCKETS = 512


def regression_statistics(
    target: Floats, prediction: Floats, low: Floats | None = None, high: Floats | None = None
) -> dict[str, Statistic]:
    """target, prediction and the interval's ends: (rows,), all in the target's unit."""
    distance = np.abs(target - prediction)
    squared = mean(distance**2)
    statistics = {
        "rmse": Statistic(squared.blocks, lambda *sums: np.sqrt(squared.value(*sums))),
        "mae": mean(distance),
        "r2": _explained(target, distance),
        "median_absolute_error": _median(distance),
    }
    if low is not None and high is not None:
        statistics["interval_coverage"] = mean(((low <= target) & (target <= high)).astype(np.float64))
    return statistics


def _explained(target: Floats, distance: Floats) -> Statistic:
    centred = target - target.mean()  # keeps the difference of squares exact for targets far from 0
    blocks = (Block(distance**2), Block(centred), Block(centred**2), Block(np.ones_like(target)))

    def value(error: Floats, first: Floats, second: Floats, rows: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = (second - first**2 / rows)[..., 0]
            floor = 1e-12 * np.abs(second[..., 0])
            return np.where(spread > floor, 1 - error[..., 0] / spread, np.nan)

    return Statistic(blocks, value)


def _median(distance: Floats) -> Statistic:
    """The weighted median; resampled over at most 512 buckets of the distance."""
    buckets = equal_mass_bins(distance, _BUCKETS, fewest_rows=1)
    width = int(buckets.max()) + 1
    middle = np.bincount(buckets, distance) / np.bincount(buckets)
    order = np.argsort(distance, kind="stable")

    def value(rows: Floats) -> Floats:
        reached = np.cumsum(rows, axis=-1)
        half = reached[..., -1:] / 2
        left, right = (reached < half).sum(axis=-1), np.minimum((reached <= half).sum(axis=-1), width - 1)
        found: Floats = (middle[np.minimum(left, width - 1)] + middle[right]) / 2
        return found

    def exact(weights: Floats) -> float:
        reached = np.cumsum(weights[order])
        if reached[-1] <= 0:
            return math.nan
        left = np.searchsorted(reached, reached[-1] / 2, side="left")
        right = min(int(np.searchsorted(reached, reached[-1] / 2, side="right")), len(order) - 1)
        return float((distance[order[left]] + distance[order[right]]) / 2)

    return Statistic((Block(np.ones_like(distance), buckets, width),), value, exact)
