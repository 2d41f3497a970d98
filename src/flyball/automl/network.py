"""Small neural networks as arithmetic: numbers in pieces, categories by table, then two hidden layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl.allowance import Cost
from flyball.automl.linear import CategoryTable
from flyball.automl.pipeline import sigmoid

__all__ = ["PIECE_STEPS", "NetworkModel", "swish", "swish_slope"]

PIECE_STEPS = 128.0  # a piece of a number is told in so many steps
_POINTS = (8, 16, 32, 64)  # of the quadrature; more only for rows whose shares do not add up
_CLOSE = 1e-7  # relative to max(1, |margin|)
_BLOCK_CELLS = 1 << 19
_ARRAYS = (
    "features", "piece", "low", "slope", "first", "missing", "bias", "hidden", "hidden_bias", "last", "intercept", "center",
)  # fmt: skip
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NetworkModel:
    """Networks side by side over the same inputs; the margin is their mean plus `intercept`.

    A number is told by pieces, clip((x - low) * slope, 0, 1) rounded to 1/128 ("piecewise linear encoding", Gorishniy et
    al. 2022, "On embeddings for numerical features"), so that no value, however extreme, leaves the range seen in
    training. `units` = nets * width of the first layer. All that adds up to the first layer lies on a grid whose sums
    are exact in float32, in any order; what follows is float64.

    features: (n,) positions of the numbers in the matrix; piece: (k,) the number that each piece is of; low, slope: (k,)
    float32; first: (k, units), missing: (n, units), bias: (units,) float32; tables: (categories + 1, units) each;
    hidden: (nets, width, narrow), hidden_bias: (nets, narrow), last: (nets, narrow, outputs) float32; intercept:
    (outputs,); center: (matrix width, units), each feature's mean contribution to the first layer in training.
    """

    width: int
    features: NDArray[np.int64]
    piece: NDArray[np.int64]
    low: NDArray[np.float32]
    slope: NDArray[np.float32]
    first: NDArray[np.float32]
    missing: NDArray[np.float32]
    tables: tuple[CategoryTable, ...]
    bias: NDArray[np.float32]
    hidden: NDArray[np.float32]
    hidden_bias: NDArray[np.float32]
    last: NDArray[np.float32]
    intercept: Floats
    center: Floats

    @property
    def outputs(self) -> int:
        return len(self.intercept)

    @property
    def nets(self) -> int:
        return len(self.hidden)

    @property
    def cost(self) -> Cost:
        """What the networks take in the artefact and for a row."""
        first = self.first.size + self.missing.size + sum(table.values.size for table in self.tables)
        return Cost.of_weights(first, self.hidden.size + self.hidden_bias.size + self.last.size)

    @property
    def expected(self) -> Floats:
        """The margin of the mean input, (outputs,): what `attributions` adds up from."""
        return np.asarray(self._tail(self._mean[None])[0])

    @property
    def _mean(self) -> Floats:
        return np.asarray(self.bias + self.center.sum(axis=0))

    def pieces(self, matrix: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Pieces of the numbers, (rows, k) float32 with zeros for missing ones; and which are missing, (rows, n)."""
        numbers = matrix[:, self.features]
        gone = np.isnan(numbers)
        parts = numbers[:, self.piece]
        with np.errstate(over="ignore"):  # in place: this is the largest array of a search
            parts -= self.low
            parts *= self.slope
        np.clip(parts, 0, 1, out=parts)
        parts *= np.float32(PIECE_STEPS)
        np.rint(parts, out=parts)
        parts /= np.float32(PIECE_STEPS)
        parts[gone[:, self.piece]] = 0
        return parts, gone

    def predict(self, matrix: NDArray[np.float32]) -> Floats:
        """(rows, width) float32 -> (rows, outputs)."""
        step = max(1, _BLOCK_CELLS // max(1, len(self.bias) + len(self.piece)))
        parts = [self._tail(self._first(matrix[at : at + step])) for at in range(0, len(matrix), step)]
        return np.concatenate(parts) if parts else np.zeros((0, self.outputs))

    def attributions(self, matrix: NDArray[np.float32]) -> Floats:
        """Each feature's share in the margin: (rows, width, outputs); with `expected` they sum to `predict`.

        Aumann-Shapley values of the way from the mean input to the row's: the integral, over the way, of the margin's
        slope in what the feature contributes to the first layer ("integrated gradients", Sundararajan et al. 2017), by
        Gauss-Legendre quadrature with as many points as the shares need to add up within 1e-7, at most 64. What is then
        still missing is spread over the shares in proportion to their sizes.
        """
        shares = np.zeros((len(matrix), self.width, self.outputs))
        cells = max(len(self.bias) * (self.outputs + 2), 3 * len(self.piece), self.width * self.outputs)
        step = max(1, _BLOCK_CELLS // cells)
        for at in range(0, len(matrix), step):
            self._attribute(matrix[at : at + step], shares[at : at + step])
        return shares

    def _attribute(self, matrix: NDArray[np.float32], shares: Floats) -> None:
        at_row, mean = self._first(matrix), self._mean
        wanted = self._tail(at_row) - self.expected
        parts, gone = self.pieces(matrix)
        rows = np.arange(len(matrix))
        for points in _POINTS:
            slope = self._mean_slope(mean, at_row[rows], points)
            for output in range(self.outputs):
                mine = self._of_numbers(parts[rows], gone[rows], slope[:, :, output])
                shares[rows[:, None], self.features, output] = mine
            for table in self.tables:
                moved = table.values[table.rows_of(matrix[rows, table.feature])] - self.center[table.feature]
                shares[rows, table.feature] = np.einsum("ru,ruo->ro", moved, slope)
            gap = np.abs(shares.sum(axis=1) - wanted) / np.maximum(1.0, np.abs(wanted))
            rows = np.flatnonzero((gap > _CLOSE).any(axis=1))
            if not rows.size:
                break
        sizes = np.abs(shares)
        total = sizes.sum(axis=1, keepdims=True)
        rest = wanted - shares.sum(axis=1)
        shares += rest[:, None] * np.divide(
            sizes, total, out=np.full_like(sizes, 1 / max(1, self.width)), where=total > 0
        )

    def _mean_slope(self, mean: Floats, at_row: Floats, points: int) -> Floats:
        """The margin's slope in the first layer, averaged over the way: (rows, units, outputs)."""
        where, weight = np.polynomial.legendre.leggauss(points)
        total = np.zeros((*at_row.shape, self.outputs))
        for place, share in zip((where + 1) / 2, weight / 2, strict=True):
            total += share * self._slope(mean + place * (at_row - mean))
        return total

    def _slope(self, first: Floats) -> Floats:
        """The margin's derivative by the first layer: (rows, units) -> (rows, units, outputs)."""
        nets = self._by_net(first)
        middle = swish(nets) @ self.hidden + self.hidden_bias[:, None]
        back = swish_slope(middle)[..., None] * (self.last / self.nets)[:, None]
        pulled = np.einsum("nhk,nrko->nrho", self.hidden.astype(np.float64), back, optimize=True)
        slope = swish_slope(nets)[..., None] * pulled
        return np.asarray(slope.transpose(1, 0, 2, 3).reshape(*first.shape, self.outputs))

    def _first(self, matrix: NDArray[np.float32]) -> Floats:
        """The first layer before its curve, (rows, units); exact."""
        parts, gone = self.pieces(matrix)
        total = parts @ self.first + gone.astype(np.float32) @ self.missing + self.bias
        for table in self.tables:
            total += table.values[table.rows_of(matrix[:, table.feature])].astype(np.float32)
        return total.astype(np.float64)

    def _of_numbers(self, parts: NDArray[np.float32], gone: NDArray[np.bool_], slope: Floats) -> Floats:
        """The shares of the numbers in one output, (rows, numbers), all at once: there may be thousands.

        slope: (rows, units).
        """
        moved = slope @ self.first.T.astype(np.float64)
        moved *= parts
        some, starts = np.unique(self.piece, return_index=True)  # in order: a number's pieces stand side by side
        mine = np.zeros(gone.shape)
        if some.size:
            mine[:, some] = np.add.reduceat(moved, starts, axis=1)
        mine += np.where(gone, slope @ self.missing.T.astype(np.float64), 0.0)
        return np.asarray(mine - slope @ self.center[self.features].T)

    def _tail(self, first: Floats) -> Floats:
        """From the first layer to the margin: (rows, units) -> (rows, outputs)."""
        middle = swish(self._by_net(first)) @ self.hidden + self.hidden_bias[:, None]
        answers = swish(middle) @ self.last
        return np.asarray(answers.sum(axis=0) / self.nets + self.intercept)

    def _by_net(self, first: Floats) -> Floats:
        return first.reshape(len(first), self.nets, -1).transpose(1, 0, 2)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Every array by name, the tables' positions and values too; `from_arrays` reverses it."""
        named = {name: np.asarray(getattr(self, name)) for name in _ARRAYS}
        places = np.array([[table.feature, table.first] for table in self.tables], dtype=np.int64).reshape(-1, 2)
        values = {f"table.{number}": table.values for number, table in enumerate(self.tables)}
        return {"width": np.array([self.width]), **named, "tables": places, **values}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> NetworkModel:
        """Raises KeyError on a missing array."""
        tables = tuple(
            CategoryTable(int(feature), int(first), arrays[f"table.{number}"])
            for number, (feature, first) in enumerate(arrays["tables"])
        )
        return cls(width=int(arrays["width"][0]), tables=tables, **{name: arrays[name] for name in _ARRAYS})

    @classmethod
    def stack(cls, models: list[NetworkModel]) -> NetworkModel:
        """The mean of networks over the same pieces."""
        one = models[0]
        tables = tuple(
            CategoryTable(table.feature, table.first, np.concatenate([m.tables[i].values for m in models], axis=1))
            for i, table in enumerate(one.tables)
        )
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(model, name) for model in models], axis=axis)
            for name, axis in (("first", 1), ("missing", 1), ("bias", 0), ("center", 1), ("hidden", 0),
                               ("hidden_bias", 0), ("last", 0))
        }  # fmt: skip
        intercept = np.average([m.intercept for m in models], axis=0, weights=[m.nets for m in models])
        return replace(one, tables=tables, intercept=np.asarray(intercept), **joined)


def swish(values: Floats) -> Floats:
    """x * sigmoid(x): smooth, so that integrals over it converge fast."""
    return np.asarray(values * sigmoid(values))


def swish_slope(values: Floats) -> Floats:
    bent = sigmoid(values)
    return np.asarray(bent * (1 + values * (1 - bent)))
