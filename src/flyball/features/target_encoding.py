"""Target statistics of text levels: a smoothed mean per level, cross-fitted where it meets training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["TargetEncoding", "cross_fitted", "fit_encoding"]

_STRENGTH = 15.0  # rows that the overall mean weighs in every level
_INNER_FOLDS = 5


@dataclass(frozen=True, slots=True)
class TargetEncoding:
    """What the target was on average at each level of one text column.

    feature: position of the level's code in the frame's matrix; table: (slots, outputs) float32, row code + 1.
    """

    feature: int
    source: str
    table: NDArray[np.float32]

    def apply(self, codes: NDArray[Any]) -> NDArray[np.float32]:
        """(rows,) codes -> (rows, outputs) float32."""
        return np.asarray(self.table[codes.astype(np.int64) + 1])

    @property
    def outputs(self) -> int:
        return int(self.table.shape[1])


def fit_encoding(
    feature: int,
    source: str,
    codes: NDArray[Any],
    target: NDArray[np.float64],
    *,
    slots: int,
    weight: NDArray[np.float64] | None = None,
) -> TargetEncoding:
    """Smoothed target means per level. codes: (rows,) in [-1, slots - 2]; target: (rows, outputs)."""
    index = codes.astype(np.int64) + 1
    weight = np.ones(len(index)) if weight is None else weight
    total = weight.sum()
    prior = weight @ target / total if total > 0 else np.zeros(target.shape[1])
    rows = np.bincount(index, weights=weight, minlength=slots)
    sums = np.stack([np.bincount(index, weights=weight * column, minlength=slots) for column in target.T], axis=1)
    unit = total / max(1, np.count_nonzero(weight))  # so that doubling all weights changes nothing
    strength = _STRENGTH * (unit or 1.0)
    table = (sums + strength * prior) / (rows[:, None] + strength)
    return TargetEncoding(feature, source, table.astype(np.float32))


def cross_fitted(
    feature: int,
    source: str,
    codes: NDArray[Any],
    target: NDArray[np.float64],
    *,
    slots: int,
    rng: np.random.Generator,
    weight: NDArray[np.float64] | None = None,
) -> NDArray[np.float32]:
    """The encoding as training rows may see it, each from the other rows alone: (rows, outputs) float32.

    A mean that holds a row's own target would tell the model the answer (target leakage).
    """
    rows = len(codes)
    values = np.empty((rows, target.shape[1]), dtype=np.float32)
    parts = rng.permutation(rows) % min(_INNER_FOLDS, max(2, rows))
    for part in range(int(parts.max(initial=0)) + 1):
        held = parts == part
        rest = ~held
        kept_weight = None if weight is None else weight[rest]
        encoding = fit_encoding(feature, source, codes[rest], target[rest], slots=slots, weight=kept_weight)
        values[held] = encoding.apply(codes[held])
    return values
