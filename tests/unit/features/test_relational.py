"""How tables are found to hang together, what is made of them, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from flyball.data import Table
from flyball.features.relational import (
    Hop,
    LooksAhead,
    RelatedFeature,
    RelationInvalid,
    compute,
    enumerate_features,
    refuse_ahead,
    relate,
    synthesise,
)
from flyball_runtime.schema import Field, Schema

DAY = 86_400 * 1_000_000


def shop(rows: int = 200) -> dict[str, Table]:
    """Orders whose freight follows from the quantities on their lines, and from the weight of the products there."""
    rng = np.random.default_rng(4)
    text = np.array(["north", "south", "east"], dtype=object)

    def made(**columns: tuple[str, np.ndarray]) -> Table:
        fields = tuple(Field(name, kind) for name, (kind, _) in columns.items())  # type: ignore[arg-type]
        return Table(Schema(fields), {name: values for name, (_, values) in columns.items()})

    order = rng.integers(0, rows, rows * 3)
    return {
        "orders": made(
            order_id=("number", np.arange(rows, dtype=np.float64) + 1000),
            customer_id=("number", rng.integers(0, 20, rows).astype(np.float64)),
            order_date=("time", np.sort(rng.integers(0, 400, rows)) * DAY),
            shipped_date=("time", np.sort(rng.integers(0, 400, rows)) * DAY + 500 * DAY),
            freight=("number", rng.gamma(2.0, size=rows)),
        ),
        "order_lines": made(
            order_id=("number", order + 1000.0), product_id=("number", rng.integers(0, 9, len(order)).astype(np.float64)),
            quantity=("number", rng.integers(1, 9, len(order)).astype(np.float64)),
        ),
        "products": made(product_id=("number", np.arange(9.0)), weight=("number", rng.gamma(2.0, size=9))),
        "customers": made(
            customer_id=("number", np.arange(20.0)), region=("text", text[rng.integers(0, 3, 20)]),
        ),
    }  # fmt: skip


def test_keys_references_and_times_are_found_by_names_and_values() -> None:
    relations = relate(shop())
    assert {one.name: (one.key, one.time) for one in relations.tables} == {
        "orders": ("order_id", "order_date"), "order_lines": (None, None), "products": ("product_id", None),
        "customers": ("customer_id", None),
    }  # fmt: skip
    assert relations["order_lines"].refers == {"order_id": "orders", "product_id": "products"}
    assert relations["orders"].refers == {"customer_id": "customers"}
    assert relations.since("order_lines") == ("order_id", "order_date")
    assert any("known all along" in note and "customers" in note for note in relations.notes)


def test_features_follow_keys_to_a_depth_of_two_and_never_hold_the_target_of_other_rows() -> None:
    relations = relate(shop())
    names = {feature.name for feature in enumerate_features(relations, target="freight")}
    assert {
        "customer_id.region", "sum(order_lines.quantity)", "mean(order_lines.product_id.weight)",
        "count(orders) by customer_id", "hours since(orders) by customer_id",
    } <= names  # fmt: skip
    assert not [name for name in names if "freight" in name]
    shallow = {feature.name for feature in enumerate_features(relations, target="freight", depth=1)}
    assert "sum(order_lines.quantity)" in shallow
    assert "mean(order_lines.product_id.weight)" not in shallow
    told = {f.name for f in enumerate_features(relations, target="freight", known="shipped_date")}
    assert "mean(orders.freight) by customer_id" in told


def test_an_outcome_is_told_from_the_moment_it_was_known() -> None:
    tables = shop()
    relations = relate(tables)
    features = enumerate_features(relations, target="freight", known="shipped_date")
    feature = next(one for one in features if one.name == "mean(orders.freight) by customer_id")
    [(_, found)] = compute(relations, [feature])
    assert np.isnan(found).all(), "every order was shipped after the last one was placed"
    assert RelatedFeature.from_dict(feature.to_dict()) == feature


def test_synthesis_leaves_out_what_says_nothing_or_what_another_says() -> None:
    tables = shop()
    tables["customers"] = tables["customers"].with_column(Field("same", "number"), np.ones(20))
    made = synthesise(relate(tables), target="freight")
    assert made.table.names[:5] == tables["orders"].names
    assert "customer_id.same" not in made.table
    assert len(made.features) == len(made.table.names) - 5
    values = [
        made.table[feature.name].tobytes() for feature in made.features if made.table[feature.name].dtype != object
    ]
    assert len(set(values)) == len(values)
    assert made.notes[-1].startswith(f"{len(made.features)} features made from")


def test_what_looks_ahead_is_refused_with_the_row() -> None:
    relations = relate(shop())
    hops = (Hop("with", "orders", "customer_id", "customer_id"),)
    ahead = RelatedFeature("next week's freight", hops, "freight", "sum", lag_s=-7 * 86_400.0)
    with pytest.raises(LooksAhead, match="looks into the future") as refused:
        refuse_ahead(relations, [RelatedFeature("fine", hops, "freight", "sum"), ahead])
    assert refused.value.code == "FB-FEATURE-002"
    assert refused.value.where is not None
    assert refused.value.where.startswith("row ")
    assert "it would see row" in str(refused.value.why)
    refuse_ahead(relations, [RelatedFeature("fine", hops, "freight", "sum", lag_s=86_400.0)])


@pytest.mark.parametrize(("how", "said"), [
    ({"keys": {"order_lines": "order_id"}}, "does not name the rows"), ({"keys": {"lines": "x"}}, "there is no table lines"),
    ({"times": {"orders": "freight"}}, "holds no times"), ({"times": {"orders": "date"}}, "there is no column date"),
    ({"refers": {"orders": {"customer_id": "order_lines"}}}, "which has no key"),
    ({"refers": {"orders": {"customer": "customers"}}}, "there is no column customer in orders"),
])  # fmt: skip
def test_what_was_said_of_tables_must_be_so(how: dict[str, dict[str, object]], said: str) -> None:
    with pytest.raises(RelationInvalid, match=said) as refused:
        relate(shop(), **how)  # type: ignore[arg-type]
    assert refused.value.fix
