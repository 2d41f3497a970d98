"""Resampling whole honest units (rows, groups, stretches of time), so that dependent rows do not flatter."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["label_codes", "resample", "time_blocks"]

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], float]


def resample(
    statistics: Mapping[str, Statistic],
    weights: Floats,
    units: NDArray[np.int64] | None,
    *,
    replicates: int,
    rng: np.random.Generator,
) -> dict[str, Floats]:
    """Bootstrap every statistic over the same resamples of units.

    weights: (rows,); units: (rows,) codes from 0, None when each row is its own unit. Each statistic maps row weights
    to a number. Returns name -> (replicates,). O(replicates x rows).
    """
    count = len(weights) if units is None else int(units.max()) + 1
    drawn: dict[str, Floats] = {name: np.empty(replicates) for name in statistics}
    for replicate in range(replicates):
        times = np.bincount(rng.integers(0, count, count), minlength=count).astype(np.float64)
        resampled = weights * (times if units is None else times[units])
        for name, statistic in statistics.items():
            drawn[name][replicate] = statistic(resampled)
    return drawn


def label_codes(labels: NDArray[np.generic] | NDArray[np.object_]) -> NDArray[np.int64]:
    """Codes from 0 for labels of any type: (rows,) -> (rows,). A missing label is a unit of its own."""
    if labels.dtype != object:
        missing = np.isnan(labels) if labels.dtype.kind == "f" else np.zeros(len(labels), dtype=bool)
        _, codes = np.unique(labels, return_inverse=True)
    else:
        missing = np.fromiter(
            (label is None or (isinstance(label, float) and math.isnan(label)) for label in labels),
            dtype=bool,
            count=len(labels),
        )
        seen: dict[object, int] = {}
        codes = np.fromiter((seen.setdefault(label, len(seen)) for label in labels), dtype=np.int64, count=len(labels))
    result = codes.astype(np.int64)
    result[missing] = result.max(initial=-1) + 1 + np.arange(int(missing.sum()))
    _, dense = np.unique(result, return_inverse=True)
    return dense.astype(np.int64)


def time_blocks(order: NDArray[np.generic], *, count: int = 30) -> NDArray[np.int64]:
    """Codes of at most `count` equally long stretches of time: (rows,) sortable -> (rows,).

    Neighbours in time resemble each other, so it is stretches, not rows, that are resampled. Künsch (1989), Annals of
    Statistics 17(3), in its non-overlapping form.
    """
    rows = len(order)
    rank = np.empty(rows, dtype=np.int64)
    rank[np.argsort(order, kind="stable")] = np.arange(rows)
    return rank * min(count, max(1, rows)) // max(1, rows)
