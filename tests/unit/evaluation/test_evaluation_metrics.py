"""Metrics agree with scikit-learn, point for point, with and without weights."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as oracle

from flyball.evaluation import (
    METRICS,
    NotEnoughData,
    UnknownMetric,
    UnknownTask,
    baseline,
    default_metric,
    evaluate,
    metric,
)

RNG = np.random.default_rng(11)
ROWS = 400
TRUTH = RNG.random(ROWS) < 0.3
CHANCE = np.round(1 / (1 + np.exp(-(RNG.normal(size=ROWS) + 2 * TRUTH - 1.5))), 2)  # rounded: ties
WEIGHTS = RNG.random(ROWS) * 3


def binary(chance: np.ndarray, classes: list[object]) -> dict[str, np.ndarray]:
    called = np.asarray(classes, dtype=object)[(chance > 0.5).astype(int)]
    return {"probability": np.column_stack([1 - chance, chance]), "prediction": called}


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
def test_binary_metrics_are_those_of_scikit_learn(weights: np.ndarray | None) -> None:
    found = evaluate(
        "binary", TRUTH, binary(CHANCE, [False, True]), classes=[False, True], weights=weights, replicates=40
    )
    called = CHANCE > 0.5
    expected = {
        "roc_auc": oracle.roc_auc_score(TRUTH, CHANCE, sample_weight=weights),
        "average_precision": oracle.average_precision_score(TRUTH, CHANCE, sample_weight=weights),
        "log_loss": oracle.log_loss(TRUTH, CHANCE, sample_weight=weights),
        "brier": oracle.brier_score_loss(TRUTH, CHANCE, sample_weight=weights),
        "accuracy": oracle.accuracy_score(TRUTH, called, sample_weight=weights),
        "balanced_accuracy": oracle.balanced_accuracy_score(TRUTH, called, sample_weight=weights),
        "f1": oracle.f1_score(TRUTH, called, sample_weight=weights),
        "precision": oracle.precision_score(TRUTH, called, sample_weight=weights),
        "recall": oracle.recall_score(TRUTH, called, sample_weight=weights),
    }
    assert {name: found[name].value for name in expected} == pytest.approx(expected, abs=1e-12)
    assert set(found) == {*expected, "calibration_error"}


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
def test_multiclass_metrics_are_those_of_scikit_learn(weights: np.ndarray | None) -> None:
    classes = np.array(["low", "mid", "top"], dtype=object)
    codes = RNG.integers(0, 3, ROWS)
    raw = RNG.random((ROWS, 3)) + np.eye(3)[codes] * 0.6
    probability = raw / raw.sum(axis=1, keepdims=True)
    target, called = classes[codes], classes[probability.argmax(axis=1)]
    outputs = {"probability": probability, "prediction": called}
    found = evaluate("multiclass", target, outputs, classes=classes, weights=weights, replicates=40)
    areas = [oracle.roc_auc_score(codes == code, probability[:, code], sample_weight=weights) for code in range(3)]
    expected = {
        "log_loss": oracle.log_loss(codes, probability, sample_weight=weights),
        "accuracy": oracle.accuracy_score(target, called, sample_weight=weights),
        "balanced_accuracy": oracle.balanced_accuracy_score(target, called, sample_weight=weights),
        "macro_f1": oracle.f1_score(target, called, average="macro", sample_weight=weights),
        "roc_auc": np.mean(areas),
    }
    assert {name: found[name].value for name in expected} == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
def test_regression_metrics_are_those_of_scikit_learn(weights: np.ndarray | None) -> None:
    target = RNG.normal(size=ROWS) * 10
    guess = target + RNG.normal(size=ROWS) * 3
    outputs = {"prediction": guess, "low": guess - 4, "high": guess + 4}
    found = evaluate("regression", target, outputs, weights=weights, replicates=40)
    expected = {
        "rmse": oracle.root_mean_squared_error(target, guess, sample_weight=weights),
        "mae": oracle.mean_absolute_error(target, guess, sample_weight=weights),
        "r2": oracle.r2_score(target, guess, sample_weight=weights),
        "interval_coverage": np.average(np.abs(target - guess) <= 4, weights=weights),
    }
    assert {name: found[name].value for name in expected} == pytest.approx(expected, abs=1e-12)
    if weights is None:
        assert found["median_absolute_error"].value == pytest.approx(oracle.median_absolute_error(target, guess))


def test_classes_of_any_type_mean_the_same() -> None:
    expected = evaluate("binary", TRUTH, binary(CHANCE, [False, True]), classes=[False, True], replicates=30)
    for classes in ([0, 1], [0.0, 1.0], ["no", "yes"]):
        target = np.asarray(classes, dtype=object)[TRUTH.astype(int)]
        assert evaluate("binary", target, binary(CHANCE, classes), classes=classes, replicates=30) == expected


def test_the_positive_class_may_be_the_first() -> None:
    target = np.where(TRUTH, "bad", "good").astype(object)
    outputs = {"probability": np.column_stack([CHANCE, 1 - CHANCE]),
               "prediction": np.where(CHANCE > 0.5, "bad", "good").astype(object)}  # fmt: skip
    found = evaluate("binary", target, outputs, classes=["bad", "good"], positive="bad", replicates=30)
    assert found["recall"].value == pytest.approx(oracle.recall_score(TRUTH, CHANCE > 0.5))


def test_a_metric_that_the_rows_leave_undefined_is_absent_not_a_half() -> None:
    found = evaluate("binary", np.zeros(50), binary(CHANCE[:50], [0, 1]), classes=[0, 1], replicates=30)
    assert not {"roc_auc", "recall", "average_precision", "balanced_accuracy"} & set(found)
    assert {"accuracy", "log_loss", "brier"} <= set(found)


def test_a_class_that_the_model_never_saw_counts_as_an_error() -> None:
    target = np.array(["a", "b", "new", "a"], dtype=object)
    outputs = {"probability": np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5], [0.7, 0.3]]),
               "prediction": np.array(["a", "b", "a", "a"], dtype=object)}  # fmt: skip
    found = evaluate("multiclass", target, outputs, classes=["a", "b"], replicates=30)
    assert found["accuracy"].value == 0.75
    assert found["balanced_accuracy"].value == pytest.approx(2 / 3)
    assert found["log_loss"].value > 8


def test_guessing_ranks_nothing_and_predicts_the_mean() -> None:
    guess = baseline("binary", TRUTH, TRUTH, classes=[False, True])
    assert guess["roc_auc"].value == 0.5
    assert guess["average_precision"].value == pytest.approx(TRUTH.mean())
    numbers = np.arange(100.0)
    assert baseline("regression", numbers, numbers)["r2"].value == pytest.approx(0)
    letters = np.array(list("aabbc"), dtype=object)
    assert baseline("multiclass", letters, letters, classes=["a", "b", "c"])["accuracy"].value == 0.4


def test_equal_seeds_give_equal_intervals() -> None:
    outputs = binary(CHANCE, [False, True])
    first, same = (evaluate("binary", TRUTH, outputs, classes=[False, True], seed=3, replicates=50) for _ in range(2))
    other = evaluate("binary", TRUTH, outputs, classes=[False, True], seed=4, replicates=50)
    assert first == same
    assert first != other


def test_no_rows_are_refused() -> None:
    with pytest.raises(NotEnoughData, match="no rows"):
        evaluate("regression", np.array([]), {"prediction": np.array([])})


def test_every_task_has_a_default_metric_that_applies() -> None:
    for task in ("binary", "multiclass", "regression"):
        assert task in METRICS[default_metric(task)].tasks
    with pytest.raises(UnknownTask):
        default_metric("ranking")  # type: ignore[arg-type]


def test_a_misspelt_metric_gets_its_nearest_name_and_place() -> None:
    with pytest.raises(UnknownMetric) as caught:
        metric("roc_acu", where="flyball.toml:4")
    assert "roc_auc" in str(caught.value)
    assert "flyball.toml:4" in str(caught.value)
    with pytest.raises(UnknownMetric, match="does not apply"):
        metric("rmse", "binary")


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
def test_a_class_whose_rows_all_weigh_nothing_has_no_roc_curve(silent: bool, grouped: bool) -> None:
    weights = np.where(silent == TRUTH, 0.0, WEIGHTS)
    groups = np.arange(ROWS) // 4 if grouped else None
    found = evaluate(
        "binary", TRUTH, binary(CHANCE, [False, True]), classes=[False, True], weights=weights, groups=groups
    )
    assert "roc_auc" not in found
    assert found
    assert not any(np.isnan([item.value, item.low, item.high]).any() for item in found.values())


def test_a_row_that_weighs_nothing_is_as_if_it_were_not_there() -> None:
    heavy = RNG.random(ROWS) < 0.6
    known = {"classes": [False, True], "replicates": 30}
    weighed = evaluate("binary", TRUTH, binary(CHANCE, [False, True]), weights=np.where(heavy, WEIGHTS, 0.0), **known)
    kept = evaluate("binary", TRUTH[heavy], binary(CHANCE[heavy], [False, True]), weights=WEIGHTS[heavy], **known)
    assert weighed["roc_auc"] == kept["roc_auc"]


def test_a_class_of_three_without_weight_is_passed_over_by_the_mean_of_areas() -> None:
    truth = RNG.integers(0, 3, ROWS)
    chance = RNG.dirichlet(np.ones(3), ROWS)
    outputs = {"probability": chance, "prediction": chance.argmax(axis=1)}
    found = evaluate("multiclass", truth, outputs, classes=[0, 1, 2], weights=np.where(truth == 2, 0.0, WEIGHTS))
    rest = truth != 2
    areas = [oracle.roc_auc_score((truth == c)[rest], chance[rest, c], sample_weight=WEIGHTS[rest]) for c in (0, 1)]
    assert found["roc_auc"].value == pytest.approx(np.mean(areas))


def test_the_baseline_learns_from_the_training_rows_as_they_weigh() -> None:
    heavy = np.where(TRUTH, 9.0, 1.0)
    share = float(heavy[TRUTH].sum() / heavy.sum())
    guess = baseline("binary", TRUTH, TRUTH, classes=[False, True], train_weights=heavy)
    assert guess["brier"].value == pytest.approx(np.mean((TRUTH - share) ** 2))
    assert guess["recall"].value == 1.0  # the rarer class weighs more, so it is what is guessed
    numbers = np.array([1.0, 2.0, 30.0, 40.0])
    weights = np.array([1.0, 1.0, 0.0, 0.0])
    known = baseline("regression", numbers, numbers[:2], train_weights=weights)
    assert known["mae"].value == 0.5
    assert known["interval_coverage"].value == 1.0
    beyond = baseline("regression", numbers, numbers[2:], train_weights=weights)
    assert beyond["interval_coverage"].value == 0.0


def test_weights_that_are_all_equal_change_nothing_of_the_baseline() -> None:
    numbers = RNG.normal(size=200)
    plain = baseline("regression", numbers, numbers)
    assert baseline("regression", numbers, numbers, train_weights=np.full(200, 2.0)) == plain
