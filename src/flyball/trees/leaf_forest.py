"""Forests whose every tree answers all outputs at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flyball.trees.ensemble import TreeEnsemble
from flyball.trees.onnx import emit_trees

if TYPE_CHECKING:
    from flyball.graph import GraphBuilder

__all__ = ["LeafForest", "emit_forest"]

_BLOCK_CELLS = 1 << 19


@dataclass(frozen=True, slots=True, eq=False)
class LeafForest:
    """Trees with a row of a table at each leaf: margin = base + step * sum over trees of the reached leaf's row.

    paths: an ensemble with one output per tree, whose leaves hold the number of their row; table: (leaves, outputs) uint8,
    most of it zeros; base: (outputs,). Sums are of whole numbers and therefore exact.
    """

    paths: TreeEnsemble
    table: NDArray[np.uint8]
    step: float
    base: NDArray[np.float64]

    @property
    def outputs(self) -> int:
        return len(self.base)

    @property
    def features(self) -> int:
        return self.paths.features

    @property
    def trees(self) -> int:
        return self.paths.trees

    def rows_of(self, X: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
        """The table's row that each row of X (rows, features) reaches in each tree: (rows, trees)."""
        return self.paths.value[self.paths.leaves_of(X)].astype(np.int64)

    def predict(self, X: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Margins (rows, outputs) of X (rows, features)."""
        sums = np.zeros((len(X), self.outputs), np.int64)
        size = max(1, _BLOCK_CELLS // max(1, self.trees * self.outputs))
        for start in range(0, len(X), size):
            reached = self.rows_of(X[start : start + size])
            sums[start : start + size] = self.table[reached].sum(axis=1, dtype=np.int64)
        return np.asarray(self.base + self.step * sums)

    def of_trees(self, count: int) -> LeafForest:
        """The forest of the first trees only, whose sums are as large as those of all."""
        first = np.arange(self.trees) < count
        paths = self.paths.of_trees(first)
        kept = np.flatnonzero(first)
        paths = TreeEnsemble(
            **{
                **paths.to_arrays(),
                "tree_output": np.arange(len(kept)),
                "base": paths.base[kept],
            }
        )
        rows = int(paths.value.max(initial=0)) + 1
        return LeafForest(paths, self.table[:rows], self.step * self.trees / len(kept), self.base)

    def scaled(self, weight: float) -> LeafForest:
        """The forest whose margins are `weight` times these."""
        return LeafForest(self.paths, self.table, self.step * weight, self.base * weight)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Every array by name; `from_arrays` reverses it."""
        paths = {f"paths.{name}": values for name, values in self.paths.to_arrays().items()}
        return {**paths, "table": self.table, "step": np.array([self.step]), "base": self.base}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> LeafForest:
        """Raises KeyError on a missing array, ValueError on arrays that are not a forest."""
        paths = TreeEnsemble.from_arrays(
            {name.removeprefix("paths."): values for name, values in arrays.items() if name.startswith("paths.")}
        )
        rows = paths.value[paths.leaf]
        if rows.size and not (rows.min() >= 0 and rows.max() < len(arrays["table"])):
            raise ValueError("the leaves name rows that the table does not have")
        return cls(paths, arrays["table"], float(arrays["step"][0]), arrays["base"])


def emit_forest(forest: LeafForest, builder: GraphBuilder, x: str) -> str:
    """Add the forest to a graph; returns its margins, a float64 value of shape (rows, outputs); x: as for `emit_trees`."""
    reached = builder.cast(emit_trees(forest.paths, builder, x), np.int64)
    leaves = builder.node("Gather", builder.constant(forest.table, "leaves"), reached, axis=0)
    axis = builder.constant(np.array([1]), "trees")
    sums = builder.node("ReduceSum", builder.cast(leaves, np.int32), axis, keepdims=0)
    scaled = builder.node("Mul", builder.cast(sums, np.float64), builder.constant(np.array(forest.step), "step"))
    return builder.node("Add", scaled, builder.constant(forest.base[None, :], "base"))
