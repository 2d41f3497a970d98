"""Laws of metrics and splits that hold for any data."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from flyball.evaluation import METRICS, SplitImpossible, evaluate, label_codes, plan_split


@given(
    st.integers(2, 60).flatmap(
        lambda rows: st.tuples(
            arrays.arrays(np.bool_, rows),
            arrays.arrays(np.float64, rows, elements=st.floats(0, 1)),
            arrays.arrays(np.int64, rows, elements=st.integers(0, 6)),
        )
    ),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_every_interval_holds_its_value_and_its_range(
    drawn: tuple[np.ndarray, np.ndarray, np.ndarray], grouped: bool
) -> None:
    target, chance, groups = drawn
    outputs = {"probability": np.column_stack([1 - chance, chance]), "prediction": chance > 0.5}
    found = evaluate(
        "binary", target, outputs, classes=[False, True], groups=groups if grouped else None, replicates=30
    )
    assert found
    for name, interval in found.items():
        assert interval.low <= interval.value <= interval.high, name
        assert METRICS[name].low <= interval.low, name
        assert interval.high <= METRICS[name].high, name


@given(
    st.integers(10, 80),
    st.sampled_from(["random", "group", "time"]),
    st.sampled_from(["binary", "multiclass", "regression"]),
    st.integers(1, 20),
    st.integers(0, 5),
    st.integers(0, 2**20),
)
@settings(max_examples=150, deadline=None)
def test_a_split_judges_every_row_at_most_once(
    rows: int, kind: str, task: str, groups: int, gap: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    target = rng.normal(size=rows) if task == "regression" else rng.integers(0, 2 if task == "binary" else 9, rows)
    labels, moments = rng.integers(0, groups, rows), rng.integers(0, 30, rows)
    try:
        plan = plan_split(
            rows, kind=kind, target=target, task=task, seed=seed,
            groups=labels if kind == "group" else None, order=moments if kind == "time" else None,
            gap=gap if kind == "time" else 0,
        )  # fmt: skip
    except SplitImpossible:
        assume(False)
        return
    assert len(plan.test) > 0
    assert not set(plan.train) & set(plan.test)
    assert len(plan.train) + len(plan.test) == rows - (gap if kind == "time" else 0)
    judged = [row for _, validate in plan.folds for row in validate]
    assert len(judged) == len(set(judged))
    for fit, validate in plan.folds:
        assert len(fit) > 0
        assert len(validate) > 0
        assert not set(fit) & set(validate)
        assert set(fit) | set(validate) <= set(plan.train)
        if task != "regression":
            assert len(set(target[fit])) > 1


@given(st.lists(st.one_of(st.none(), st.text(max_size=3), st.integers(0, 3)), min_size=1, max_size=40))
def test_equal_labels_share_a_code_and_missing_ones_stand_alone(labels: list[object]) -> None:
    codes = label_codes(np.array([*labels, None], dtype=object))[:-1]
    for i, left in enumerate(labels):
        for j, right in enumerate(labels):
            same = i == j or (left is not None and left == right)
            assert (codes[i] == codes[j]) == same
