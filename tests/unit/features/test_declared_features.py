"""A feature that is declared finds its way along the references, and is refused where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from flyball.config.model import FeatureConfig
from flyball.data import Table
from flyball.features.relational import FUNCTIONS, RelationInvalid, Relations, compute, declare, relate
from flyball_runtime.schema import Field, Kind, Schema

DAY = 86_400 * 1_000_000


def shop() -> Relations:
    def made(**columns: tuple[Kind, list[Any]]) -> Table:
        arrays = {
            name: np.array(values, dtype={"number": np.float64, "time": np.int64, "text": object}[kind])
            for name, (kind, values) in columns.items()
        }
        return Table(Schema(tuple(Field(name, kind) for name, (kind, _) in columns.items())), arrays)

    return relate(
        {
            "orders": made(
                order_id=("number", [1, 2, 3]), customer_id=("number", [7, 7, 8]), site=("text", ["a", "b", "a"]),
                day=("time", [DAY, 5 * DAY, 9 * DAY]), paid=("time", [3 * DAY, 12 * DAY, 10 * DAY]),
                freight=("number", [10, 20, 40]),
            ),
            "lines": made(
                order_id=("number", [1, 1, 2, 3]), product_id=("number", [1, 2, 2, 1]), quantity=("number", [1, 2, 3, 4]),
            ),
            "products": made(product_id=("number", [1, 2]), weight=("number", [0.5, 2.0])),
            "customers": made(customer_id=("number", [7, 8]), region=("text", ["north", "south"]), email=("text", ["x", "y"])),
        },
        times={"orders": "day"}, hidden={"customers": ["email"], "orders": ["freight"]},
    )  # fmt: skip


def value(**said: Any) -> list[Any]:
    relations = shop()
    feature = declare(relations, "wanted", target="freight", **said)
    ((_, values),) = compute(relations, [feature])
    return values.tolist()


def test_the_one_reference_between_two_tables_needs_no_way() -> None:
    assert value(of="lines.quantity", function="sum") == [3.0, 3.0, 4.0]
    assert value(of="customers.region") == ["north", "north", "south"]
    assert value(of="lines", function="count") == [2.0, 1.0, 1.0]


def test_a_way_leads_along_two_references() -> None:
    assert value(of="products.weight", along=["lines.order_id", "lines.product_id"], function="max") == [2.0, 2.0, 0.5]


def test_rows_that_share_a_value_are_told_as_of_when_they_were_known() -> None:
    by_site = {"of": "orders.freight", "by": "site", "function": "sum", "as_of": "paid"}
    assert np.isnan(value(**by_site)[:2]).all()
    assert value(**by_site)[2] == 10.0
    assert np.isnan(value(**by_site, lag_s=7 * 86_400.0)[2])
    assert value(of="orders.freight", by="customer_id", function="sum", known="paid")[1] == 10.0


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"of": "order.freight"}, "there is no table order"),
        ({"of": "lines.quantity"}, "what is taken of them must be said"),
        ({"of": "customers.region", "function": "last"}, "needs no last"),
        ({"of": "customers.email"}, "personal"),
        ({"of": "customers.age"}, "has no column age"),
        ({"of": "customers"}, "names no column"),
        ({"of": "products.weight", "function": "mean"}, "no reference between orders and products"),
        (
            {"of": "products.weight", "along": ["lines.quantity"], "function": "mean"},
            "lines.quantity refers to no table",
        ),
        ({"of": "products.weight", "along": ["lines.order_id"], "function": "mean"}, "the way ends at lines"),
        (
            {"of": "products.weight", "along": ["lines.product_id"], "function": "mean"},
            "does not begin or end at orders",
        ),
        ({"of": "orders.freight", "by": "customer_id", "function": "mean"}, "not since when that was known"),
        ({"of": "orders.freight", "by": "customer_id", "function": "mean", "as_of": "site"}, "no column of times site"),
        ({"of": "orders.site", "by": "customer_id", "function": "mean"}, "holds texts, of which there is no mean"),
        ({"of": "lines.quantity", "by": "site", "function": "mean"}, "no column of lines holds what orders.site holds"),
    ],
)
def test_what_cannot_be_made_is_refused_with_where_it_was_written(said: dict[str, Any], why: str) -> None:
    with pytest.raises(RelationInvalid) as refused:
        declare(shop(), "wanted", target="freight", place="flyball.toml:7", **said)
    assert why in str(refused.value.why)
    assert refused.value.where == "flyball.toml:7"
    assert refused.value.fix


def test_the_project_file_knows_every_function() -> None:
    for function in FUNCTIONS:
        assert FeatureConfig(of="a.b", by="c", function=function).function == function
    assert FeatureConfig(of="a.b", by="c", function="mean", lag="-7d").lag == -7 * 86_400.0
