"""Exact Shapley values of tree ensembles, from the shared form alone.

The share of a leaf in a row's explanation depends only on which of the d distinct features on its path the row
satisfies. For feature i it is value * (o_i - z_i) * integral over t in [0, 1] of the product, over the other features
j, of z_j (1 - t) + o_j t: Owen's multilinear extension (1972), with o_j = 1 where the row satisfies the feature's
tests and z_j the share of training rows that did. The integrand is a polynomial of degree d - 1, so Gauss-Legendre
quadrature on ceil(d / 2) points is exact. Leaves are taken together by d, and each outcome of their tests that occurs
among the rows is worked out once and looked up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flyball.trees.ensemble import TreeEnsemble
from flyball.trees.leaf_forest import LeafForest

__all__ = ["TreeAttributor", "attributions"]

Floats: TypeAlias = NDArray[np.float64]
_BLOCK_ROWS = 4096
_BLOCK_CELLS = 1 << 19
_MOST_CODED = 16  # features of a leaf whose outcomes are numbered and looked up
_FEW_ROWS = 32  # too few for outcomes to repeat


def attributions(ensemble: TreeEnsemble, X: NDArray[np.floating[Any]]) -> tuple[Floats, Floats]:
    """Path-dependent Shapley values of every row, (rows, features, outputs), and what they add up from, (outputs,).

    `values.sum(axis=1) + expected` equals `ensemble.predict(X)`. A feature "absent" from a coalition is averaged over
    the training rows that reached each split (`cover`): the definition of Lundberg et al. (2020), Nature Machine
    Intelligence 2, and of LightGBM's `pred_contrib`. To explain often, keep a `TreeAttributor`.
    """
    attributor = TreeAttributor(ensemble)
    return attributor.values(X), attributor.expected


class TreeAttributor:
    """An ensemble made ready for `values`. `expected` (outputs,) is its mean margin over the training rows.

    Immutable once made: threads may share it.
    """

    def __init__(self, model: TreeEnsemble | LeafForest) -> None:
        ensemble = model if isinstance(model, TreeEnsemble) else model.paths
        self._ensemble, self._outputs = ensemble, model.outputs
        self._thresholds = _thresholds(ensemble)
        most = max((len(values) for values in self._thresholds), default=0)
        # one rank more than there are thresholds, and one for "missing"
        self._rank = np.min_scalar_type(most + 2)
        paths = _paths(ensemble, self._thresholds, self._rank)
        said = _said(model, paths.leaf)
        self._groups = list(_by_feature_count(paths, said, ensemble.features))
        self.expected: Floats = model.base + np.bincount(
            said.output, weights=paths.reached[said.leaf] * said.value, minlength=model.outputs
        )

    def values(self, X: NDArray[np.floating[Any]]) -> Floats:
        """Shapley values (rows, features, outputs) of X (rows, features). Raises ValueError on other widths."""
        ensemble = self._ensemble
        prepared = ensemble.prepared(X)
        found = np.empty((len(prepared), ensemble.features, self._outputs))
        for start in range(0, len(prepared), _BLOCK_ROWS):
            block = prepared[start : start + _BLOCK_ROWS]
            sums = self._block(self._ranks(block))
            found[start : start + _BLOCK_ROWS] = sums.reshape(self._outputs, ensemble.features, -1).transpose(2, 1, 0)
        return found

    def _ranks(self, block: NDArray[np.floating[Any]]) -> NDArray[np.unsignedinteger[Any]]:
        """How many of its feature's thresholds lie below each cell: (rows, features) -> (features, rows)."""
        ranks = np.empty(block.shape[::-1], self._rank)
        for feature, thresholds in enumerate(self._thresholds):
            column = block[:, feature].astype(np.float64)
            ranks[feature] = np.searchsorted(thresholds, column)
            ranks[feature, np.isnan(column)] = np.iinfo(self._rank).max
        return ranks

    def _block(self, ranks: NDArray[np.unsignedinteger[Any]]) -> Floats:
        """Sums over all leaves: (features, rows) ranks -> (outputs * features, rows)."""
        rows = ranks.shape[1]
        missing = ranks == np.iinfo(self._rank).max
        sums = np.zeros((self._outputs * self._ensemble.features, rows))
        for group in self._groups:
            for leaves in group.chunks(max(1, _BLOCK_CELLS // (group.width * rows))):
                leaves.add(leaves.passes(ranks, missing), sums)
        return sums


@dataclass(frozen=True, slots=True)
class _Leaves:
    """Leaves whose paths test the same number d of distinct features.

    value (leaves,). Per leaf and feature (leaves, d): feature; target, its row in the sums; low and high, the ranks
    that pass all its tests; missing_ok, whether a missing value does; share, the part of the training rows that did.
    """

    value: Floats
    feature: NDArray[np.int64]
    target: NDArray[np.int64]
    low: NDArray[np.unsignedinteger[Any]]
    high: NDArray[np.unsignedinteger[Any]]
    missing_ok: NDArray[np.bool_]
    share: Floats

    @property
    def width(self) -> int:
        return int(self.feature.shape[1])

    def chunks(self, size: int) -> Iterator[_Leaves]:
        for start in range(0, len(self.value), size):
            yield _Leaves(*(getattr(self, field.name)[start : start + size] for field in fields(self)))

    def passes(self, ranks: NDArray[np.unsignedinteger[Any]], missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which features' tests each row satisfies: (leaves, d, rows)."""
        rank = ranks[self.feature]
        passed = rank >= self.low[..., None]
        passed &= rank <= self.high[..., None]
        if missing.any():
            passed |= missing[self.feature] & self.missing_ok[..., None]
        return passed

    def add(self, passes: NDArray[np.bool_], sums: Floats) -> None:
        """Add what the leaves give to rows with these outcomes of their tests, (leaves, d, rows), to (targets, rows)."""
        if self.width > _MOST_CODED or passes.shape[2] < _FEW_ROWS:
            self._add_row_by_row(passes, sums)
        else:
            self._add_by_outcome(passes, sums)

    def _add_by_outcome(self, passes: NDArray[np.bool_], sums: Floats) -> None:
        code = np.zeros((len(passes), passes.shape[2]), np.uint8 if self.width <= 8 else np.uint16)
        for bit in range(self.width):
            code |= passes[:, bit].astype(code.dtype) << bit
        key = code + (np.arange(len(code)) << self.width)[:, None]
        met = np.zeros(len(code) << self.width, np.bool_)
        met[key] = True
        keys = np.flatnonzero(met)
        bits = (keys >> np.arange(self.width)[:, None]) & 1
        parts = self._parts(bits.astype(np.bool_), keys >> self.width)
        position = np.empty(len(met), np.intp)
        position[keys] = np.arange(len(keys))
        for target, looked_up in zip(self.target, key, strict=True):
            sums[target] += parts.take(position[looked_up], axis=1)

    def _add_row_by_row(self, passes: NDArray[np.bool_], sums: Floats) -> None:
        count, width, rows = passes.shape
        leaf = np.repeat(np.arange(count), rows)
        parts = self._parts(passes.transpose(1, 0, 2).reshape(width, -1), leaf).reshape(-1, rows)
        target = self.target.T.ravel()
        order = np.argsort(target, kind="stable")
        targets, first = np.unique(target[order], return_index=True)
        sums[targets] += np.add.reduceat(parts[order], first, axis=0)

    def _parts(self, passes: NDArray[np.bool_], leaf: NDArray[np.int64]) -> Floats:
        """What each feature receives: outcomes (d, n) of the tests of the leaves `leaf` (n,) -> (d, n)."""
        share, value = self.share.T, self.value
        parts = np.zeros(passes.shape)
        for point, weight in zip(*_quadrature(self.width), strict=True):
            failing = share * (1.0 - point)
            passing = failing + point
            product = np.where(passes, passing[:, leaf], failing[:, leaf]).prod(axis=0) * (weight * value)[leaf]
            gain = (1.0 - share) / passing
            parts += np.where(passes, gain[:, leaf], -1.0 / (1.0 - point)) * product
        return parts


@dataclass(frozen=True, slots=True)
class _Paths:
    """Every leaf's path, one entry per (leaf, distinct feature), sorted by both.

    leaf (leaves,): its node; reached (leaves,): the part of the training rows that reach it; place (entries,): position
    in `leaf`; the other (entries,) arrays are as in `_Leaves`.
    """

    leaf: NDArray[np.int64]
    reached: Floats
    place: NDArray[np.int64]
    feature: NDArray[np.int64]
    low: NDArray[np.unsignedinteger[Any]]
    high: NDArray[np.unsignedinteger[Any]]
    missing_ok: NDArray[np.bool_]
    share: Floats


def _quadrature(width: int) -> tuple[Floats, Floats]:
    """Points and weights on [0, 1] that integrate polynomials of degree width - 1 exactly."""
    points, weights = np.polynomial.legendre.leggauss((width + 1) // 2)
    return (points + 1.0) / 2.0, weights / 2.0


def _thresholds(ensemble: TreeEnsemble) -> list[Floats]:
    """The distinct thresholds of each feature, ascending."""
    inner = ~ensemble.leaf
    order = np.lexsort((ensemble.threshold[inner], ensemble.feature[inner]))
    feature, threshold = ensemble.feature[inner][order], ensemble.threshold[inner][order]
    bounds = np.searchsorted(feature, np.arange(ensemble.features + 1))
    return [np.unique(threshold[start:stop]) for start, stop in pairwise(bounds)]


def _paths(ensemble: TreeEnsemble, thresholds: list[Floats], rank: np.dtype[Any]) -> _Paths:
    inner = np.flatnonzero(~ensemble.leaf)
    parent = np.full(ensemble.nodes, -1, np.int64)
    parent[ensemble.left[inner]] = parent[ensemble.right[inner]] = inner
    went_left = np.zeros(ensemble.nodes, np.bool_)
    went_left[ensemble.left[inner]] = True
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(parent >= 0, ensemble.cover / ensemble.cover[parent], 1.0)
    share = np.where(np.isfinite(share), share, 0.5)  # a split that no training row reached
    below = np.zeros(ensemble.nodes, np.int64)
    for number, values in enumerate(thresholds):
        splits = inner[ensemble.feature[inner] == number]
        below[splits] = np.searchsorted(values, ensemble.threshold[splits])

    leaf = np.flatnonzero(ensemble.leaf)
    place, step = _steps(leaf, parent)
    above = parent[step]
    order = np.lexsort((ensemble.feature[above], place))
    place, step, above = place[order], step[order], above[order]
    feature = ensemble.feature[above]
    starts = np.flatnonzero((np.diff(place, prepend=-1) != 0) | (np.diff(feature, prepend=-1) != 0))
    left, most = went_left[step], np.iinfo(rank).max
    reached = np.ones(len(leaf))
    np.multiply.at(reached, place, share[step])
    return _Paths(
        leaf=leaf,
        reached=reached,
        place=place[starts],
        feature=feature[starts],
        low=_reduced(np.maximum, np.where(left, 0, below[above] + 1), starts).astype(rank),
        high=_reduced(np.minimum, np.where(left, below[above], most - 1), starts).astype(rank),
        missing_ok=_reduced(np.logical_and, ensemble.missing_left[above] == left, starts),
        share=_reduced(np.multiply, share[step], starts),
    )


def _steps(leaf: NDArray[np.int64], parent: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All nodes but the root on the way to each leaf: positions in `leaf`, and nodes."""
    place, node = np.arange(len(leaf)), leaf
    places, nodes = [place[:0]], [node[:0]]
    while True:
        below_root = parent[node] >= 0
        place, node = place[below_root], node[below_root]
        if not node.size:
            return np.concatenate(places), np.concatenate(nodes)
        places.append(place)
        nodes.append(node)
        node = parent[node]


def _reduced(function: np.ufunc, values: NDArray[Any], starts: NDArray[np.intp]) -> NDArray[Any]:
    return np.asarray(function.reduceat(values, starts)) if starts.size else values


@dataclass(frozen=True, slots=True)
class _Said:
    """What leaves say: entries of (position in `_Paths.leaf`, output, value); a leaf may speak of several outputs."""

    leaf: NDArray[np.int64]
    output: NDArray[np.int64]
    value: Floats


def _said(model: TreeEnsemble | LeafForest, leaf: NDArray[np.int64]) -> _Said:
    if isinstance(model, TreeEnsemble):
        output = model.tree_output[model.tree_of_node[leaf]]
        return _Said(np.arange(len(leaf)), output, model.value[leaf])
    rows = model.table[model.paths.value[leaf].astype(np.int64)]
    place, output = np.nonzero(rows)
    return _Said(place, output, np.asarray(model.step * rows[place, output], np.float64))


def _by_feature_count(paths: _Paths, said: _Said, features: int) -> Iterator[_Leaves]:
    counts = np.bincount(paths.place, minlength=len(paths.leaf))
    first = np.cumsum(counts) - counts  # entries are sorted by leaf
    widths = counts[said.leaf]
    for width in np.unique(widths[widths > 0]):
        own = np.flatnonzero(widths == width)
        entries = first[said.leaf[own]][:, None] + np.arange(width)
        yield _Leaves(
            value=said.value[own],
            feature=paths.feature[entries],
            target=said.output[own][:, None] * features + paths.feature[entries],
            low=paths.low[entries],
            high=paths.high[entries],
            missing_ok=paths.missing_ok[entries],
            share=paths.share[entries],
        )
