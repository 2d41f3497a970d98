"""What is drawn is what was measured."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import auc, confusion_matrix, precision_recall_curve, roc_curve

from flyball.evaluation import NotEnoughData, calibration_bins, confusion, curves, evaluate, residual_bins

RNG = np.random.default_rng(4)


def test_honest_probabilities_lie_within_their_bins_intervals() -> None:
    chance = RNG.random(20_000)
    bins = calibration_bins(chance, RNG.random(20_000) < chance)
    assert len(bins) == 10
    assert sum(one["rows"] for one in bins) == 20_000
    assert sum(one["low"] <= one["predicted"] <= one["high"] for one in bins) >= 7


def test_equal_probabilities_share_a_bin() -> None:
    assert len(calibration_bins(np.full(500, 0.3), np.arange(500) < 150)) == 1


def test_the_thinned_curve_has_the_area_of_the_whole() -> None:
    positive = RNG.random(5000) < 0.2
    score = RNG.normal(size=5000) + positive
    roc = np.array(curves(score, positive)["roc"])
    wins = (score[positive][:, None] > score[~positive][None, :]).mean()
    assert len(roc) <= 101
    assert np.trapezoid(roc[:, 1], roc[:, 0]) == pytest.approx(wins, abs=0.01)
    assert roc[0].tolist() == [0, 0]
    assert roc[-1].tolist() == [1, 1]


def test_a_curve_needs_both_classes() -> None:
    with pytest.raises(NotEnoughData):
        curves(np.arange(4.0), np.zeros(4, dtype=bool))


def test_residual_bins_hold_every_row() -> None:
    target = RNG.normal(size=1000)
    found = residual_bins(target, np.zeros(1000))
    assert sum(one["rows"] for one in found["bins"]) == 1000
    assert sum(one["rows"] for one in found["by_prediction"]) == 1000
    assert len(residual_bins(np.ones(20), np.ones(20))["bins"]) == 1


def test_confusion_counts_true_classes_in_rows() -> None:
    assert confusion(np.array(["a", "a", "b"]), np.array(["a", "b", "b"]), ["a", "b"]) == [[1, 1], [0, 1]]


def weighed(rows: int = 900) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, truths and weights; the light rows are told well, the heavy ones by chance, and some weigh nothing."""
    score = np.round(RNG.random(rows), 2)
    heavy = RNG.random(rows) < 0.5
    positive = np.where(heavy, RNG.random(rows) < 0.4, RNG.random(rows) < score)
    return score, positive, np.where(heavy, 20.0, 1.0) * (RNG.random(rows) > 0.1)


def test_weighed_curves_are_those_of_scikit_learn() -> None:
    score, positive, weights = weighed()
    drawn = curves(score, positive, weights=weights, points=10_000)
    false, true, _ = roc_curve(positive, score, sample_weight=weights, drop_intermediate=False)
    assert np.array(drawn["roc"]) == pytest.approx(np.column_stack([false, true]), abs=1e-5)
    precision, recall, _ = precision_recall_curve(positive, score, sample_weight=weights)
    assert np.array(drawn["pr"])[::-1] == pytest.approx(np.column_stack([recall, precision])[:-1], abs=1e-5)
    unweighed = np.array(curves(score, positive)["roc"])
    assert abs(auc(*unweighed.T) - auc(false, true)) > 0.1


def test_a_class_that_weighs_nothing_has_no_curve() -> None:
    positive = np.arange(40) < 20
    with pytest.raises(NotEnoughData):
        curves(RNG.random(40), positive, weights=positive.astype(float))


def test_weighed_confusions_are_those_of_scikit_learn() -> None:
    score, positive, weights = weighed()
    found = confusion(positive, score > 0.5, [False, True], weights=weights)
    assert np.array(found) == pytest.approx(confusion_matrix(positive, score > 0.5, sample_weight=weights))


def test_the_weighed_calibration_picture_shows_the_weighed_calibration_error() -> None:
    score, positive, weights = weighed()
    bins = calibration_bins(score, positive, weights=weights)
    outputs = {"probability": np.column_stack([1 - score, score]), "prediction": score > 0.5}
    error = evaluate("binary", positive, outputs, classes=[False, True], weights=weights)["calibration_error"].value
    assert sum(one["weight"] * abs(one["observed"] - one["predicted"]) for one in bins) == pytest.approx(error)
    assert sum(one["weight"] for one in bins) == pytest.approx(1)
    assert sum(one["weight"] * one["observed"] for one in bins) == pytest.approx(np.average(positive, weights=weights))


def test_equal_weights_draw_what_no_weights_draw() -> None:
    score, positive, _ = weighed()
    bins = calibration_bins(score, positive, weights=np.full(len(score), 3.0))
    for one, other in zip(bins, calibration_bins(score, positive), strict=True):
        assert {name: one[name] for name in other} == pytest.approx(other)


def test_weighed_residuals_are_those_of_rows_repeated_as_often() -> None:
    target, prediction = RNG.normal(size=600), RNG.normal(size=600)
    weights = RNG.integers(0, 5, 600)
    found = residual_bins(target, prediction, weights=weights.astype(float))
    residual = np.repeat(target - prediction, weights)
    for one in found["bins"][1:-1]:
        share = ((residual >= one["low"]) & (residual < one["high"])).mean()
        assert one["weight"] == pytest.approx(share, abs=1e-3)
    edges = np.quantile(prediction, np.linspace(0, 1, 11)[1:-1])
    first = np.searchsorted(edges, prediction, side="right") == 0
    assert found["by_prediction"][0]["observed"] == np.quantile(
        np.repeat(target[first], weights[first]), 0.5, method="inverted_cdf"
    )
    assert found["by_prediction"][0]["predicted"] == pytest.approx(
        np.average(prediction[first], weights=weights[first])
    )
