"""Intervals and class sets hold their level of new truths, however the rows hang together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from flyball.automl.conformal import Standing, class_sets, conformal_interval, natural_bounds, standing
from flyball.automl.pipeline import PredictionInterval
from flyball.automl.spread import cross_fit, fit_spread

Folds = Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]]


def counted(rows: int, weight: NDArray[np.float64] | None = None, units: NDArray[np.int64] | None = None) -> Standing:
    part = np.arange(rows) % 5
    return Standing(np.arange(rows), np.ones(rows) if weight is None else weight, part, units)


def interval_of(truth: NDArray[np.float64], standing_: Standing) -> PredictionInterval:
    made = conformal_interval(np.zeros(len(truth)), truth, standing_)
    assert made is not None
    return made[0]


def test_no_rows_give_no_interval_and_no_sets() -> None:
    assert conformal_interval(np.zeros(0), np.zeros(0), counted(0)) is None
    assert class_sets(np.zeros((0, 2)), np.zeros(0, dtype=np.int64), counted(0)) is None


@pytest.mark.parametrize("rows", [40, 400])
def test_the_interval_covers_its_level_of_new_rows(rows: int) -> None:
    """Averaged over many draws, as the guarantee is; skewed errors, so that a symmetric interval would not do."""
    rng = np.random.default_rng(3)
    covered = []
    for _ in range(400):
        truth = rng.exponential(size=rows + 50) - 1.0
        found = interval_of(truth[:rows], counted(rows))
        assert found.low <= 0 <= found.high
        covered.append(np.mean((truth[rows:] >= found.low) & (truth[rows:] <= found.high)))
    assert np.mean(covered) >= 0.895


def test_heavier_rows_count_more_in_the_interval() -> None:
    errors = np.concatenate([np.full(500, 0.1), np.full(500, 5.0)]) * np.tile([1, -1], 500)
    light = np.concatenate([np.ones(500), np.full(500, 1e-6)])
    assert interval_of(errors, counted(1000, light)).high == pytest.approx(0.1)


def test_a_new_group_is_covered_although_the_rows_of_a_group_err_together() -> None:
    """Ten groups of forty rows say little more than ten rows: taken as 400, they would cover too few new ones."""
    rng = np.random.default_rng(4)
    by_row, by_unit = [], []
    for _ in range(400):
        error = np.repeat(rng.normal(size=30), 40) + 0.2 * rng.normal(size=1200)
        units = np.repeat(np.arange(10), 40)
        for covered, labels in ((by_row, None), (by_unit, units)):
            found = interval_of(error[:400], counted(400, units=labels))
            covered.append(np.mean((error[400:] >= found.low) & (error[400:] <= found.high)))
    assert np.mean(by_row) < 0.84
    assert 0.86 < np.mean(by_unit) < 0.94


def test_of_folds_that_chain_forward_the_newest_count_most() -> None:
    edges = np.arange(0, 61, 10)
    chain = [(np.arange(start), np.arange(start, start + 10)) for start in edges[1:-1]]
    seen = np.arange(60) >= 10
    weights = standing(seen, chain, np.ones(60), None).weight
    assert weights[-1] == pytest.approx(16 * weights[0])
    shuffled: Folds = [(np.setdiff1d(np.arange(60), held), held) for held in np.split(np.arange(60), 6)]
    assert np.ptp(standing(seen, shuffled, np.ones(60), None).weight) == 0


def test_the_width_follows_the_row_and_each_part_of_the_table_is_covered() -> None:
    rng = np.random.default_rng(5)
    matrix = rng.normal(size=(8000, 4)).astype(np.float32)
    prediction = matrix[:, 1].astype(np.float64)
    noise = np.where(matrix[:, 0] > 0, 3.0, 0.3) * np.exp(0.3 * prediction)
    error = noise * rng.normal(size=8000)
    fit, new = slice(0, 4000), slice(4000, None)
    rows = counted(4000)
    found = cross_fit(
        matrix[fit], prediction[fit], error[fit], rows.weight, rows.part, stop=lambda: False, threads=1, seed=0
    )
    assert found is not None
    made = conformal_interval(prediction[fit], prediction[fit] + error[fit], rows, found)
    assert made is not None
    interval, choice, _ = made
    assert choice is not None
    spread, text = fit_spread(found, choice, matrix[fit], rows.weight, threads=1, seed=0)
    assert text
    scale = spread.scale(prediction[new], matrix[new])
    low, high = interval.ends(prediction[new], scale)
    truth = prediction[new] + error[new]
    covered = (low <= truth) & (truth <= high)
    loud = matrix[new, 0] > 0
    assert covered.mean() == pytest.approx(0.9, abs=0.02)
    assert covered[loud].mean() == pytest.approx(0.9, abs=0.035)
    assert covered[~loud].mean() == pytest.approx(0.9, abs=0.035)
    assert (high - low)[loud].mean() > 5 * (high - low)[~loud].mean()


def test_errors_of_one_size_keep_constant_offsets() -> None:
    rng = np.random.default_rng(6)
    matrix = rng.normal(size=(2000, 3)).astype(np.float32)
    prediction, error, rows = matrix[:, 0].astype(np.float64), rng.normal(size=2000), counted(2000)
    found = cross_fit(matrix, prediction, error, rows.weight, rows.part, stop=lambda: False, threads=1, seed=0)
    made = conformal_interval(prediction, prediction + error, rows, found)
    assert made is not None
    assert made[1] is None


@pytest.mark.parametrize(
    ("truth", "expected"),
    [
        (np.random.default_rng(0).poisson(3.0, 1000), (0.0, None)),
        (np.minimum(np.random.default_rng(0).exponential(40.0, 1000), 100.0), (0.0, 100.0)),
        (np.random.default_rng(0).normal(20.0, 5.0, 1000), (None, None)),
        (np.linspace(50.0, 90.0, 1000), (None, None)),
        (-np.random.default_rng(0).exponential(1.0, 1000), (None, 0.0)),
        (np.arange(50.0), (None, None)),
        (np.full(200, 3.0), (None, None)),
    ],
    ids=["counts", "capped", "free", "climbing", "losses", "few rows", "constant"],
)
def test_only_ends_that_the_target_shows_bound_an_interval(
    truth: NDArray[np.float64], expected: tuple[float | None, float | None]
) -> None:
    assert natural_bounds(truth.astype(np.float64)) == expected


def test_bounded_ends_stay_in_order_about_every_prediction() -> None:
    interval = PredictionInterval(-2.0, 3.0, 0.9, floor=0.0, ceiling=10.0)
    prediction = np.array([-9.0, -1.0, 0.0, 5.0, 9.0, 11.0, 40.0])
    low, high = interval.ends(prediction)
    assert low.tolist() == [-9.0, -1.0, 0.0, 3.0, 7.0, 9.0, 10.0]
    assert high.tolist() == [0.0, 2.0, 3.0, 8.0, 10.0, 11.0, 40.0]
    assert (low <= prediction).all()
    assert (prediction <= high).all()


def test_each_class_is_in_its_rows_sets_nine_times_in_ten_also_a_rare_one() -> None:
    rng = np.random.default_rng(7)
    target = (rng.random(20_000) < 0.04).astype(np.int64)
    margin = -3.2 + 2.5 * target + rng.normal(size=20_000)
    chance = 1 / (1 + np.exp(-margin))
    probability = np.column_stack([1 - chance, chance])
    sets = class_sets(probability[:10_000], target[:10_000], counted(10_000))
    assert sets is not None
    held = sets.holds(probability[10_000:])
    truth = target[10_000:]
    for code in (0, 1):
        assert held[truth == code, code].mean() == pytest.approx(0.9, abs=0.04)
    assert held[np.arange(10_000), truth].mean() == pytest.approx(0.9, abs=0.015)


def test_an_easy_problem_has_empty_sets_rather_than_too_much_coverage() -> None:
    rng = np.random.default_rng(8)
    target = rng.integers(0, 3, 9000)
    margin = 6.0 * np.eye(3)[target] + rng.normal(size=(9000, 3))
    powers = np.exp(margin)
    probability = powers / powers.sum(axis=1, keepdims=True)
    assert (probability.argmax(axis=1) == target).mean() > 0.99
    sets = class_sets(probability[:6000], target[:6000], counted(6000))
    assert sets is not None
    held = sets.holds(probability[6000:])
    assert held[np.arange(3000), target[6000:]].mean() == pytest.approx(0.9, abs=0.02)
    assert (~held.any(axis=1)).mean() == pytest.approx(0.1, abs=0.02)


def test_classes_with_few_rows_share_a_threshold_that_covers_them_together() -> None:
    rng = np.random.default_rng(9)
    target = np.concatenate([rng.integers(0, 2, 2000), 2 + np.arange(200) % 20])
    probability = rng.dirichlet(np.ones(22), len(target))
    sets = class_sets(probability, target, counted(len(target)))
    assert sets is not None
    assert len(set(sets.thresholds[2:])) == 1
    assert sets.thresholds[0] != sets.thresholds[2]
    held = sets.holds(probability)[np.arange(len(target)), target]
    assert held[target >= 2].mean() >= 0.9


def test_a_probability_that_rounds_apart_from_its_threshold_is_in_the_set() -> None:
    probability = np.tile([0.6, 0.4], (100, 1))
    sets = class_sets(probability, np.arange(100) % 2, counted(100))
    assert sets is not None
    assert sets.holds(probability - 1e-9).all()
