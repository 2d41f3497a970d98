"""The estimators keep scikit-learn's contract and take the tables that people have."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import estimator_checks_generator

from flyball.automl import AutoClassifier, AutoRegressor
from flyball.automl.estimators import EstimatorInput, SparseInput
from flyball_runtime import open_bundle

# A work budget: the checks ask for equal results of equal fits, however busy the machine is.
BUDGET = "2 trials"


def checks(estimator: Any) -> list[Any]:
    """Every check that scikit-learn has for such an estimator."""
    return [
        pytest.param(instance, check, id=f"{type(estimator).__name__}-{number}-{check.func.__name__}")
        for number, (instance, check) in enumerate(estimator_checks_generator(estimator))
    ]


@pytest.mark.parametrize(
    ("estimator", "check"),
    [*checks(AutoClassifier(BUDGET, random_state=0)), *checks(AutoRegressor(BUDGET, random_state=0))],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning", "ignore::FutureWarning")
def test_scikit_learns_own_check_passes(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = 400
    return pd.DataFrame(
        {
            "speed": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows)),
            "site": rng.choice(["north", "south"], rows),
            "when": pd.Timestamp("1969-12-30") + pd.to_timedelta(rng.integers(0, 5000, rows), unit="h"),
            "on": rng.random(rows) < 0.5,
        }
    )


@pytest.fixture(scope="module")
def labels(frame: pd.DataFrame) -> np.ndarray:
    return np.where((frame["speed"].fillna(0) + (frame["site"] == "north")) > 0.5, "fails", "holds")


@pytest.fixture(scope="module")
def classifier(frame: pd.DataFrame, labels: np.ndarray) -> AutoClassifier:
    return AutoClassifier(budget=15, random_state=0).fit(frame, labels)


def test_pandas_polars_arrow_and_mappings_give_one_answer(frame: pd.DataFrame, classifier: AutoClassifier) -> None:
    expected = classifier.predict_proba(frame)
    polars = pl.DataFrame({name: frame[name].to_numpy() for name in frame.columns if name != "site"}).with_columns(
        pl.Series("site", frame["site"].tolist())
    )
    polars = polars.select(list(frame.columns))
    np.testing.assert_array_equal(classifier.predict_proba(polars), expected)
    np.testing.assert_array_equal(classifier.predict_proba({n: polars[n].to_list() for n in polars.columns}), expected)
    assert classifier.score(frame, np.where(expected[:, 0] > 0.5, "fails", "holds")) == 1.0


def test_attributes_are_scikit_learns(classifier: AutoClassifier) -> None:
    assert classifier.classes_.tolist() == ["fails", "holds"]
    assert classifier.feature_names_in_.tolist() == ["speed", "site", "when", "on"]
    assert classifier.n_features_in_ == 4


@pytest.mark.parametrize(
    "values", [np.array([False, True]), np.array([3, 7]), np.array([0.5, 2.5]), np.array(["b", "a"])]
)
def test_labels_come_back_in_their_own_type(values: np.ndarray) -> None:
    X = np.random.default_rng(1).normal(size=(120, 2))
    y = values[(X[:, 0] > 0).astype(int)]
    if values.dtype.kind == "f":
        with pytest.raises(ValueError, match="continuous"):  # as every scikit-learn classifier
            AutoClassifier(budget=3, random_state=0).fit(X, y)
        return
    predicted = AutoClassifier(budget=3, random_state=0).fit(X, y).predict(X)
    assert predicted.dtype == y.dtype
    assert np.mean(predicted == y) > 0.9


def test_an_exported_bundle_opens_and_gives_the_estimators_answers(
    tmp_path: Path, frame: pd.DataFrame, classifier: AutoClassifier
) -> None:
    folder = classifier.export(tmp_path / "bundle", name="failures", target="state")
    bundle = open_bundle(folder)
    assert bundle.check_golden() == 0.0
    assert not bundle.authentic
    assert sorted(bundle.files) == [
        "card.md", "golden.npz", "manifest.json", "model.onnx", "reference.npz", "sbom.cdx.json",
    ]  # fmt: skip
    scores = bundle.score(frame)
    np.testing.assert_array_equal(scores["probability"], classifier.predict_proba(frame))
    assert scores["prediction"].tolist() == classifier.predict(frame).tolist()
    assert bundle.classes.tolist() == classifier.classes_.tolist()
    classifier.export(folder)  # a bundle may be replaced


def test_a_folder_that_is_no_bundle_is_not_replaced(tmp_path: Path, classifier: AutoClassifier) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(EstimatorInput, match="no bundle"):
        classifier.export(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_pickled_or_cloned_estimator_works_on(frame: pd.DataFrame, classifier: AutoClassifier) -> None:
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(again.predict_proba(frame), classifier.predict_proba(frame))
    assert clone(classifier).get_params() == classifier.get_params()


def test_the_regressors_interval_holds_about_its_level_of_new_rows() -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(1500, 3))
    y = 100 * X[:, 0] + 20 * rng.normal(size=1500)
    model = AutoRegressor(budget=8, random_state=0).fit(X[:900], y[:900])
    low, high = model.predict_interval(X[900:]).T
    assert 0.85 <= np.mean((y[900:] >= low) & (y[900:] <= high)) <= 0.96
    assert model.score(X[900:], y[900:]) > 0.9


def test_groups_are_validated_together() -> None:
    """Every row of a group looks alike and shares its label, so only a split by rows could predict it."""
    rng = np.random.default_rng(4)
    group = np.repeat(np.arange(80), 8)
    X = (group * 37 % 83)[:, None] + 0.01 * rng.normal(size=(640, 1))
    y = rng.integers(0, 2, 80)[group]
    by_rows = AutoClassifier(budget=5, random_state=0).fit(X, y)
    by_groups = AutoClassifier(budget=5, random_state=0).fit(X, y, groups=group)
    assert by_rows.leaderboard_[0]["score"] < 0.3 < by_groups.leaderboard_[0]["score"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"X": np.zeros((0, 2))}, ValueError, "0 sample"),
        ({"y": ["one"] * 20}, ValueError, "1 class"),
        ({"y": None}, ValueError, "requires y"),
        ({"sample_weight": np.ones(3)}, ValueError, "sample_weight"),
        ({"groups": np.zeros(20)}, ValueError, "two groups"),
    ],
)
def test_unusable_input_is_a_value_error_that_says_why(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    given: dict[str, Any] = {"X": np.random.default_rng(0).normal(size=(20, 2)), "y": np.arange(20) % 2, **change}
    with pytest.raises(error, match=message):
        AutoClassifier(budget=1).fit(given.pop("X"), given.pop("y"), **given)


def test_sparse_matrices_are_refused_by_name() -> None:
    from scipy import sparse

    with pytest.raises(SparseInput, match="sparse"):
        AutoRegressor(budget=1).fit(sparse.eye(20, format="csr"), np.arange(20.0))
