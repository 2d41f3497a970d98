"""Entities move between kernels, by name, with all that is carried of them; and each row's answer says what it stands on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flyball_runtime.schema import Field, Schema
from flyball_runtime.windows import LATE, NEW, REPEATED, UNPLACED, WindowKernel, WindowSpec, WindowStateInvalid

SCHEMA = Schema((Field("unit", "text"), Field("at", "number"), Field("heat", "number"), Field("mode", "text")))
FEATURES = [
    {"column": "heat", "aggregate": "mean", "rows": 4},
    {"column": "heat", "aggregate": "max", "duration": 5},
    {"column": "mode", "aggregate": "since_change"},
]
SPEC = WindowSpec.from_dict({"entity": "unit", "order": "at", "features": FEATURES}, SCHEMA)


def rows(*units: tuple[str | None, float]) -> dict[str, NDArray[Any]]:
    names, moments = zip(*units, strict=True)
    at = np.array(moments, dtype=np.float64)
    return {
        "unit": np.array(names, dtype=object), "at": at, "heat": at * 0.7,
        "mode": np.where(at > 3, "on", "off").astype(object),
    }  # fmt: skip


FIRST = rows(*((unit, moment) for moment in range(1, 7) for unit in "abc"))
THEN = rows(*((unit, moment) for moment in range(7, 10) for unit in "cab"))


def test_entities_taken_out_and_in_again_go_on_as_they_were() -> None:
    whole = WindowKernel(SPEC)
    whole.push(FIRST)
    parts = [whole.state([name]) for name in ("b", "a")]
    other = WindowKernel(SPEC)
    other.push(rows(("c", 1.0), ("z", 1.0)))
    other.take_on([*parts, whole.state(["c"])])  # what it knew of c gives way
    assert len(other) == 4
    np.testing.assert_array_equal(other.push(THEN), whole.push(THEN))
    assert whole.counts["rows"] == 27
    assert other.counts["rows"] == 11


def test_what_is_not_kept_is_forgotten_and_may_begin_anew() -> None:
    kernel = WindowKernel(SPEC)
    kernel.push(FIRST)
    kernel.keep(["c", "a", "nobody"])
    assert (len(kernel), kernel.counts["rows"]) == (2, 18)
    fresh = WindowKernel(SPEC)
    fresh.push({name: values[FIRST["unit"] != "b"] for name, values in FIRST.items()})
    np.testing.assert_array_equal(kernel.push(THEN), fresh.push(THEN))


def test_a_state_of_another_specification_is_not_taken_on() -> None:
    kernel = WindowKernel(SPEC)
    kernel.push(FIRST)
    before = kernel.state()
    with pytest.raises(WindowStateInvalid):
        kernel.take_on([kernel.state(["a"]), WindowKernel(SPEC.only([SPEC.names[0]])).state()])
    assert kernel.state() == before


def test_each_row_says_what_became_of_it_and_what_it_stands_on() -> None:
    kernel = WindowKernel(SPEC)
    kernel.push(rows(("a", 1), ("a", 2)))
    kernel.push(rows(("a", 4), ("a", 1), ("a", 4), (None, 5), ("a", np.nan), ("b", 1), ("a", 9)))
    standing = kernel.standing
    assert standing.status.tolist() == [NEW, LATE, REPEATED, UNPLACED, UNPLACED, NEW, NEW]
    assert standing.past.tolist() == [2, 2, 2, 0, 2, 0, 3]
    # four rows are known by then, and one of them is older than the duration
    assert standing.full.tolist() == [False] * 6 + [True]


def test_what_a_row_stands_on_does_not_depend_on_how_rows_come_together() -> None:
    one, many = WindowKernel(SPEC), WindowKernel(SPEC)
    one.push(FIRST)
    singly = []
    for row in range(len(FIRST["at"])):
        many.push({name: values[row : row + 1] for name, values in FIRST.items()})
        singly.append(many.standing)
    np.testing.assert_array_equal(one.standing.past, np.concatenate([each.past for each in singly]))
    np.testing.assert_array_equal(one.standing.full, np.concatenate([each.full for each in singly]))
