"""A saved state of window features that was not made by a kernel is refused, whatever is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flyball_runtime.arrays import pack_arrays, text_to_arrays, unpack_arrays
from flyball_runtime.schema import Field, Schema
from flyball_runtime.windows import WindowKernel, WindowSpec, WindowStateInvalid

SCHEMA = Schema((Field("unit", "text"), Field("t", "number"), Field("x", "number")))
SPEC = WindowSpec.from_dict(
    {"entity": "unit", "order": "t", "features": [{"column": "x", "aggregate": "mean", "rows": 4}]}, SCHEMA
)
Arrays = dict[str, NDArray[Any]]


def _state() -> Arrays:
    rows = {"unit": np.array(["a", "b", "a", "a"], object), "t": np.arange(4.0), "x": np.array([1.0, 2.0, np.nan, 4.0])}
    kernel = WindowKernel(SPEC)
    kernel.push(rows)
    return unpack_arrays(kernel.state())


def _header(**changed: Any) -> Callable[[Arrays], Arrays]:
    def change(state: Arrays) -> Arrays:
        header = json.loads(state["header"].tobytes()) | changed
        return {**state, "header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)}

    return change


def _array(name: str, value: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Arrays], Arrays]:
    return lambda state: {**state, name: value(state[name])}


def _more_names(state: Arrays) -> Arrays:
    text, lengths = text_to_arrays(np.array([f"{number:x}" for number in range(40_000)], object))
    return {**state, "text": text, "lengths": lengths}


COUNTS = {"rows": 4, "late": 0, "repeated": 0, "unplaced": 0}
WRONG = {
    "infinite count": _header(counts={**COUNTS, "rows": float("inf")}),
    "negative count": _header(counts={**COUNTS, "late": -1}),
    "no counts": _header(counts=None),
    "unknown keys": _header(keys="numbers"),
    "one entity": _header(keys="one"),
    "longer than carried": _array("length", lambda v: v + 4),
    "whole numbers as floats": _array("length", lambda v: v.astype(np.float64)),
    "negative length": _array("length", lambda v: v - 9),
    "rows backwards": _array("order", lambda v: v[:, ::-1]),
    "rows at no moment": _array("order", lambda v: v * np.nan),
    "another newest row": _array("newest", lambda v: v - 1.0),
    "no newest row": _array("newest", lambda v: v * np.nan),
    "values of another shape": _array("values", lambda v: v[:, 1:]),
    "one entity twice": _array("text", lambda v: np.full_like(v, v[0])),
    "more names than rows": _more_names,
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_state_that_no_kernel_made_is_refused(change: Callable[[Arrays], Arrays]) -> None:
    with pytest.raises(WindowStateInvalid):
        WindowKernel(SPEC, pack_arrays(change(_state())))


def test_a_state_may_not_ask_for_more_memory_than_is_given_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    state = pack_arrays(_state())
    monkeypatch.setattr("flyball_runtime.windows.history._MOST_BYTES", 100)
    with pytest.raises(WindowStateInvalid) as refused:
        WindowKernel(SPEC, state)
    assert "2 entities are more than can be carried" in str(refused.value)


def test_the_state_itself_is_taken() -> None:
    kernel = WindowKernel(SPEC, pack_arrays(_state()))
    rows = {"unit": np.array(["a"], object), "t": np.array([4.0]), "x": np.array([7.0])}
    assert kernel.push(rows)[0, 0] == 4.0
