"""The one representation of tree models: predict, scale, merge, export and attribute, whoever grew them."""

from __future__ import annotations

from flyball.trees.ensemble import TreeEnsemble
from flyball.trees.leaf_forest import LeafForest, emit_forest
from flyball.trees.lightgbm import UnsupportedTrees, from_lightgbm
from flyball.trees.onnx import emit_trees
from flyball.trees.shap import TreeAttributor, attributions

__all__ = [
    "LeafForest",
    "TreeAttributor",
    "TreeEnsemble",
    "UnsupportedTrees",
    "attributions",
    "emit_forest",
    "emit_trees",
    "from_lightgbm",
]
