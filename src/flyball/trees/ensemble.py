"""Tree ensembles as flat arrays."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ZERO_THRESHOLD", "TreeEnsemble"]

ZERO_THRESHOLD = float(np.float32(1e-35))
_BLOCK_CELLS = 1 << 18


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class TreeEnsemble:
    """A sum of decision trees plus a base: margin[k] = base[k] + sum of the reached leaf of every tree of output k.

    Nodes lie tree after tree in shared arrays of length `nodes`, roots first; children are absolute indices; a leaf has
    `feature` -1 and itself as both children. A row goes left when `x <= threshold`, and when x is missing (NaN) where
    `missing_left` says so. Features in `zero_missing` count |x| <= 1e-35 as missing too.

    tree_start (trees,): each tree's root; tree_output (trees,): the output it adds to; feature, left, right (nodes,):
    integers; threshold, value, cover (nodes,): float64, value 0 inside, cover = training rows that passed;
    missing_left (nodes,): bool; base (outputs,): float64; zero_missing (features,): bool.
    """

    tree_start: NDArray[np.int64]
    tree_output: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    missing_left: NDArray[np.bool_]
    value: NDArray[np.float64]
    cover: NDArray[np.float64]
    base: NDArray[np.float64]
    zero_missing: NDArray[np.bool_]

    @property
    def trees(self) -> int:
        return len(self.tree_start)

    @property
    def nodes(self) -> int:
        return len(self.feature)

    @property
    def outputs(self) -> int:
        return len(self.base)

    @property
    def features(self) -> int:
        return len(self.zero_missing)

    @property
    def leaf(self) -> NDArray[np.bool_]:
        """Which nodes are leaves: (nodes,)."""
        return self.feature < 0

    @property
    def tree_of_node(self) -> NDArray[np.int64]:
        """The tree that each node belongs to: (nodes,)."""
        sizes = np.diff(self.tree_start, append=self.nodes)
        return np.repeat(np.arange(self.trees), sizes)

    @classmethod
    def constant(cls, base: NDArray[np.float64], features: int) -> TreeEnsemble:
        """An ensemble without trees, which answers `base` (outputs,) for every row."""
        integers, reals = np.zeros(0, np.int64), np.zeros(0)
        return cls(
            tree_start=integers,
            tree_output=integers,
            feature=integers,
            threshold=reals,
            left=integers,
            right=integers,
            missing_left=np.zeros(0, np.bool_),
            value=reals,
            cover=reals,
            base=np.asarray(base, np.float64),
            zero_missing=np.zeros(features, np.bool_),
        )

    def predict(self, X: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Margins (rows, outputs) of X (rows, features), in float64. The plain reference for every other form."""
        values = self.prepared(X)
        margins = np.tile(self.base, (len(values), 1))
        if not self.trees:
            return margins
        step = max(1, _BLOCK_CELLS // self.trees)
        for start in range(0, len(values), step):
            reached = self.value[self._leaves(values[start : start + step])]
            for output in range(self.outputs):
                margins[start : start + step, output] += reached[:, self.tree_output == output].sum(axis=1)
        return margins

    def prepared(self, X: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """X with the zeros that count as missing turned into NaN. Raises ValueError on another number of columns."""
        if X.ndim != 2 or X.shape[1] != self.features:
            raise ValueError(f"X must have shape (rows, {self.features}), not {X.shape}")
        if not self.zero_missing.any():
            return X
        return np.where(self.zero_missing & (np.abs(X) <= ZERO_THRESHOLD), X.dtype.type(np.nan), X)

    def _leaves(self, values: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
        """Index of the leaf that each row reaches in each tree: (rows, features) -> (rows, trees)."""
        shape = (len(values), self.trees)
        node = np.broadcast_to(self.tree_start, shape).reshape(-1).copy()
        row = np.repeat(np.arange(len(values)), self.trees)
        active = np.flatnonzero(~self.leaf[node])
        while active.size:
            at = node[active]
            x = values[row[active], self.feature[at]]
            goes_left = (x <= self.threshold[at]) | (self.missing_left[at] & np.isnan(x))
            node[active] = at = np.where(goes_left, self.left[at], self.right[at])
            active = active[~self.leaf[at]]
        return node.reshape(shape)

    def leaves_of(self, X: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
        """The leaf, as a node, that each row of X (rows, features) reaches in each tree: (rows, trees)."""
        return self._leaves(self.prepared(X))

    def of_trees(self, kept: NDArray[np.bool_]) -> TreeEnsemble:
        """The ensemble of these trees only, with the same base; kept: (trees,)."""
        nodes = kept[self.tree_of_node]
        moved = np.cumsum(nodes) - 1
        per_node = {
            name: getattr(self, name)[nodes] for name in ("feature", "threshold", "missing_left", "value", "cover")
        }
        return replace(
            self,
            tree_start=moved[self.tree_start[kept]],
            tree_output=self.tree_output[kept],
            left=moved[self.left[nodes]],
            right=moved[self.right[nodes]],
            **per_node,
        )

    def scaled(self, weight: float) -> TreeEnsemble:
        """The ensemble whose margins are `weight` times these."""
        return replace(self, value=self.value * weight, base=self.base * weight)

    def remapped(self, columns: NDArray[np.integer[Any]], features: int) -> TreeEnsemble:
        """The same trees over a wider matrix of `features` columns, where feature i is found in `columns[i]`."""
        where = np.asarray(columns, np.int64)
        if where.shape != (self.features,) or np.any((where < 0) | (where >= features)):
            raise ValueError(f"columns must name {self.features} of the {features} columns")
        zero_missing = np.zeros(features, np.bool_)
        zero_missing[where] = self.zero_missing
        feature = self.feature.copy()
        feature[~self.leaf] = where[feature[~self.leaf]]
        return replace(self, feature=feature, zero_missing=zero_missing)

    @classmethod
    def merge(cls, ensembles: Iterable[TreeEnsemble]) -> TreeEnsemble:
        """The sum of ensembles over the same features and outputs. Raises ValueError when these differ, or on none."""
        parts = list(ensembles)
        if not parts:
            raise ValueError("nothing to merge")
        used = [part.zero_missing for part in parts if part.trees]
        if len({(part.features, part.outputs) for part in parts}) > 1 or any(
            np.any(used[0] != other) for other in used
        ):
            raise ValueError("only ensembles over the same features and outputs can be merged")
        offsets = np.cumsum([0, *(part.nodes for part in parts)])
        shifted = {"tree_start", "left", "right"}

        def joined(name: str) -> NDArray[Any]:
            arrays = [getattr(part, name) for part in parts]
            if name in shifted:
                arrays = [array + offset for array, offset in zip(arrays, offsets, strict=False)]
            return np.concatenate(arrays)

        names = [field.name for field in fields(cls) if field.name not in {"base", "zero_missing"}]
        base = reduce(np.add, (part.base for part in parts))
        zero_missing = used[0] if used else parts[0].zero_missing
        return cls(**{name: joined(name) for name in names}, base=base, zero_missing=zero_missing)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Every array by name; `from_arrays` reverses it. Nothing but plain numbers: safe for npz without pickle."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> TreeEnsemble:
        """Raises KeyError on a missing array, ValueError on arrays that are not a forest."""
        ensemble = cls(**{field.name: np.asarray(arrays[field.name]) for field in fields(cls)})
        ensemble._check()
        return ensemble

    def to_bytes(self) -> bytes:
        """The ensemble as an npz file."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **self.to_arrays())  # type: ignore[arg-type]  # names are no option of savez
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> TreeEnsemble:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            return cls.from_arrays(stored)

    def _check(self) -> None:
        inner = ~self.leaf
        per_node = (self.threshold, self.left, self.right, self.missing_left, self.value, self.cover)
        sound = (
            all(array.shape == self.feature.shape for array in per_node)
            and self.tree_start.shape == self.tree_output.shape
            and _within(self.tree_start, self.nodes)
            and bool(np.all(np.diff(self.tree_start, prepend=0, append=self.nodes)[1:] > 0))
            and self.tree_start[:1].sum() == 0
            and _within(self.tree_output, self.outputs)
            and _within(self.feature[inner], self.features)
            and _within(self.left, self.nodes)
            and _within(self.right, self.nodes)
        )
        if not sound:
            raise ValueError("the arrays are not a forest: lengths or indices do not fit together")
        visited = np.bincount(
            np.concatenate([self.left[inner], self.right[inner], self.tree_start]), minlength=self.nodes
        )
        if np.any(visited != 1):
            raise ValueError("the arrays are not a forest: a node has no parent, or several")


def _within(indices: NDArray[np.int64], size: int) -> bool:
    return indices.size == 0 or (int(indices.min()) >= 0 and int(indices.max()) < size)
