"""Shapley values are what the definition says, on arbitrary small trees."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from flyball.trees import TreeEnsemble, attributions

FEATURES = 4
GRID = np.array([-1.0, 0.0, 0.5, 2.0])


class Grower:
    """Grows one random tree into flat node lists; features repeat on paths, some splits see no training row."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.nodes: list[tuple[int, float, int, int, bool, float, float]] = []

    def grow(self, depth: int, cover: int) -> int:
        at = len(self.nodes)
        self.nodes.append((-1, 0.0, at, at, False, float(self.rng.normal()), float(cover)))
        if depth and self.rng.random() < 0.85:
            part = int(self.rng.integers(0, cover + 1)) if cover else 0
            left, right = self.grow(depth - 1, part), self.grow(depth - 1, cover - part)
            feature, threshold = int(self.rng.integers(FEATURES)), float(self.rng.choice(GRID))
            self.nodes[at] = (feature, threshold, left, right, bool(self.rng.random() < 0.5), 0.0, float(cover))
        return at


def random_ensemble(seed: int, trees: int, outputs: int) -> TreeEnsemble:
    rng = np.random.default_rng(seed)
    grower, starts = Grower(rng), []
    for _ in range(trees):
        starts.append(len(grower.nodes))
        grower.grow(4, int(rng.integers(1, 30)))
    feature, threshold, left, right, missing_left, value, cover = map(np.array, zip(*grower.nodes, strict=True))
    return TreeEnsemble.from_arrays(
        {
            "tree_start": np.array(starts),
            "tree_output": rng.integers(0, outputs, trees),
            "feature": feature,
            "threshold": threshold,
            "left": left,
            "right": right,
            "missing_left": missing_left,
            "value": value,
            "cover": cover,
            "base": rng.normal(size=outputs),
            "zero_missing": np.zeros(FEATURES, np.bool_),
        }
    )


def coalition_value(e: TreeEnsemble, node: int, x: np.ndarray, known: frozenset[int]) -> float:
    """The tree's mean over its training rows when only the features in `known` are fixed to x."""
    feature = int(e.feature[node])
    if feature < 0:
        return float(e.value[node])
    left, right = int(e.left[node]), int(e.right[node])
    if feature in known:
        goes_left = bool(e.missing_left[node]) if np.isnan(x[feature]) else x[feature] <= e.threshold[node]
        return coalition_value(e, left if goes_left else right, x, known)
    cover = float(e.cover[node])
    share = float(e.cover[left]) / cover if cover else 0.5
    return share * coalition_value(e, left, x, known) + (1 - share) * coalition_value(e, right, x, known)


def by_definition(e: TreeEnsemble, x: np.ndarray) -> np.ndarray:
    """(features, outputs), by summing over all coalitions."""
    values = np.zeros((FEATURES, e.outputs))
    for tree, output in zip(e.tree_start, e.tree_output, strict=True):
        game = {
            frozenset(some): coalition_value(e, int(tree), x, frozenset(some))
            for size in range(FEATURES + 1)
            for some in combinations(range(FEATURES), size)
        }
        for feature in range(FEATURES):
            for some in (one for one in game if feature not in one):
                size = len(some)
                weight = math.factorial(size) * math.factorial(FEATURES - size - 1) / math.factorial(FEATURES)
                values[feature, output] += weight * (game[some | {feature}] - game[some])
    return values


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    trees=st.integers(1, 3),
    outputs=st.integers(1, 3),
    rows=st.sampled_from([1, 2, 40]),
)
def test_values_are_the_shapley_values_of_the_definition(seed: int, trees: int, outputs: int, rows: int) -> None:
    ensemble = random_ensemble(seed, trees, outputs)
    rng = np.random.default_rng(seed + 1)
    X = rng.choice(np.array([-2.0, *GRID, 3.0, np.nan, np.inf, -np.inf]), size=(rows, FEATURES))
    values, expected = attributions(ensemble, X)
    for row in range(min(rows, 4)):
        assert np.abs(values[row] - by_definition(ensemble, X[row])).max() <= 1e-9
    assert np.abs(values.sum(axis=1) + expected - ensemble.predict(X)).max() <= 1e-9


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), trees=st.integers(1, 4), outputs=st.integers(1, 3))
def test_stored_ensembles_come_back_equal(seed: int, trees: int, outputs: int) -> None:
    ensemble = random_ensemble(seed, trees, outputs)
    again = TreeEnsemble.from_bytes(ensemble.to_bytes())
    X = np.random.default_rng(seed).choice(np.array([*GRID, np.nan]), size=(20, FEATURES))
    assert np.array_equal(ensemble.predict(X), again.predict(X))
