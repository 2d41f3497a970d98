"""Coverage is counted over independent units, and sets are measured like intervals."""

from __future__ import annotations

import numpy as np
import pytest

from flyball.evaluation import METRICS, baseline, coverage_of, coverage_parts, evaluate


def test_the_interval_of_a_coverage_is_as_wide_as_its_units_deserve() -> None:
    rng = np.random.default_rng(0)
    units = np.repeat(np.arange(20), 50)
    together = (rng.random(20) < 0.9)[units]  # a whole group is covered, or none of it
    by_row, by_unit = coverage_of(together), coverage_of(together, units=units)
    assert by_row.value == by_unit.value
    assert by_unit.high - by_unit.low > 4 * (by_row.high - by_row.low)
    apart = rng.random(1000) < 0.9
    same = coverage_of(apart, units=units)
    assert same.high - same.low == pytest.approx(coverage_of(apart).high - coverage_of(apart).low, rel=0.5)


def test_one_unit_cannot_tell_how_its_kind_varies() -> None:
    found = coverage_of(np.ones(30, dtype=bool), units=np.zeros(30, dtype=np.int64))
    assert found.to_dict() == {"value": 1.0, "low": None, "high": None}


def test_heavy_rows_count_more() -> None:
    covered = np.array([True, False])
    assert coverage_of(covered, weights=np.array([3.0, 1.0])).value == 0.75


def test_parts_without_rows_are_left_out_and_others_keep_their_names() -> None:
    codes = np.array([0, 0, 2, 2, 3])
    parts = coverage_parts(
        np.array([True, False, True, True, True]), np.array([1.0, 3.0, 2.0, 2.0, 9.0]), codes, ["a", "b", "c"]
    )
    assert [(part["name"], part["rows"], part["size"], part["value"]) for part in parts] == [
        ("a", 2, 2.0, 0.5), ("c", 2, 2.0, 1.0),
    ]  # fmt: skip


def test_sets_are_measured_by_their_coverage_and_their_size() -> None:
    probability = np.tile([0.6, 0.4], (4, 1))
    held = np.array([[True, False], [True, True], [False, False], [False, True]])
    outputs = {"probability": probability, "prediction": np.array(["a"] * 4, dtype=object), "in_set": held}
    truth = np.array(["a", "b", "a", "c"], dtype=object)  # the model does not know "c"
    found = evaluate("binary", truth, outputs, classes=["a", "b"])
    assert (found["set_coverage"].value, found["set_size"].value) == (0.5, 1.0)
    assert METRICS["set_size"].better == "lower"
    without = evaluate("binary", truth, {name: outputs[name] for name in ("probability", "prediction")},
                       classes=["a", "b"])  # fmt: skip
    assert not {"set_coverage", "set_size"} & set(without)


def test_sets_that_are_all_alike_on_few_rows_are_at_most_all_classes() -> None:
    outputs = {
        "probability": np.tile([0.6, 0.4], (4, 1)),
        "prediction": np.array(["a"] * 4, dtype=object),
        "in_set": np.ones((4, 2), np.bool_),
    }
    found = evaluate("binary", np.array(["a", "b", "a", "b"], dtype=object), outputs, classes=["a", "b"])["set_size"]
    assert (found.value, found.low, found.high) == (2.0, 0.0, 2.0)


def test_guessing_puts_the_commonest_classes_into_every_set() -> None:
    train = np.repeat(np.array(["a", "b", "c"], dtype=object), [80, 15, 5])
    found = baseline("multiclass", train, train, classes=["a", "b", "c"])
    assert (found["set_size"].value, found["set_coverage"].value) == (2.0, 0.95)
