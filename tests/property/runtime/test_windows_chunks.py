"""Window features are equal bit for bit however rows are handed over, and across a saved state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from flyball_runtime.schema import MISSING_TIME, Field, Schema
from flyball_runtime.windows import AGGREGATES, WindowKernel, WindowSpec, window_features

SCHEMA = Schema(
    (Field("unit", "text"), Field("at", "time"), Field("x", "number"), Field("y", "number"), Field("mode", "text"))
)
Columns = dict[str, NDArray[Any]]


def _spec(entity: str | None, order: str | None) -> WindowSpec:
    features: list[dict[str, Any]] = []
    for column in ("x", "y"):
        for aggregate in AGGREGATES[:7]:
            features += [{"column": column, "aggregate": aggregate, "rows": rows} for rows in (2, 7, 16)]
        features.append({"column": column, "aggregate": "mean", "rows": 5, "lag": 2})
        features.append({"column": column, "aggregate": "std", "rows": 6, "where": {"column": "mode", "value": "a"}})
        features += [{"column": column, "aggregate": kind, "lag": 3} for kind in ("lag", "difference")]
        if order is not None:
            features.append({"column": column, "aggregate": "slope", "duration": 4.5, "rows": 9})
            features.append({"column": column, "aggregate": "max", "duration": 3.0, "rows": 8, "lag": 1})
    features += [{"column": column, "aggregate": "since_change"} for column in ("x", "mode")]
    features.append({"aggregate": "since_event", "where": {"column": "x", "operator": ">", "value": 1.0}})
    return WindowSpec.from_dict({"entity": entity, "order": order, "features": features}, SCHEMA)


SPECS = {
    (entity, order): _spec(entity, order)
    for entity, order in (("unit", "at"), ("unit", None), (None, "at"), (None, None))
}


@st.composite
def streams(draw: st.DrawFn) -> Columns:
    """Rows with offsets, spikes, nulls and infinities; late, repeated, unordered and nameless ones among them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = draw(st.integers(1, 120))
    x = rng.normal(size=rows) + draw(st.sampled_from([0.0, 1e8, -3e5]))
    x[rng.random(rows) < 0.05] = draw(st.sampled_from([1e12, -1e12, 1e200, np.inf, -0.0]))
    x[rng.random(rows) < 0.15] = np.nan
    y = rng.integers(-1, 2, rows) * draw(st.sampled_from([1.0, -0.0, 1e-300]))
    at = np.cumsum(rng.integers(0, 3, rows)) * 1_000_000 - (rng.random(rows) < 0.1) * 5_000_000
    at[rng.random(rows) < 0.03] = MISSING_TIME
    names = np.array([None, "a", "b", "c"], dtype=object)
    return {
        "unit": names[np.minimum(rng.integers(0, 40, rows), rng.integers(1, 4, rows))],
        "at": at, "x": x, "y": y, "mode": names[rng.integers(0, 3, rows)],
    }  # fmt: skip


def _bits(values: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.ascontiguousarray(values).view(np.int64)


@pytest.mark.parametrize("key", SPECS, ids=str)
@given(columns=streams(), data=st.data())
@settings(max_examples=30, deadline=None)
def test_chunks_and_restarts_change_no_bit(key: Any, columns: Columns, data: st.DataObject) -> None:
    spec = SPECS[key]
    rows = len(columns["x"])
    whole = WindowKernel(spec)
    expected = whole.push(columns)
    kernel, begin, parts = WindowKernel(spec), 0, []
    while begin < rows:
        end = begin + data.draw(st.integers(1, 40), label="chunk")
        parts.append(kernel.push({name: values[begin:end] for name, values in columns.items()}))
        begin = end
        if data.draw(st.booleans(), label="restart"):
            kernel = WindowKernel(spec, kernel.state())
    assert (_bits(np.concatenate(parts)) == _bits(expected)).all()
    assert kernel.counts == whole.counts
    assert kernel.state() == whole.state()


@pytest.mark.parametrize("key", SPECS, ids=str)
@given(columns=streams(), seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_a_whole_table_in_any_order_has_the_bits_of_its_rows_in_order(key: Any, columns: Columns, seed: int) -> None:
    spec = SPECS[key]
    rows = len(columns["x"])
    if spec.order is not None:
        columns = {**columns, "at": np.arange(rows) * 1_000_000}
    expected = WindowKernel(spec).push(columns)
    shuffled = np.random.default_rng(seed).permutation(rows) if spec.order is not None else np.arange(rows)
    found = window_features(spec, {name: values[shuffled] for name, values in columns.items()})
    assert (_bits(found) == _bits(expected[shuffled])).all()


@given(columns=streams(), cut=st.integers(0, 119))
@settings(max_examples=30, deadline=None)
def test_a_push_taken_back_leaves_no_trace(columns: Columns, cut: int) -> None:
    spec = SPECS["unit", "at"]
    kernel = WindowKernel(spec)
    kernel.push({name: values[:cut] for name, values in columns.items()})
    before = kernel.state()
    kernel.push({name: values[cut:] for name, values in columns.items()})
    kernel.undo()
    assert kernel.state() == before


@given(columns=streams())
@settings(max_examples=20, deadline=None)
def test_rows_of_other_entities_change_no_bit(columns: Columns) -> None:
    spec = SPECS["unit", "at"]
    together = WindowKernel(spec).push(columns)
    for name in ("a", "b", "c"):
        own = columns["unit"] == name
        if own.any():
            alone = WindowKernel(spec).push({key: values[own] for key, values in columns.items()})
            assert (_bits(alone) == _bits(together[own])).all()


@given(columns=streams(), data=st.data())
@settings(max_examples=20, deadline=None)
def test_rows_to_come_change_no_bit(columns: Columns, data: st.DataObject) -> None:
    spec = SPECS["unit", "at"]
    whole = WindowKernel(spec).push(columns)
    cut = data.draw(st.integers(1, len(columns["x"])))
    part = WindowKernel(spec).push({key: values[:cut] for key, values in columns.items()})
    assert (_bits(part) == _bits(whole[:cut])).all()
