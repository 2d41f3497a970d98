"""What is judged is kept apart from what is learned: by rows, by time, by groups, and by files of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyball.evaluation import SplitImpossible, SplitPlan, plan_split

ROWS = 600
RNG = np.random.default_rng(4)
HOURS = RNG.permutation(ROWS) * 3_600_000_000  # microseconds, in no order
NUMBERS = RNG.normal(size=ROWS)


def planned(**given_: Any) -> SplitPlan:
    return plan_split(**{"rows": ROWS, "kind": "time", "target": NUMBERS, "task": "regression", "seed": 0, **given_})


def pairs(plan: SplitPlan) -> list[tuple[Any, Any]]:
    return [(plan.train, plan.test), *plan.folds]


@given(hours=st.integers(1, 60))
def test_an_embargo_of_time_lies_before_the_test_and_before_every_fold(hours: int) -> None:
    plan = planned(order=HOURS, embargo=hours * 3_600_000_000)
    for learned, judged in pairs(plan):
        assert HOURS[judged].min() - HOURS[learned].max() >= hours * 3_600_000_000
    assert plan.embargoed == hours - 1
    assert len(plan.train) + len(plan.test) + plan.embargoed == ROWS


@given(gap=st.integers(1, 60), ties=st.integers(1, 7))
def test_an_embargo_of_rows_counts_rows_in_the_order_of_time(gap: int, ties: int) -> None:
    order = HOURS // (3_600_000_000 * ties)
    rank = np.argsort(np.argsort(order, kind="stable"), kind="stable")
    for learned, judged in pairs(planned(order=order, gap=gap)):
        assert rank[judged].min() - rank[learned].max() > gap
        assert order[judged].min() > order[learned].max()


def test_a_purged_group_stands_on_one_side_of_the_test_and_of_every_fold() -> None:
    begun = np.sort(RNG.integers(0, 500, 200))  # 200 machines, each seen a few times in a row
    machine = RNG.integers(0, 200, ROWS)
    order = begun[machine] * 10 + RNG.integers(0, 40, ROWS)
    plan = planned(order=order, groups=machine, purge=True)
    assert plan.purged > 0
    for learned, judged in pairs(plan):
        assert not set(machine[learned]) & set(machine[judged])
        assert order[learned].max() < order[judged].min()
    assert set(machine[planned(order=order, groups=machine).train]) & set(machine[plan.test])


@pytest.mark.parametrize(("machines", "unit"), [(6, "group"), (400, "stretch of time")])
def test_beside_a_time_the_coarser_of_groups_and_stretches_is_resampled(machines: int, unit: str) -> None:
    machine = RNG.integers(0, machines, ROWS)
    plan = planned(order=HOURS, groups=machine)
    assert plan.unit == unit
    assert plan.units is not None
    assert len(np.unique(plan.units[plan.test])) <= 30


@pytest.mark.parametrize("kind", ["random", "time", "group"])
def test_given_sides_stay_and_only_folds_are_made(kind: str) -> None:
    test = np.arange(450, ROWS)
    groups = RNG.integers(0, 50, ROWS) if kind == "group" else None
    plan = planned(kind=kind, order=HOURS, groups=groups, sides=(np.arange(440), test))  # ten rows are of neither
    assert np.array_equal(plan.test, test)
    assert np.array_equal(plan.train, np.arange(440))
    assert len(plan.folds) == 5
    for fit, validate in plan.folds:
        assert set(fit) | set(validate) <= set(range(440))
        assert not set(fit) & set(validate)
        if groups is not None:
            assert not set(groups[fit]) & set(groups[validate])


def test_an_embargo_before_given_test_rows_takes_what_lies_later_too() -> None:
    order = np.arange(ROWS)
    sides = (np.r_[0:300, 400:ROWS], np.arange(300, 400))
    plan = planned(order=order, gap=10, sides=sides)
    assert plan.train.max() == 289
    assert plan.embargoed == 10 + 200


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"embargo": 10_000 * 3_600_000_000, "order": HOURS}, "nothing is left to learn from"),
        ({"groups": np.arange(ROWS) % 5, "purge": True}, "nothing is left to learn from"),
        ({"kind": "random", "gap": 5}, "needs rows in the order of time"),
        ({"kind": "group", "groups": np.arange(ROWS) % 50, "embargo": 5.0}, "needs rows in the order of time"),
        ({"purge": True}, "needs the groups"),
    ],
)
def test_what_leaves_nothing_or_makes_no_sense_is_refused(asked: dict[str, Any], reason: str) -> None:
    with pytest.raises(SplitImpossible, match=reason) as caught:
        planned(**asked)
    assert caught.value.fix
