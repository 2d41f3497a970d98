"""Shapley values from the shared form are LightGBM's own."""

from __future__ import annotations

import numpy as np
import pytest

from flyball.trees import TreeAttributor, TreeEnsemble, attributions, from_lightgbm


def contributions(booster, rows: np.ndarray, outputs: int) -> np.ndarray:
    """LightGBM's (rows, features + 1, outputs)."""
    raw = booster.predict(rows, pred_contrib=True)
    return raw.reshape(len(rows), outputs, -1).transpose(0, 2, 1)


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "with gaps"])
@pytest.mark.parametrize(
    "parameters",
    [
        {"objective": "regression", "num_leaves": 63, "min_data_in_leaf": 3},
        {"objective": "binary"},
        {"objective": "multiclass", "num_class": 3},
        {"objective": "regression", "zero_as_missing": True},
        {"objective": "regression", "use_missing": False},
    ],
    ids=lambda parameters: " ".join(map(str, parameters.values())),
)
def test_values_equal_pred_contrib(training, boost, hostile, parameters, missing) -> None:
    X, y = training(parameters["objective"], missing=missing)
    booster = boost(X, y, **parameters)
    ensemble = from_lightgbm(booster)
    for rows in (X, X[:1], X[:7], hostile(ensemble, 300)):
        values, expected = attributions(ensemble, rows)
        reference = contributions(booster, rows, ensemble.outputs)
        assert np.abs(values - reference[:, :-1]).max() <= 1e-9
        assert np.abs(expected - reference[:, -1]).max() <= 1e-9
        assert np.abs(values.sum(axis=1) + expected - ensemble.predict(rows)).max() <= 1e-9


def test_leaves_with_many_features_are_exact(boost) -> None:
    """Deep paths over more features than one outcome code holds."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(3000, 40)).astype(np.float32)
    booster = boost(X, X.sum(axis=1), rounds=5, num_leaves=1000, min_data_in_leaf=1, feature_fraction_bynode=0.1)
    ensemble = from_lightgbm(booster)
    assert max(group.width for group in TreeAttributor(ensemble)._groups) > 16
    values, _ = attributions(ensemble, X[:200])
    assert np.abs(values - contributions(booster, X[:200], 1)[:, :-1]).max() <= 1e-9


def test_more_thresholds_than_a_byte_counts_are_exact(boost) -> None:
    rng = np.random.default_rng(2)
    X = rng.random(size=(4000, 2)).astype(np.float32)
    booster = boost(X, np.sin(40 * X[:, 0]) + X[:, 1], rounds=40, max_bin=2000, min_data_in_leaf=1)
    values, _ = attributions(from_lightgbm(booster), X[:500])
    assert np.abs(values - contributions(booster, X[:500], 1)[:, :-1]).max() <= 1e-9


def test_values_do_not_depend_on_how_rows_are_batched(training, boost) -> None:
    X, y = training(rows=9000)
    attributor = TreeAttributor(from_lightgbm(boost(X, y, rounds=5)))
    whole = attributor.values(X)
    apart = np.concatenate([attributor.values(part) for part in np.array_split(X[:300], 100)])
    assert np.abs(whole[:300] - apart).max() <= 1e-12
    assert np.abs(whole[8000:] - attributor.values(X[8000:])).max() <= 1e-12


def test_attributions_are_linear_in_the_ensemble(training, boost) -> None:
    X, y = training()
    first, second = from_lightgbm(boost(X, y, rounds=4)), from_lightgbm(boost(X, -y, rounds=4, num_leaves=7))
    merged, expected = attributions(TreeEnsemble.merge([first.scaled(0.25), second.scaled(3.0)]), X)
    parts = [attributions(first, X), attributions(second, X)]
    assert np.abs(merged - 0.25 * parts[0][0] - 3.0 * parts[1][0]).max() <= 1e-12
    assert np.abs(expected - 0.25 * parts[0][1] - 3.0 * parts[1][1]).max() <= 1e-12


def test_trees_without_splits_attribute_nothing() -> None:
    values, expected = attributions(TreeEnsemble.constant(np.array([2.0]), 3), np.zeros((4, 3), np.float32))
    assert values.shape == (4, 3, 1)
    assert not values.any()
    assert expected.tolist() == [2.0]


def test_no_rows_give_no_values(training, boost) -> None:
    X, y = training()
    assert attributions(from_lightgbm(boost(X, y, rounds=2)), X[:0])[0].shape == (0, 5, 1)
