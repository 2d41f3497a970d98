"""The interval behind a test figure holds the figure of as many new rows, as often as it says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from flyball.evaluation import METRICS, Interval, evaluate, replication_interval, wilson

ACCURACY = METRICS["accuracy"]


def share(rng: np.random.Generator, truth: float, rows: int) -> Interval:
    found = float((rng.random(rows) < truth).mean())
    return wilson(found, rows, 0.90)


def test_new_rows_fall_into_it_nine_times_in_ten() -> None:
    rng = np.random.default_rng(3)
    inside = [
        found.low <= float((rng.random(400) < 0.8).mean()) <= found.high
        for found in (replication_interval(ACCURACY, share(rng, 0.8, 400)) for _ in range(3000))
    ]
    assert 0.88 <= np.mean(inside) <= 0.92


def test_a_confidence_interval_would_hold_them_less_often_than_it_says() -> None:
    rng = np.random.default_rng(4)
    inside = [
        found.low <= float((rng.random(400) < 0.8).mean()) <= found.high
        for found in (share(rng, 0.8, 400) for _ in range(2000))
    ]
    assert np.mean(inside) < 0.82


def test_cross_validation_that_agrees_narrows_it_and_it_still_holds() -> None:
    rng = np.random.default_rng(5)
    inside, widths = [], []
    for _ in range(2000):
        test, pooled = share(rng, 0.8, 400), share(rng, 0.8, 1600)
        found = replication_interval(ACCURACY, test, pooled=pooled)
        inside.append(found.low <= float((rng.random(400) < 0.8).mean()) <= found.high)
        widths.append((found.high - found.low) / (test.high - test.low))
    assert 0.87 <= np.mean(inside) <= 0.95
    assert np.median(widths) < 1.25 < math.sqrt(2)


def test_cross_validation_that_disagrees_is_not_believed() -> None:
    test, far = Interval(0.80, 0.77, 0.83), Interval(0.60, 0.585, 0.615)
    alone, beside = replication_interval(ACCURACY, test), replication_interval(ACCURACY, test, pooled=far)
    assert beside.low == pytest.approx(alone.low, abs=0.01)
    assert beside.value == 0.80


def test_what_moved_from_period_to_period_is_expected_to_move_again() -> None:
    """A figure that wanders by three points a period is not known to half a point for the next one."""
    rng = np.random.default_rng(6)
    inside = []
    for _ in range(1500):
        true = np.clip(0.8 + np.cumsum(rng.normal(0, 0.03, 7)), 0.3, 0.99)
        *periods, test = (share(rng, level, 2000) for level in true[:6])
        found = replication_interval(ACCURACY, test, periods=periods)
        inside.append(found.low <= float((rng.random(2000) < true[6]).mean()) <= found.high)
    assert 0.85 <= np.mean(inside) <= 0.97


def test_periods_that_do_not_move_leave_it_as_it_is() -> None:
    test = Interval(0.80, 0.77, 0.83)
    still = replication_interval(ACCURACY, test, periods=[test, test, test])
    assert still == replication_interval(ACCURACY, test)


def test_it_stays_within_what_the_metric_can_be_and_holds_its_own_value() -> None:
    near = replication_interval(ACCURACY, Interval(0.99, 0.9, 1.0), pooled=Interval(0.9, 0.89, 0.91))
    assert near.low <= near.value <= near.high <= 1.0


def test_what_the_data_cannot_tell_stays_untold() -> None:
    unknown = Interval(0.5, -math.inf, math.inf)
    assert replication_interval(METRICS["rmse"], unknown) == unknown


def test_a_binned_error_is_not_pooled_since_it_depends_on_the_number_of_rows() -> None:
    test = Interval(0.05, 0.02, 0.08)
    pooled = Interval(0.01, 0.005, 0.015)
    error = METRICS["calibration_error"]
    assert replication_interval(error, test, pooled=pooled) == replication_interval(error, test)


def test_the_same_figures_give_the_same_interval() -> None:
    rng = np.random.default_rng(8)
    truth = rng.normal(size=300)
    found = evaluate("regression", truth, {"prediction": truth + rng.normal(0, 0.5, 300)})
    rmse = METRICS["rmse"]
    assert replication_interval(rmse, found["rmse"]) == replication_interval(rmse, found["rmse"])
