"""Trees read from LightGBM predict exactly what LightGBM predicts."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest

from flyball.trees import TreeEnsemble, UnsupportedTrees, from_lightgbm

PARAMETERS = {
    "regression": {"objective": "regression"},
    "binary": {"objective": "binary"},
    "multiclass": {"objective": "multiclass", "num_class": 3},
    "one versus all": {"objective": "multiclassova", "num_class": 3},
    "zero as missing": {"objective": "regression", "zero_as_missing": True},
    "missing unused": {"objective": "regression", "use_missing": False},
    "random splits": {"objective": "regression", "extra_trees": True},
    "dart": {"objective": "regression", "boosting": "dart"},
    "absolute error": {"objective": "regression_l1"},
}


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "with gaps"])
@pytest.mark.parametrize("case", PARAMETERS)
def test_margins_equal_lightgbms_on_training_and_on_hostile_rows(training, boost, hostile, case, missing) -> None:
    X, y = training(PARAMETERS[case]["objective"], missing=missing)
    booster = boost(X, y, **PARAMETERS[case])
    ensemble = from_lightgbm(booster)
    for rows in (X, hostile(ensemble)):
        expected = booster.predict(rows, raw_score=True).reshape(len(rows), -1)
        assert np.abs(ensemble.predict(rows) - expected).max() <= 1e-12


def test_a_random_forest_answers_the_mean_of_its_rounds(training, boost) -> None:
    X, y = training()
    booster = boost(X, y, boosting="rf", bagging_freq=1, bagging_fraction=0.5)
    assert np.abs(from_lightgbm(booster).predict(X)[:, 0] - booster.predict(X)).max() <= 1e-12


def test_the_best_iteration_is_kept_unless_told_otherwise(training, boost) -> None:
    X, y = training()
    booster = boost(X, y, rounds=20)
    booster.best_iteration = 12  # what LightGBM's early stopping sets
    for rounds, trees in ((None, 12), (4, 4), (-1, 20)):
        ensemble = from_lightgbm(booster, num_iteration=rounds)
        assert ensemble.trees == trees
        expected = booster.predict(X, raw_score=True, num_iteration=rounds)
        assert np.abs(ensemble.predict(X)[:, 0] - expected).max() <= 1e-12


def test_a_constant_target_gives_one_leaf(training, boost) -> None:
    X, _ = training()
    booster = boost(X, np.full(len(X), 4.25))
    assert from_lightgbm(booster).predict(X[:3]).tolist() == [[4.25]] * 3


def test_trees_that_never_split_are_read(training, boost) -> None:
    X, y = training("multiclass")
    booster = boost(X, y, objective="multiclass", num_class=4, min_data_in_leaf=380)  # class 3 never occurs
    ensemble = from_lightgbm(booster)
    assert np.abs(ensemble.predict(X) - booster.predict(X, raw_score=True)).max() <= 1e-12
    sizes = np.bincount(ensemble.tree_of_node)
    assert sizes.min() == 1
    assert sizes.max() > 1


def test_a_booster_without_trees_answers_zero(training) -> None:
    X, y = training()
    booster = lightgbm.Booster({"objective": "regression", "verbose": -1}, lightgbm.Dataset(X, y))
    assert from_lightgbm(booster).predict(X[:2]).tolist() == [[0.0], [0.0]]


def test_a_model_file_read_back_gives_the_same_trees(training, boost) -> None:
    X, y = training()
    booster = boost(X, y)
    again = lightgbm.Booster(model_str=booster.model_to_string())
    first, second = from_lightgbm(booster).to_arrays(), from_lightgbm(again).to_arrays()
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_covers_are_the_training_rows(training, boost) -> None:
    X, y = training()
    ensemble = from_lightgbm(boost(X, y, rounds=5))
    inner = ~ensemble.leaf
    assert ensemble.cover[ensemble.tree_start].tolist() == [len(X)] * 5
    assert np.array_equal(
        ensemble.cover[inner], ensemble.cover[ensemble.left[inner]] + ensemble.cover[ensemble.right[inner]]
    )


def test_stored_trees_are_sound(training, boost) -> None:
    X, y = training("multiclass")
    ensemble = from_lightgbm(boost(X, y, objective="multiclass", num_class=3))
    assert np.array_equal(TreeEnsemble.from_bytes(ensemble.to_bytes()).predict(X), ensemble.predict(X))


def test_native_categories_are_refused(training) -> None:
    X, _ = training(missing=False)
    X[:, 1] = np.abs(X[:, 1])
    data = lightgbm.Dataset(X, np.isin(X[:, 1], [0, 2]).astype(float), categorical_feature=[1])
    booster = lightgbm.train({"objective": "regression", "verbose": -1, "min_data_per_group": 1}, data, 3)
    with pytest.raises(UnsupportedTrees, match="FB-TREES-001"):
        from_lightgbm(booster)


def test_linear_trees_are_refused(training) -> None:
    X, y = training(missing=False)
    data = lightgbm.Dataset(X, y, params={"linear_tree": True})
    booster = lightgbm.train({"objective": "regression", "linear_tree": True, "verbose": -1}, data, 3)
    with pytest.raises(UnsupportedTrees, match="linear"):
        from_lightgbm(booster)
