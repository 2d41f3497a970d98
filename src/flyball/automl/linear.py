"""The linear model's arithmetic: numbers standardised and clipped, categories by table, missing values by indicator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CLIP", "CategoryTable", "LinearModel"]

CLIP = 10.0  # standard deviations beyond which a number is taken as that far away


@dataclass(frozen=True, slots=True)
class CategoryTable:
    """The effect of each category of one feature.

    feature: its position; first: the lowest category; values: (categories + 1, outputs), the last row for missing.
    """

    feature: int
    first: int
    values: NDArray[np.float64]

    def rows_of(self, column: NDArray[np.float32]) -> NDArray[np.int64]:
        """Row of `values` for each entry of the feature, (rows,)."""
        categories = len(self.values) - 1
        missing = np.isnan(column)
        index = np.where(missing, 0, column).astype(np.int64) - self.first
        return np.where(missing, categories, index)


@dataclass(frozen=True, slots=True)
class LinearModel:
    """Margin = intercept + coef . clip((x - mean) / scale) + missing . [x is missing] + tables, in float64.

    features: (n,) positions in the matrix of the number features; mean, scale: (n,); coef, missing: (n, outputs);
    width: number of matrix features; center: (width, outputs), the mean contribution in training.
    """

    width: int
    features: NDArray[np.int64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    coef: NDArray[np.float64]
    missing: NDArray[np.float64]
    tables: tuple[CategoryTable, ...]
    intercept: NDArray[np.float64]
    center: NDArray[np.float64]

    @property
    def outputs(self) -> int:
        return len(self.intercept)

    @property
    def expected(self) -> NDArray[np.float64]:
        """The mean margin in training, (outputs,): what `attributions` adds up from."""
        return np.asarray(self.intercept + self.center.sum(axis=0))

    def standardised(self, matrix: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Number features as the model weighs them, missing ones 0; and which were missing: both (rows, n)."""
        numbers = matrix[:, self.features].astype(np.float64)
        gone = np.isnan(numbers)
        scaled = np.clip((numbers - self.mean) / self.scale, -CLIP, CLIP)
        return np.where(gone, 0.0, scaled), gone

    def predict(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """(rows, width) float32 -> (rows, outputs)."""
        scaled, gone = self.standardised(matrix)
        total = scaled @ self.coef + gone.astype(np.float64) @ self.missing + self.intercept
        for table in self.tables:
            total += table.values[table.rows_of(matrix[:, table.feature])]
        return np.asarray(total)

    def contributions(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """What each feature adds to the margin: (rows, width, outputs); with `intercept` they sum to `predict`."""
        parts = np.zeros((len(matrix), self.width, self.outputs))
        scaled, gone = self.standardised(matrix)
        parts[:, self.features] = scaled[:, :, None] * self.coef + gone[:, :, None] * self.missing
        for table in self.tables:
            parts[:, table.feature] += table.values[table.rows_of(matrix[:, table.feature])]
        return parts

    def attributions(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Contributions relative to the training mean: (rows, width, outputs); with `expected` they sum to `predict`."""
        return self.contributions(matrix) - self.center
