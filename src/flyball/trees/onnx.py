"""Emits tree ensembles as the ONNX operator that every runtime has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flyball.trees.ensemble import ZERO_THRESHOLD, TreeEnsemble

if TYPE_CHECKING:
    from flyball.graph import GraphBuilder

__all__ = ["emit_trees", "round_down"]

# The operator adds leaves up in float32: 500 trees in one sum were off by 3.7e-5 (at margins near 60), in sums of 16 by
# 3.7e-6, for a tenth more time.
_TREES_PER_SUM = 16
_SUMS_PER_OUTPUT = 32
_SUM, _LESS_OR_EQUAL = 1, 0  # the operator's own codes


def emit_trees(ensemble: TreeEnsemble, builder: GraphBuilder, x: str) -> str:
    """Add the ensemble to a graph; returns its margins, a float64 value of shape (rows, outputs).

    x: a float32 value of shape (rows, features). Rows take exactly the paths that `ensemble.predict` takes. Each tree's
    middle and the base are added in float64; leaves in float32, which is exact when they share a power of two as step
    and their sums fit 24 bits of it, and otherwise over short sums that are then added in float64.
    """
    centred = _centred(ensemble)
    if not centred.trees:
        rows = builder.node("Shape", x, start=0, end=1)
        shape = builder.node("Concat", rows, builder.constant(np.array([ensemble.outputs]), "outputs"), axis=0)
        return builder.node("Expand", builder.constant(centred.base[None, :], "base"), shape)
    trees = int(np.bincount(centred.tree_output).max())
    length = trees if _adds_exactly(centred) else max(_TREES_PER_SUM, -(-trees // _SUMS_PER_OUTPUT))
    sums = -(-trees // length)
    target = centred.tree_output * sums + _rank(centred.tree_output) // length
    total = builder.node(
        "TreeEnsemble",
        _prepared(ensemble, builder, x),
        domain="ai.onnx.ml",
        n_targets=centred.outputs * sums,
        **_attributes(centred, target),
    )
    total = builder.cast(total, np.float64)
    if sums > 1:
        split = builder.constant(np.array([-1, centred.outputs, sums]), "split")
        total = builder.node("Reshape", total, split)
        total = builder.node("ReduceSum", total, builder.constant(np.array([2]), "axis"), keepdims=0)
    return builder.node("Add", total, builder.constant(centred.base[None, :], "base"))


def round_down(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 not above each value: `x <= round_down(t)` is `x <= t` for every float32 x.

    >>> round_down(np.array([0.1, 1e300])).tolist()
    [0.09999999403953552, 3.4028234663852886e+38]
    """
    with np.errstate(over="ignore"):
        rounded = threshold.astype(np.float32)
        return np.where(rounded > threshold, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _prepared(ensemble: TreeEnsemble, builder: GraphBuilder, x: str) -> str:
    if not ensemble.zero_missing.any():
        return x
    near_zero = builder.node(
        "LessOrEqual", builder.node("Abs", x), builder.constant(np.float32(ZERO_THRESHOLD), "zero_threshold")
    )
    counts = builder.constant(ensemble.zero_missing[None, :], "zero_missing")
    missing = builder.node("And", near_zero, counts)
    return builder.node("Where", missing, builder.constant(np.float32(np.nan), "missing"), x)


def _centred(ensemble: TreeEnsemble) -> TreeEnsemble:
    """The same function with every tree's leaves about zero, and without the trees that are one leaf."""
    if not ensemble.trees:
        return ensemble
    low = np.minimum.reduceat(np.where(ensemble.leaf, ensemble.value, np.inf), ensemble.tree_start)
    high = np.maximum.reduceat(np.where(ensemble.leaf, ensemble.value, -np.inf), ensemble.tree_start)
    middle = low + (high - low) / 2
    value = np.where(ensemble.leaf, ensemble.value - middle[ensemble.tree_of_node], 0.0)
    base = ensemble.base + np.bincount(ensemble.tree_output, weights=middle, minlength=ensemble.outputs)
    splits = ~ensemble.leaf[ensemble.tree_start]
    return replace(ensemble, value=value, base=base).of_trees(splits)


def _adds_exactly(ensemble: TreeEnsemble) -> bool:
    """Whether every sum of leaves is a float32: a multiple, below 2**24, of one power of two that divides all leaves."""
    peaks = np.maximum.reduceat(np.abs(ensemble.value), ensemble.tree_start)
    largest = float(np.bincount(ensemble.tree_output, weights=peaks).max())
    if largest == 0:
        return True
    steps = ensemble.value / 2.0 ** (np.ceil(np.log2(largest)) - 24)
    return bool(np.all(steps == np.rint(steps)))


def _rank(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each element's position among the elements of its own group."""
    order = np.argsort(groups, kind="stable")
    first = np.searchsorted(groups[order], groups[order])
    rank = np.empty_like(order)
    rank[order] = np.arange(len(groups)) - first
    return rank


def _attributes(ensemble: TreeEnsemble, target: NDArray[np.int64]) -> dict[str, Any]:
    """The arrays of ai.onnx.ml 5, a third of the older operator's bytes: inner nodes and leaves stand apart."""
    leaf, inner = ensemble.leaf, ~ensemble.leaf
    place = np.where(leaf, np.cumsum(leaf), np.cumsum(inner)) - 1  # among the leaves, or among the inner nodes
    left, right = ensemble.left[inner], ensemble.right[inner]
    made: dict[str, Any] = {
        "aggregate_function": _SUM,
        "tree_roots": place[ensemble.tree_start].tolist(),
        "nodes_featureids": ensemble.feature[inner].tolist(),
        "nodes_modes": np.full(int(inner.sum()), _LESS_OR_EQUAL, dtype=np.uint8),
        "nodes_splits": round_down(ensemble.threshold[inner]),
        "nodes_truenodeids": place[left].tolist(),
        "nodes_trueleafs": leaf[left].astype(np.int64).tolist(),
        "nodes_falsenodeids": place[right].tolist(),
        "nodes_falseleafs": leaf[right].astype(np.int64).tolist(),
        "leaf_targetids": target[ensemble.tree_of_node[leaf]].tolist(),
        "leaf_weights": ensemble.value[leaf].astype(np.float32),
    }
    if ensemble.missing_left[inner].any():
        made["nodes_missing_value_tracks_true"] = ensemble.missing_left[inner].astype(np.int64).tolist()
    return made
