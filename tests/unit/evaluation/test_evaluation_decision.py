"""The threshold follows the costs, not the noise; and what it costs is told beside the other ways to decide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from flyball.evaluation import Costs, CostsInvalid, choose_threshold, decision
from flyball.evaluation.decision import threshold_curve


def drawn(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    probability = 1 / (1 + np.exp(-(1.6 * rng.normal(size=rows) - 2)))
    return probability, rng.random(rows) < probability


@pytest.mark.parametrize(
    ("costs", "threshold"),
    [({"false_positive": 1, "false_negative": 1}, 0.5), ({"false_positive": 1, "false_negative": 19}, 0.05),
     ({"false_positive": 3, "false_negative": 1}, 0.75),
     ({"false_positive": 1, "false_negative": 3, "true_positive": -1, "true_negative": 0}, 0.2)],
)  # fmt: skip
def test_calibrated_probabilities_are_cut_where_both_decisions_cost_the_same(
    costs: dict[str, float], threshold: float
) -> None:
    kept = [choose_threshold(*drawn(seed, 800), Costs(**costs), seed=seed).threshold for seed in range(20)]
    assert sum(found == pytest.approx(threshold) for found in kept) >= 18


def test_probabilities_that_lie_are_cut_where_it_is_cheapest() -> None:
    probability, positive = drawn(1, 4000)
    costs, lying = Costs(1, 20), probability**3
    found = choose_threshold(lying, positive, costs)
    assert found.threshold == pytest.approx(costs.break_even**3, abs=4e-4)
    assert "cheapest" in found.why
    paid = costs.of(positive, lying >= found.threshold).mean()
    assert paid < 0.6 * costs.of(positive, lying >= costs.break_even).mean()


def test_following_break_even_costs_less_on_new_rows_than_following_the_noise_of_few() -> None:
    costs, ours, noisy = Costs(1, 15), 0.0, 0.0
    fresh, truth = drawn(999, 100_000)
    for seed in range(30):
        probability, positive = drawn(seed, 250)
        candidates = np.unique(probability)
        cheapest = min(candidates, key=lambda at: costs.of(positive, probability >= at).mean())
        ours += costs.of(truth, fresh >= choose_threshold(probability, positive, costs, seed=seed).threshold).mean()
        noisy += costs.of(truth, fresh >= cheapest).mean()
    assert ours < noisy


def test_few_rows_are_not_searched_and_that_is_said() -> None:
    found = choose_threshold(*drawn(2, 25), Costs(1, 9))
    assert found.threshold == pytest.approx(0.1)
    assert "too few" in found.why


def test_the_decision_is_told_against_a_half_never_and_always() -> None:
    probability, positive = drawn(3, 3000)
    costs = Costs(1, 20)
    found = decision(probability, positive, threshold=costs.break_even, costs=costs)
    cost = {name: one["value"] for name, one in found["cost"].items()}
    assert cost["never"] == pytest.approx(20 * positive.mean())
    assert cost["always"] == pytest.approx(1 - positive.mean())
    assert cost["chosen"] == pytest.approx(costs.of(positive, probability >= costs.break_even).mean())
    assert cost["chosen"] < min(cost["half"], cost["never"], cost["always"])
    for name, saved in found["saved"].items():
        assert saved["value"] == pytest.approx(cost[name] - cost["chosen"])
        assert saved["low"] <= saved["value"] <= saved["high"]
    assert found["saved"]["half"]["low"] > 0


def test_rows_of_one_group_widen_what_is_said_of_the_cost() -> None:
    probability, positive = drawn(4, 1000)
    probability, positive, group = (np.repeat(one, 5) for one in (probability, positive, np.arange(1000)))
    costs = Costs(1, 20)
    spans = []
    for groups in (None, group):
        found = decision(probability, positive, threshold=0.05, costs=costs, groups=groups)["cost"]["chosen"]
        spans.append(found["high"] - found["low"])
    assert spans[1] > 1.8 * spans[0]


def test_the_curve_agrees_with_counting() -> None:
    probability, positive = drawn(5, 500)
    costs, weights = Costs(2, 7, -1, 0.5), np.random.default_rng(0).uniform(0, 2, 500)
    curve = threshold_curve(probability, positive, costs=costs, weights=weights, marks=(0.123,))
    assert 0.123 in [one["threshold"] for one in curve]
    assert [one["threshold"] for one in curve] == sorted(one["threshold"] for one in curve)
    for one in curve:
        called = probability >= one["threshold"]
        assert one["cost"] == pytest.approx(np.average(costs.of(positive, called), weights=weights))
        assert one["called"] == pytest.approx(weights[called].sum() / weights.sum())
        assert one["recall"] == pytest.approx(weights[called & positive].sum() / weights[positive].sum())
        if called.any():
            assert one["precision"] == pytest.approx(weights[called & positive].sum() / weights[called].sum())


def test_without_costs_there_is_the_curve_alone() -> None:
    found = decision(*drawn(6, 300), threshold=0.5, costs=None)
    assert (found["costs"], found["cost"], found["saved"]) == (None, None, None)
    assert all(one["cost"] is None for one in found["curve"])


@pytest.mark.parametrize(
    "costs",
    [{"false_positive": 0, "false_negative": 1}, {"false_positive": 1, "false_negative": 1, "true_positive": 2},
     {"false_positive": float("nan"), "false_negative": 1}, {"false_positive": "1", "false_negative": 1},
     {"false_positive": True, "false_negative": 2}],
)  # fmt: skip
def test_costs_that_decide_nothing_are_refused(costs: dict[str, Any]) -> None:
    with pytest.raises(CostsInvalid):
        Costs.from_dict(costs)
