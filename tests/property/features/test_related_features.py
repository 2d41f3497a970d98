"""Features of related tables against loops over the rows: what was known by a row's moment, and nothing else."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from flyball.data import Table
from flyball.features.relational import Hop, RelatedFeature, Relations, compute, relate
from flyball_runtime.schema import MISSING_TIME, Field, Schema

_S = 1_000_000
_FUNCTIONS = ("count", "mean", "sum", "std", "min", "max", "last", "distinct")
_SHARED = (Hop("with", "events", "customer_id", "customer_id"),)
_OWN = (Hop("from", "lines", "order_id"),)


def table(**columns: tuple[str, list[Any]]) -> Table:
    kinds = {"number": np.float64, "time": np.int64, "text": object}
    fields = tuple(Field(name, kind) for name, (kind, _) in columns.items())  # type: ignore[arg-type]
    arrays = {}
    for name, (kind, values) in columns.items():
        array = np.empty(len(values), dtype=kinds[kind])
        array[:] = values
        arrays[name] = array
    return Table(Schema(fields), arrays)


moments = st.one_of(st.just(MISSING_TIME), st.integers(0, 12).map(lambda second: second * _S))
numbers = st.one_of(st.just(float("nan")), st.integers(-5, 5).map(float), st.just(1e9))


@st.composite
def shops(draw: st.DrawFn) -> dict[str, Table]:
    people = draw(st.integers(1, 3))
    orders = draw(st.lists(st.tuples(st.integers(0, people), moments), min_size=1, max_size=6))
    events = draw(st.lists(st.tuples(st.integers(0, people), moments, numbers), min_size=1, max_size=10))
    lines = draw(st.lists(st.tuples(st.integers(0, len(orders)), numbers), min_size=1, max_size=10))
    return {
        "orders": table(
            order_id=("number", [float(i) for i in range(len(orders))]),
            customer_id=("number", [float(who) for who, _ in orders]), at=("time", [when for _, when in orders]),
        ),
        "customers": table(customer_id=("number", [float(i) for i in range(people + 1)])),
        "events": table(
            customer_id=("number", [float(who) for who, _, _ in events]), seen=("time", [when for _, when, _ in events]),
            amount=("number", [value for _, _, value in events]),
        ),
        "lines": table(
            order_id=("number", [float(order) for order, _ in lines]), price=("number", [value for _, value in lines])
        ),
    }  # fmt: skip


def related(shop: dict[str, Table]) -> Relations:
    return relate(
        shop, times={"orders": "at", "events": "seen"}, keys={"orders": "order_id", "customers": "customer_id"},
        refers={"orders": {"customer_id": "customers"}, "events": {"customer_id": "customers"}, "lines": {"order_id": "orders"}},
    )  # fmt: skip


def aggregated(function: str, values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    if function == "count":
        return float(len(known))
    if function == "distinct":
        return float(len(set(known)))
    if function == "std":
        return float(np.std(known, ddof=1)) if len(known) > 1 else math.nan
    if not known:
        return math.nan
    return float(
        {"mean": np.mean, "sum": np.sum, "min": np.min, "max": np.max, "last": lambda all_: all_[-1]}[function](known)
    )


def same(ours: NDArray[np.float64], expected: list[float], function: str) -> None:
    """Over no row at all a count may be missing: the row has no moment, or no row has its key."""
    for found, wanted in zip(ours.tolist(), expected, strict=True):
        if math.isnan(found) and (math.isnan(wanted) or (function in ("count", "distinct") and wanted == 0)):
            continue
        assert found == pytest.approx(wanted, rel=1e-9, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(shops(), st.sampled_from(_FUNCTIONS), st.sampled_from([None, 3.0]), st.sampled_from([0.0, 2.0]))
def test_rows_that_share_a_parent_count_only_when_strictly_earlier(
    shop: dict[str, Table], function: Any, window: float | None, lag: float
) -> None:
    relations = related(shop)
    feature = RelatedFeature("made", _SHARED, "amount", function, window, lag)
    [(_, found)] = compute(relations, [feature])
    events, orders = shop["events"], shop["orders"]
    order = sorted(range(events.rows), key=lambda row: (events["seen"][row], row))
    expected = []
    for who, when in zip(orders["customer_id"], orders["at"], strict=True):
        cut = int(when) - int(lag * _S)
        seen = [
            float(events["amount"][row]) for row in order
            if when != MISSING_TIME and events["seen"][row] != MISSING_TIME and events["customer_id"][row] == who
            and events["seen"][row] < cut and (window is None or events["seen"][row] >= cut - window * _S)
        ]  # fmt: skip
        expected.append(aggregated(function, seen))
    if function == "last" and window is not None:
        return  # of equal moments within a window any may be the last
    same(found, expected, function)


@settings(max_examples=40, deadline=None)
@given(shops(), st.sampled_from(_FUNCTIONS[:-2]))
def test_a_rows_own_parts_count_from_its_own_moment_on(shop: dict[str, Table], function: Any) -> None:
    relations = relate(shop, times={"orders": "at"}, keys={"orders": "order_id", "customers": "customer_id"},
                       refers={"orders": {}, "events": {}, "lines": {"order_id": "orders"}})  # fmt: skip
    [(_, found)] = compute(relations, [RelatedFeature("made", _OWN, "price", function)])
    lines, orders = shop["lines"], shop["orders"]
    expected = [
        aggregated(function, lines["price"][lines["order_id"] == number].tolist() if when != MISSING_TIME else [])
        for number, when in zip(orders["order_id"], orders["at"], strict=True)
    ]
    same(found, expected, function)


@settings(max_examples=40, deadline=None)
@given(shops())
def test_new_rows_see_what_the_old_ones_would_at_the_same_moment(shop: dict[str, Table]) -> None:
    relations = related(shop)
    features = [RelatedFeature(name, _SHARED, "amount", name) for name in ("count", "sum", "max")]  # type: ignore[arg-type]
    whole = compute(relations, features)
    for row in range(shop["orders"].rows):
        part = compute(relations, features, shop["orders"].take(np.array([row])))
        for (_, all_rows), (_, one) in zip(whole, part, strict=True):
            np.testing.assert_array_equal(all_rows[row : row + 1], one)
