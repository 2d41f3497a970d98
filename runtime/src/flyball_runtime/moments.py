"""Means, spreads and co-moments that merge: one formula adds two parts of a table without seeing either again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CoMoments", "Moments"]

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Moments:
    """Per column, over its finite values: count, mean, M2 (sum of squared deviations), low, high. Each (..., columns).

    Columns without a finite value have mean 0, M2 0, low inf, high -inf.
    """

    count: Counts
    mean: Floats
    m2: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, values: Floats) -> Moments:
        """values: (rows, columns); NaN and infinities are passed over."""
        finite = np.isfinite(values)
        count = finite.sum(axis=0, dtype=np.int64)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = np.where(finite, values, 0.0).sum(axis=0) / np.maximum(count, 1)
            m2 = np.square(np.where(finite, values - mean, 0.0)).sum(axis=0)
        low = np.where(finite, values, np.inf).min(axis=0, initial=np.inf)
        high = np.where(finite, values, -np.inf).max(axis=0, initial=-np.inf)
        return cls(count, mean, m2, low, high)

    def merge(self, other: Moments) -> Moments:
        """Both parts together: Chan, Golub & LeVeque (1983), The American Statistician 37(3)."""
        count = self.count + other.count
        share = other.count / np.maximum(count, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            shift = other.mean - self.mean
            mean = np.where(self.count == 0, other.mean, self.mean + shift * share)
            cross = np.where((self.count > 0) & (other.count > 0), np.square(shift) * self.count * share, 0.0)
            m2 = self.m2 + other.m2 + cross
        return Moments(count, mean, m2, np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def variance(self) -> Floats:
        """Unbiased; NaN below two values."""
        return _divide(self.m2, self.count - 1)


@dataclass(frozen=True, slots=True)
class CoMoments:
    """Per pair of columns, over the rows where both are finite. Each (..., columns, columns).

    mean[i, j] is the mean of column i over the rows it shares with j; cross[i, j] the sum of products of deviations.
    """

    count: Counts
    mean: Floats
    cross: Floats

    @classmethod
    def of(cls, values: Floats) -> CoMoments:
        """values: (rows, columns). O(rows columns²), as one matrix product after centring."""
        finite = np.isfinite(values).astype(np.float64)
        count = finite.T @ finite
        with np.errstate(over="ignore", invalid="ignore"):
            # Centring first keeps the digits that E[xy] - E[x]E[y] would lose.
            centre = np.where(finite > 0, values, 0.0).sum(axis=0) / np.maximum(finite.sum(axis=0), 1.0)
            centred = np.where(finite > 0, values - centre, 0.0)
            offset = (centred.T @ finite) / np.maximum(count, 1.0)
            cross = centred.T @ centred - offset * offset.T * count
            mean = np.where(count > 0, offset + centre[:, None], 0.0)
        return cls(count.astype(np.int64), mean, cross)

    def merge(self, other: CoMoments) -> CoMoments:
        """Both parts together, pair by pair."""
        count = self.count + other.count
        share = other.count / np.maximum(count, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            shift = other.mean - self.mean
            mean = np.where(self.count == 0, other.mean, self.mean + shift * share)
            both = (self.count > 0) & (other.count > 0)
            turned = np.swapaxes(shift, -1, -2)
            cross = self.cross + other.cross + np.where(both, shift * turned * self.count * share, 0.0)
        return CoMoments(count, mean, cross)

    def covariance(self) -> Floats:
        """Unbiased; NaN where a pair shares fewer than two rows."""
        return _divide(self.cross, self.count - 1)


def _divide(total: Floats, count: Counts) -> Floats:
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
