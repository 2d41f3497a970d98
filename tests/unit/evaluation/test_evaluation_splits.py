"""Splits follow the data: whole groups, past before future, classes on both sides."""

from __future__ import annotations

import numpy as np
import pytest

from flyball.evaluation import SplitImpossible, plan_split

RNG = np.random.default_rng(2)


def test_the_future_is_never_learned_from() -> None:
    order = RNG.permutation(1000)
    plan = plan_split(1000, kind="time", by="ts", order=order, target=RNG.normal(size=1000), task="regression", seed=0)
    assert order[plan.train].max() < order[plan.test].min()
    assert len(plan.test) == 200
    assert len(plan.folds) == 5
    for fit, validate in plan.folds:
        assert order[fit].max() < order[validate].min()
        assert set(validate) <= set(plan.train)


def test_equal_moments_stay_on_one_side() -> None:
    order = RNG.integers(0, 12, 500)
    plan = plan_split(500, kind="time", order=order, target=RNG.normal(size=500), task="regression", seed=0)
    for left, right in [(plan.train, plan.test), *plan.folds]:
        assert order[left].max() < order[right].min()


def test_a_gap_separates_what_is_learned_from_what_is_judged() -> None:
    plan = plan_split(500, kind="time", target=RNG.normal(size=500), task="regression", seed=0, gap=20)
    for left, right in [(plan.train, plan.test), *plan.folds]:
        assert right.min() - left.max() > 20


def test_rows_without_a_moment_are_never_judged_as_the_future() -> None:
    order = np.arange(200.0)
    order[::10] = np.nan
    plan = plan_split(200, kind="time", order=order, target=RNG.normal(size=200), task="regression", seed=0)
    assert not np.isnan(order[plan.test]).any()


def test_groups_stay_whole_in_the_test_and_in_every_fold() -> None:
    groups = RNG.integers(0, 40, 800).astype(str).astype(object)
    plan = plan_split(800, kind="group", groups=groups, target=RNG.random(800) < 0.2, task="binary", seed=0)
    for left, right in [(plan.train, plan.test), *plan.folds]:
        assert not set(groups[left]) & set(groups[right])
    assert len(plan.test) == pytest.approx(160, abs=25)
    assert plan.unit == "group"
    assert plan.units is not None
    assert len(np.unique(plan.units)) == 40


def test_group_tests_hold_the_classes_in_their_shares() -> None:
    groups = np.repeat(np.arange(100), 10)
    target = groups % 5 == 0
    plan = plan_split(1000, kind="group", groups=groups, target=target, task="binary", seed=1)
    assert target[plan.test].mean() == pytest.approx(0.2, abs=0.05)


def test_duplicates_may_be_kept_together_in_a_random_split() -> None:
    twins = np.repeat(np.arange(150), 2)
    plan = plan_split(300, kind="random", groups=twins, target=RNG.normal(size=300), task="regression", seed=0)
    assert not set(twins[plan.train]) & set(twins[plan.test])


def test_a_random_split_keeps_the_shares_of_the_classes() -> None:
    target = np.array(["a"] * 900 + ["b"] * 90 + ["c"] * 10, dtype=object)
    plan = plan_split(1000, kind="random", target=target, task="multiclass", seed=0)
    for rows, share in ((plan.test, 0.2), (plan.folds[0][1], 0.16)):
        for name, count in (("a", 900), ("b", 90), ("c", 10)):
            assert (target[rows] == name).sum() == pytest.approx(count * share, abs=1.01)
    assert plan.units_of(plan.test) is None


def test_every_training_row_is_validated_once_at_random() -> None:
    plan = plan_split(503, kind="random", target=RNG.normal(size=503), task="regression", seed=0)
    validated = np.concatenate([validate for _, validate in plan.folds])
    assert sorted(validated) == sorted(plan.train)
    for fit, validate in plan.folds:
        assert sorted([*fit, *validate]) == sorted(plan.train)


def test_a_class_of_one_row_is_learned_from_and_never_judged() -> None:
    target = np.array(["a"] * 30 + ["b"] * 29 + ["once"], dtype=object)
    plan = plan_split(60, kind="random", target=target, task="multiclass", seed=0)
    assert 59 in plan.train
    assert all(59 in fit for fit, _ in plan.folds)


def test_every_fold_learns_from_a_class_that_has_a_few_rows() -> None:
    target = np.arange(40) < 4
    plan = plan_split(40, kind="random", target=target, task="binary", seed=0)
    assert target[plan.test].any()
    assert all(target[fit].any() for fit, _ in plan.folds)


def test_a_target_of_nothing_but_rare_classes_still_splits() -> None:
    target = np.arange(20)
    plan = plan_split(20, kind="random", target=np.repeat(target[:10], 2).astype(str), task="multiclass", seed=0)
    assert len(plan.test) == 4


def test_equal_seeds_give_equal_splits() -> None:
    plans = [
        plan_split(100, kind="random", target=np.arange(100.0), task="regression", seed=seed) for seed in (1, 1, 2)
    ]
    assert np.array_equal(plans[0].test, plans[1].test)
    assert not np.array_equal(plans[0].test, plans[2].test)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"rows": 9, "kind": "random"}, "too small"),
        ({"rows": 40, "kind": "group", "groups": np.arange(40) % 2}, "too few groups"),
        ({"rows": 40, "kind": "group"}, "needs the groups"),
        ({"rows": 40, "kind": "time", "order": np.zeros(40)}, "too few moments"),
        ({"rows": 40, "kind": "time", "gap": 30}, "no cross-validation fold is left"),
    ],
)
def test_what_cannot_be_split_is_said(arguments: dict[str, object], reason: str) -> None:
    rows = arguments["rows"]
    assert isinstance(rows, int)
    with pytest.raises(SplitImpossible, match=reason):
        plan_split(target=np.arange(float(rows)), task="regression", seed=0, **arguments)  # type: ignore[arg-type]


def test_a_class_that_only_the_future_knows_is_refused() -> None:
    with pytest.raises(SplitImpossible, match="one class only"):
        plan_split(100, kind="time", by="ts", target=np.arange(100) >= 85, task="binary", seed=0)
    with pytest.raises(SplitImpossible, match="no cross-validation fold learns from two classes"):
        plan_split(100, kind="time", by="ts", target=np.arange(100) >= 79, task="binary", seed=0)


def test_text_has_no_order_in_time() -> None:
    order = np.array([f"{day}. March" for day in range(40)], dtype=object)
    for moments in (order, order.astype(str)):
        with pytest.raises(SplitImpossible, match="text") as caught:
            plan_split(40, kind="time", by="day", order=moments, target=np.arange(40.0), task="regression", seed=0)
        assert caught.value.fix
