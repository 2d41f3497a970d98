"""What is drawn is what was measured."""

from __future__ import annotations

import numpy as np
import pytest

from flyball.evaluation import NotEnoughData, calibration_bins, confusion, curves, residual_bins

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
