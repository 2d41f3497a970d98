"""Intervals hold the truth as often as they say, and widen when rows depend on each other."""

from __future__ import annotations

import math

import numpy as np
import pytest

from flyball.evaluation import Interval, NotEnoughData, auc_interval, evaluate, time_blocks, wilson


def test_delong_holds_the_truth_nine_times_in_ten() -> None:
    rng = np.random.default_rng(5)
    truth = 0.7602499389065234  # P(N(1, 1) > N(0, 1)) = Phi(1 / sqrt 2)
    held = 0
    for _ in range(300):
        positive = np.arange(150) < 45
        found = auc_interval(rng.normal(size=150) + positive, positive)
        held += found.low <= truth <= found.high
    assert 0.86 <= held / 300 <= 0.94


def test_delong_has_the_variance_that_resampling_shows() -> None:
    rng = np.random.default_rng(6)
    positive = rng.random(3000) < 0.2
    chance = 1 / (1 + np.exp(-(rng.normal(size=3000) + positive)))
    outputs = {"probability": np.column_stack([1 - chance, chance]), "prediction": chance > 0.5}
    quick = evaluate("binary", positive, outputs, classes=[False, True])["roc_auc"]
    slow = evaluate("binary", positive, outputs, classes=[False, True], weights=np.ones(3000), replicates=600)[
        "roc_auc"
    ]
    assert quick.value == pytest.approx(slow.value, abs=1e-12)
    assert quick.high - quick.low == pytest.approx(slow.high - slow.low, rel=0.12)


@pytest.mark.parametrize("rows", [30, 120])
def test_bootstrap_intervals_hold_the_truth_about_nine_times_in_ten(rows: int) -> None:
    rng = np.random.default_rng(8)
    held = 0
    for seed in range(150):
        error = rng.normal(size=rows)
        found = evaluate("regression", error, {"prediction": np.zeros(rows)}, seed=seed, replicates=150)["rmse"]
        held += found.low <= 1.0 <= found.high
    assert 0.82 <= held / 150 <= 0.96


def test_rows_of_few_groups_say_less_than_as_many_free_rows() -> None:
    rng = np.random.default_rng(9)
    groups = np.repeat(np.arange(8), 50)
    error = rng.normal(size=8)[groups] + 0.1 * rng.normal(size=400)
    outputs = {"prediction": np.zeros(400)}
    by_row = evaluate("regression", error, outputs)["mae"]
    by_group = evaluate("regression", error, outputs, groups=groups)["mae"]
    assert by_group.value == by_row.value
    assert by_group.high - by_group.low > 3 * (by_row.high - by_row.low)


def test_stretches_of_time_widen_the_interval_of_a_slow_drift() -> None:
    moments = np.arange(900)
    drift = np.sin(moments / 80) + 0.05 * np.random.default_rng(1).normal(size=900)
    outputs = {"prediction": np.zeros(900)}
    by_row = evaluate("regression", drift, outputs)["mae"]
    by_time = evaluate("regression", drift, outputs, blocks=time_blocks(moments))["mae"]
    assert by_time.high - by_time.low > 2 * (by_row.high - by_row.low)


def test_one_group_cannot_tell_an_interval() -> None:
    found = evaluate("regression", np.arange(20.0), {"prediction": np.zeros(20)}, groups=np.zeros(20))
    assert found["r2"].low == -math.inf
    assert found["rmse"].to_dict()["high"] is None
    assert Interval.from_dict(found["rmse"].to_dict()).high == math.inf


def test_a_perfect_score_on_few_rows_is_not_certain() -> None:
    target = np.array([False, True] * 10)
    chance = np.where(target, 0.9, 0.1)
    outputs = {"probability": np.column_stack([1 - chance, chance]), "prediction": target}
    found = evaluate("binary", target, outputs, classes=[False, True])
    for name in ("accuracy", "recall", "precision", "f1", "balanced_accuracy", "roc_auc", "average_precision"):
        assert found[name].value == found[name].high == 1.0
        assert found[name].low < 0.95, name


def test_recall_of_few_positives_is_less_certain_than_accuracy() -> None:
    target = np.arange(1000) < 10
    outputs = {"probability": np.tile([0.9, 0.1], (1000, 1)), "prediction": np.zeros(1000, dtype=bool)}
    found = evaluate("binary", target, outputs, classes=[False, True])
    assert found["recall"].value == 0
    assert found["recall"].high > 0.15
    assert found["accuracy"].high - found["accuracy"].low < 0.02


def test_wilson_is_the_published_interval() -> None:
    found = wilson(0.5, 10, 0.95)  # Newcombe (1998), Statistics in Medicine 17
    assert (found.low, found.high) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0.0, 10, 0.90).low == 0
    assert wilson(0.3, 0, 0.90) == Interval(0.3, 0.0, 1.0)


def test_one_class_has_no_curve() -> None:
    with pytest.raises(NotEnoughData, match="two rows of either class"):
        auc_interval(np.arange(5.0), np.ones(5, dtype=bool))
