"""Reads LightGBM boosters through their documented text form."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from flyball.trees.ensemble import ZERO_THRESHOLD, TreeEnsemble
from flyball_runtime.errors import BadInput

__all__ = ["UnsupportedTrees", "from_lightgbm"]

# bits of LightGBM's decision_type
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_SHIFT, _MISSING_ZERO, _MISSING_NAN = 2, 1, 2


class UnsupportedTrees(BadInput):
    """The booster uses something that the shared tree form does not express: native categories or linear leaves."""

    code = "FB-TREES-001"


class Booster(Protocol):
    """What is needed of `lightgbm.Booster`."""

    best_iteration: int

    def model_to_string(self, num_iteration: int | None = None) -> str: ...


def from_lightgbm(booster: Booster, num_iteration: int | None = None) -> TreeEnsemble:
    """The booster's trees; `predict` equals `booster.predict(X, raw_score=True)` for float32 X within 1e-12.

    A random forest (boosting "rf") answers the mean of its rounds, which is what its plain `predict` transforms.
    num_iteration: boosting rounds to keep; None keeps the best iteration when there was early stopping, else all, as
    LightGBM itself does. Raises UnsupportedTrees on native categorical splits and on linear trees.
    """
    return _parse(booster.model_to_string(num_iteration=num_iteration))


def _parse(text: str) -> TreeEnsemble:
    header, *blocks = text.split("\nend of trees", maxsplit=1)[0].split("\nTree=")
    facts = dict(line.partition("=")[::2] for line in header.splitlines())
    outputs = int(facts["num_tree_per_iteration"])
    features = int(facts["max_feature_idx"]) + 1
    ensemble = TreeEnsemble.constant(np.zeros(outputs), features)
    if blocks:
        ensemble = _forest([_tree(block) for block in blocks], outputs, features)
    if "average_output" in facts and blocks:  # random forests average their rounds
        ensemble = ensemble.scaled(outputs / len(blocks))
    return ensemble


def _forest(trees: list[dict[str, NDArray[Any]]], outputs: int, features: int) -> TreeEnsemble:
    sizes = np.array([len(tree["feature"]) for tree in trees])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    joined = {name: np.concatenate([tree[name] for tree in trees]) for name in trees[0]}
    offset = np.repeat(starts, sizes)
    return TreeEnsemble(
        tree_start=starts,
        tree_output=np.arange(len(trees), dtype=np.int64) % outputs,
        feature=joined["feature"],
        threshold=joined["threshold"],
        left=joined["left"] + offset,
        right=joined["right"] + offset,
        missing_left=joined["missing_left"],
        value=joined["value"],
        cover=joined["cover"],
        base=np.zeros(outputs),
        zero_missing=_zero_missing(joined["feature"], joined["missing_type"], features),
    )


def _tree(block: str) -> dict[str, NDArray[Any]]:
    """Node arrays of one tree: its inner nodes in LightGBM's order, root first, then its leaves."""
    facts = dict(line.partition("=")[::2] for line in block.splitlines())
    if int(facts["num_cat"]):
        raise UnsupportedTrees(
            "the booster splits on native categories",
            fix="encode text columns as numbers before training, without categorical_feature",
        )
    if int(facts.get("is_linear", "0")):
        raise UnsupportedTrees("the booster has linear models in its leaves", fix="train with linear_tree=false")
    leaves = int(facts["num_leaves"])
    inner = leaves - 1
    values = _numbers(facts["leaf_value"], leaves)
    if not inner:  # LightGBM leaves these lists empty in a tree that never split
        return _node_arrays({}, np.zeros((2, 0), np.int64), values, np.ones(1))
    splits = {
        name: _numbers(facts[name], inner) for name in ("split_feature", "threshold", "decision_type", "internal_count")
    }
    children = np.stack([_numbers(facts["left_child"], inner), _numbers(facts["right_child"], inner)]).astype(np.int64)
    return _node_arrays(splits, children, values, _numbers(facts["leaf_count"], leaves))


def _node_arrays(
    splits: dict[str, NDArray[np.float64]],
    children: NDArray[np.int64],
    leaf_value: NDArray[np.float64],
    leaf_cover: NDArray[np.float64],
) -> dict[str, NDArray[Any]]:
    nothing = np.zeros(0)
    inner, leaves = children.shape[1], len(leaf_value)
    flags = splits.get("decision_type", nothing).astype(np.int64)
    missing_type = flags >> _MISSING_SHIFT
    limit = _flushed(splits.get("threshold", nothing))
    # where training met nothing missing, LightGBM reads NaN as zero
    missing_left = np.where(missing_type == 0, limit >= 0.0, (flags & _DEFAULT_LEFT) != 0)
    # LightGBM counts leaves ~0, ~1, ... in its child pointers
    below = np.where(children < 0, inner + ~children, children)
    itself = np.arange(inner, inner + leaves, dtype=np.int64)
    return {
        "feature": np.concatenate(
            [splits.get("split_feature", nothing).astype(np.int64), np.full(leaves, -1, np.int64)]
        ),
        "threshold": np.concatenate([limit, np.zeros(leaves)]),
        "left": np.concatenate([below[0], itself]),
        "right": np.concatenate([below[1], itself]),
        "missing_left": np.concatenate([missing_left, np.zeros(leaves, np.bool_)]),
        "value": np.concatenate([np.zeros(inner), leaf_value]),
        "cover": np.concatenate([splits.get("internal_count", nothing), leaf_cover]),
        "missing_type": np.concatenate([missing_type, np.full(leaves, -1, np.int64)]),
    }


def _flushed(threshold: NDArray[np.float64]) -> NDArray[np.float64]:
    """Thresholds that decide on x as LightGBM does, which reads any |x| <= 1e-35 as zero before it compares."""
    below_all = np.nextafter(-ZERO_THRESHOLD, -np.inf)
    flushed = np.where((threshold >= -ZERO_THRESHOLD) & (threshold < 0.0), below_all, threshold)
    return np.where((flushed >= 0.0) & (flushed < ZERO_THRESHOLD), ZERO_THRESHOLD, flushed)


def _zero_missing(feature: NDArray[np.int64], missing_type: NDArray[np.int64], features: int) -> NDArray[np.bool_]:
    zero, other = np.zeros(features, np.bool_), np.zeros(features, np.bool_)
    zero[feature[missing_type == _MISSING_ZERO]] = True
    other[feature[(missing_type == 0) | (missing_type == _MISSING_NAN)]] = True
    if np.any(zero & other):
        raise UnsupportedTrees(
            "the booster counts zero as missing in some of its trees only",
            where=f"feature {int(np.flatnonzero(zero & other)[0])}",
            fix="train all rounds with the same zero_as_missing",
        )
    return zero


def _numbers(text: str, count: int) -> NDArray[np.float64]:
    values = np.array(text.split(), dtype=np.float64)
    if len(values) != count:
        raise UnsupportedTrees(f"the booster's text form holds {len(values)} values where {count} belong")
    return values
