"""Losses, ensemble weights and calibration do what their names say."""

from __future__ import annotations

import numpy as np
import pytest

from flyball.automl.calibration import calibrate
from flyball.automl.losses import Loss
from flyball.automl.pipeline import sigmoid, softmax
from flyball.automl.weights import choose_weights


@pytest.mark.parametrize("loss", [Loss("log loss", 1), Loss("log loss", 4), Loss("squared error", 1)])
def test_a_loss_falls_along_its_negative_gradient_as_finite_differences_say(loss: Loss) -> None:
    rng = np.random.default_rng(0)
    margin = rng.normal(size=(30, loss.outputs)) * 3
    target = rng.integers(0, max(2, loss.outputs), 30).astype(float)
    slope = loss.gradient(margin, target)
    for output in range(loss.outputs):
        step = np.zeros_like(margin)
        step[:, output] = 1e-6
        numeric = (loss.rows(margin + step, target) - loss.rows(margin - step, target)) / 2e-6
        np.testing.assert_allclose(slope[:, output], numeric, atol=1e-6)


def test_log_loss_and_its_links_survive_huge_margins() -> None:
    margin = np.array([[1e4], [-1e4]])
    assert Loss("log loss", 1).rows(margin, np.array([1.0, 0.0])).tolist() == [0.0, 0.0]
    assert sigmoid(margin[:, 0]).tolist() == [1.0, 0.0]
    assert np.isfinite(softmax(np.array([[1e4, -1e4, 0.0]]))).all()


def test_weights_sum_to_one_and_leave_out_what_does_not_help() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=4000)
    left, right = truth + rng.normal(size=4000), truth + rng.normal(size=4000)
    noise = rng.normal(size=4000) * 3
    margins = {"left": left[:, None], "right": right[:, None], "noise": noise[:, None]}
    weights = choose_weights(margins, truth, np.ones(4000), Loss("squared error", 1))
    assert sum(weights.values()) == pytest.approx(1.0)
    assert weights.get("noise", 0.0) < 0.15
    assert abs(weights["left"] - weights["right"]) < 0.2


def test_calibration_undoes_overconfidence() -> None:
    rng = np.random.default_rng(2)
    honest = rng.normal(size=(20_000, 1)) * 1.5
    target = (rng.random(20_000) < sigmoid(honest[:, 0])).astype(float)
    found = calibrate(3.0 * honest + 1.0, target, np.ones(20_000), Loss("log loss", 1))
    assert found.slope == pytest.approx(1 / 3, rel=0.06)
    assert found.bias[0] == pytest.approx(-1 / 3, abs=0.06)


def test_calibration_of_a_perfect_separation_stays_finite_and_keeps_the_order() -> None:
    margin = np.linspace(-2, 2, 100)[:, None]
    found = calibrate(margin, (margin[:, 0] > 0).astype(float), np.ones(100), Loss("log loss", 1))
    assert 1.0 < found.slope <= 5.0
    assert np.isfinite(found.bias).all()


def test_too_few_rows_are_not_calibrated_on() -> None:
    found = calibrate(np.ones((10, 3)), np.zeros(10), np.ones(10), Loss("log loss", 3))
    assert (found.slope, found.bias.tolist()) == (1.0, [0.0, 0.0, 0.0])
