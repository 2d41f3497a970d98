"""Statistics of regressors, each as a function of row weights."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["regression_statistics"]

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], float]


def regression_statistics(
    target: Floats, prediction: Floats, low: Floats | None = None, high: Floats | None = None
) -> dict[str, Statistic]:
    """target, prediction and the interval's ends: (rows,), all in the target's unit."""
    distance = np.abs(target - prediction)
    order = np.argsort(distance, kind="stable")

    def mean(values: Floats, weights: Floats) -> float:
        total = weights.sum()
        return float(weights @ values / total) if total > 0 else math.nan

    def explained(weights: Floats) -> float:
        spread = mean((target - mean(target, weights)) ** 2, weights)
        return 1 - mean(distance**2, weights) / spread if spread > 0 else math.nan

    def median(weights: Floats) -> float:
        reached = np.cumsum(weights[order])
        if not len(order) or reached[-1] <= 0:
            return math.nan
        left = np.searchsorted(reached, reached[-1] / 2, side="left")
        right = min(np.searchsorted(reached, reached[-1] / 2, side="right"), len(order) - 1)
        return float((distance[order[left]] + distance[order[right]]) / 2)

    statistics: dict[str, Statistic] = {
        "rmse": lambda weights: math.sqrt(mean(distance**2, weights)),
        "mae": lambda weights: mean(distance, weights),
        "r2": explained,
        "median_absolute_error": median,
    }
    if low is not None and high is not None:
        covered = ((low <= target) & (target <= high)).astype(np.float64)
        statistics["interval_coverage"] = lambda weights: mean(covered, weights)
    return statistics
