"""Resampling whole honest units (rows, groups, stretches of time), so that dependent rows do not flatter."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Block", "Statistic", "label_codes", "resample", "time_blocks"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
_MOST_UNITS = 2000


@dataclass(frozen=True, slots=True)
class Block:
    """Something to be summed over rows, weighted: values (rows,), apart for each of `width` codes (rows,)."""

    values: Floats
    codes: Codes | None = None
    width: int = 1


@dataclass(frozen=True, slots=True)
class Statistic:
    """A function of weighted sums. `value` takes the sums of each block, (..., width), and returns (...).

    `exact`: the statistic itself as a function of row weights, where the sums only approximate it; resampling then
    says how it varies.
    """

    blocks: tuple[Block, ...]
    value: Callable[..., Floats]
    exact: Callable[[Floats], float] | None = None

    def of(self, weights: Floats) -> float:
        """The statistic under these row weights (rows,); NaN where they leave it undefined."""
        return self.exact(weights) if self.exact else self._summed(weights)

    def _summed(self, weights: Floats) -> float:
        whole = np.zeros(len(weights), dtype=np.int64)
        return float(self.value(*(_by_unit(block, weights, whole, 1)[0] for block in self.blocks)))

    def resampled(self, weights: Floats, units: Codes, counts: Floats) -> Floats:
        """The statistic under each resample: counts (replicates, units) -> (replicates,)."""
        sums = [counts @ _by_unit(block, weights, units, counts.shape[1]) for block in self.blocks]
        drawn: Floats = np.asarray(self.value(*sums), dtype=np.float64)
        return drawn if self.exact is None else drawn + (self.exact(weights) - self._summed(weights))


def resample(
    statistics: dict[str, Statistic],
    weights: Floats,
    units: Codes | None,
    *,
    replicates: int,
    rng: np.random.Generator,
) -> dict[str, Floats]:
    """Bootstrap every statistic over the same resamples of units.

    weights: (rows,); units: (rows,) codes from 0, None when each row is its own unit. Beyond 2,000 units, units are
    put together at random, which leaves the spread of their sums as it is. Returns name -> (replicates,).
    """
    rows = len(weights)
    codes = np.arange(rows) if units is None else units
    count = int(codes.max()) + 1
    if count > _MOST_UNITS:
        codes = (rng.permutation(count) % _MOST_UNITS)[codes]
        count = _MOST_UNITS
    picked = rng.integers(0, count, (replicates, count)) + count * np.arange(replicates)[:, None]
    counts = np.bincount(picked.ravel(), minlength=replicates * count).reshape(replicates, count).astype(np.float64)
    return {name: statistic.resampled(weights, codes, counts) for name, statistic in statistics.items()}


def label_codes(labels: NDArray[Any]) -> Codes:
    """Codes from 0 for labels of any type: (rows,) -> (rows,). A missing label is a unit of its own."""
    if labels.dtype != object:
        missing = np.isnan(labels) if labels.dtype.kind == "f" else np.zeros(len(labels), dtype=bool)
        _, codes = np.unique(labels, return_inverse=True)
    else:
        missing = np.fromiter(map(_is_missing, labels), dtype=bool, count=len(labels))
        seen: dict[object, int] = {}
        codes = np.fromiter((seen.setdefault(label, len(seen)) for label in labels), dtype=np.int64, count=len(labels))
    result = codes.astype(np.int64)
    result[missing] = result.max(initial=-1) + 1 + np.arange(int(missing.sum()))
    _, dense = np.unique(result, return_inverse=True)
    return dense.astype(np.int64)


def time_blocks(order: NDArray[Any], *, count: int = 30) -> Codes:
    """Codes of at most `count` equally long stretches of time: (rows,) sortable -> (rows,).

    Neighbours in time resemble each other, so it is stretches, not rows, that are resampled. Künsch (1989), Annals of
    Statistics 17(3), in its non-overlapping form.
    """
    rows = len(order)
    rank = np.empty(rows, dtype=np.int64)
    rank[np.argsort(order, kind="stable")] = np.arange(rows)
    return rank * min(count, max(1, rows)) // max(1, rows)


def _by_unit(block: Block, weights: Floats, units: Codes, count: int) -> Floats:
    """Weighted sums of a block within each unit: (units, width)."""
    place = units if block.codes is None else units * block.width + block.codes
    sums = np.bincount(place, weights=weights * block.values, minlength=count * block.width)
    return sums.reshape(count, block.width).astype(np.float64, copy=False)


def _is_missing(label: object) -> bool:
    return label is None or (isinstance(label, float) and math.isnan(label))
