"""Intervals hold the truth as often as they say, and widen when rows depend on each other."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as oracle

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


def resampled_width(statistic: Callable[[np.ndarray], float], groups: np.ndarray, seed: int = 0) -> float:
    """Width of a plain 90 % bootstrap interval over whole groups, row by row: the slow and obvious way."""
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    drawn = []
    for _ in range(250):
        picked = rng.integers(0, len(members), len(members))
        drawn.append(statistic(np.concatenate([members[place] for place in picked])))
    low, high = np.quantile(drawn, [0.05, 0.95])
    return float(high - low)


@pytest.mark.parametrize("size", [1, 8], ids=["rows", "groups"])
def test_interval_widths_are_those_of_the_plain_bootstrap(size: int) -> None:
    rng = np.random.default_rng(6)
    groups = np.repeat(np.arange(800 // size), size)
    shift = rng.normal(size=len(groups))[groups]
    positive = (rng.random(800 // size) < 0.4)[groups]
    chance = 1 / (1 + np.exp(-(0.5 * rng.normal(size=800) + shift + 1.5 * positive - 1)))
    outputs = {"probability": np.column_stack([1 - chance, chance]), "prediction": chance > 0.5}
    found = evaluate("binary", positive, outputs, classes=[False, True], groups=groups if size > 1 else None)
    oracles: dict[str, Callable[[np.ndarray], float]] = {
        "roc_auc": lambda rows: oracle.roc_auc_score(positive[rows], chance[rows]),
        "average_precision": lambda rows: oracle.average_precision_score(positive[rows], chance[rows]),
        "recall": lambda rows: oracle.recall_score(positive[rows], chance[rows] > 0.5),
    }
    for name, statistic in oracles.items():
        expected = resampled_width(statistic, groups)
        assert found[name].high - found[name].low == pytest.approx(expected, rel=0.2), name


def test_many_rows_are_put_together_without_losing_their_spread() -> None:
    error = np.random.default_rng(2).exponential(size=30_000)
    found = evaluate("regression", error, {"prediction": np.zeros(30_000)}, replicates=800)
    expected = 2 * 1.645 / np.sqrt(30_000)
    assert found["mae"].high - found["mae"].low == pytest.approx(expected, rel=0.1)
    median = 2 * 1.645 / np.sqrt(30_000)  # 1 / (2 f(m)) = 1 for the exponential's median
    assert found["median_absolute_error"].high - found["median_absolute_error"].low == pytest.approx(median, rel=0.1)


@pytest.mark.parametrize("rows", [25, 100])
def test_bootstrap_intervals_hold_the_truth_about_nine_times_in_ten(rows: int) -> None:
    rng = np.random.default_rng(8)
    held = 0
    for seed in range(100):
        error = rng.normal(size=rows)
        found = evaluate("regression", error, {"prediction": np.zeros(rows)}, seed=seed, replicates=100)["rmse"]
        held += found.low <= 1.0 <= found.high
    assert 0.80 <= held / 100 <= 0.97


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


def called(truth: list[int], said: list[int]) -> dict[str, Interval]:
    chance = np.where(np.array(said) == 1, 0.7, 0.2)
    outputs = {"probability": np.column_stack([1 - chance, chance]), "prediction": np.array(said)}
    return evaluate("binary", np.array(truth), outputs, classes=[0, 1])


@pytest.mark.parametrize(
    ("truth", "said"),
    [([0, 1], [1, 1]), ([0, 1], [0, 1]), ([0] * 8 + [1] * 2, [0] * 10), ([1] * 6, [1] * 6), ([0, 1] * 3, [1, 0] * 3)],
    ids=["two rows", "two rows told right", "none called", "one class", "all wrong"],
)
def test_next_to_no_rows_give_no_interval_without_width(truth: list[int], said: list[int]) -> None:
    for name, found in called(truth, said).items():
        assert found.low <= found.value <= found.high
        if name != "calibration_error":  # whose replicates are mirrored, and hold 0 on few rows
            assert found.high - found.low > 0.04, name


def test_f1_of_nothing_found_is_bounded_by_its_proportion() -> None:
    """All ten positives are missed: Wilson's upper end of 0 of 10, as an F1."""
    found = called([0] * 990 + [1] * 10, [0] * 1000)["f1"]
    jaccard = wilson(0.0, 10, 0.90).high
    assert (found.value, found.low, found.high) == (0.0, 0.0, pytest.approx(2 * jaccard / (1 + jaccard)))


def test_composites_of_proportions_hold_the_truth_where_resamples_do_not_differ() -> None:
    """Of a class with a recall of 0.9 and twelve rows, all twelve are often found."""
    rng, held, degenerate = np.random.default_rng(3), 0, 0
    while degenerate < 200:
        truth = np.repeat([0, 1], 12)
        right = rng.random(24) < 0.93
        if not right.all():
            continue
        degenerate += 1
        found = called(truth.tolist(), np.where(right, truth, 1 - truth).tolist())["balanced_accuracy"]
        held += found.low <= 0.93
        assert found.low > 0.8
    assert held == 200


def test_rows_that_do_not_vary_cannot_bound_what_has_no_exact_interval() -> None:
    found = evaluate("regression", np.array([3.0, 3.0, 3.0]), {"prediction": np.ones(3)})
    assert (found["rmse"].value, found["rmse"].low, found["rmse"].high) == (2.0, 0.0, math.inf)


def test_figures_of_many_rows_keep_their_intervals() -> None:
    found = evaluate("regression", np.full(500, 3.0), {"prediction": np.ones(500)})
    assert found["rmse"].low == found["rmse"].high == 2.0
    wide = called([0] * 5000 + [1] * 5000, [1] * 10_000)["balanced_accuracy"]
    assert 0 < wide.high - wide.low < 0.001
