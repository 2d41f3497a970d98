"""What related tables may tell: never what is personal, leaked or known only afterwards, and the same work twice alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import flyball as fb
from flyball.pipeline.read import load_table
from support.shop import write_shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[fb.Project, dict[str, pl.DataFrame]]:
    folder = tmp_path_factory.mktemp("shop")
    write_shop(folder, orders=200)
    names = ("orders", "lines", "customers", "products")
    frames = {name: pl.read_csv(folder / f"{name}.csv", try_parse_dates=True) for name in names}
    project = fb.init("orders", source=folder / "orders.csv", target="freight", directory=folder / "p").project
    return project, frames


def learned(shop: Any, *, budget: str | float = 0, orders: pl.DataFrame | None = None, **choices: Any) -> Any:
    project, frames = shop
    related = {name: frames[name] for name in ("lines", "customers", "products")}
    given = {"target": "freight", "time": "order_date", "known": "shipped_date", "related": related, **choices}
    table = project.dataset(frames["orders"] if orders is None else orders, name="orders", **given)
    return project.learn(table, budget=budget)


def made_from(model: Any, table: str, column: str) -> list[str]:
    features = model.evidence["data"]["related"]["features"]
    return [one["name"] for one in features if one["hops"][-1][1] == table and one["column"] == column]


def wide(model: Any) -> Any:
    return model.candidate.dataset.table


def test_a_personal_target_is_told_to_no_later_row(shop: Any) -> None:
    assert made_from(learned(shop), "orders", "freight")
    assert not made_from(learned(shop, personal=["freight"]), "orders", "freight")


def test_without_knowing_when_the_target_was_known_it_is_told_to_none(shop: Any) -> None:
    assert not made_from(learned(shop, known=None), "orders", "freight")


def test_dropped_columns_of_the_predicted_table_give_no_feature_of_other_rows(shop: Any) -> None:
    orders = shop[1]["orders"].with_columns(boxes=pl.Series(np.arange(200) * 7 % 11 + 0.5))
    assert made_from(learned(shop, orders=orders), "orders", "boxes")
    assert not made_from(learned(shop, orders=orders, drop=["boxes"]), "orders", "boxes")


def test_what_is_made_from_a_leak_is_left_out_with_it(shop: Any) -> None:
    orders = shop[1]["orders"].with_columns(invoice=pl.col("freight") * 1.19 + 3)
    model = learned(shop, orders=orders)
    left_out = {one["column"]: one["why"] for one in model.evidence["data"]["left_out"]}
    assert "invoice" in left_out
    names = made_from(model, "orders", "invoice")
    assert names
    assert all("knows the answer" in left_out[name] for name in names)


def test_values_that_are_declared_missing_in_a_related_table_are_not_added_up(shop: Any) -> None:
    lines = shop[1]["lines"].with_columns(
        quantity=pl.when(pl.col("line_id") % 5 == 0).then(-1).otherwise(pl.col("quantity"))
    )
    related = {"lines": {"source": lines, "missing": {"quantity": [-1]}}}
    table = wide(learned(shop, related=related))
    assert np.nanmin(table["min(lines.quantity)"]) > 0


def test_rows_of_a_test_file_are_told_what_was_known_by_then(shop: Any) -> None:
    orders = shop[1]["orders"]
    model = learned(shop, orders=orders.head(150), test=orders.tail(50))
    whole = wide(learned(shop))
    table = wide(model)
    assert table.rows == 200
    name = "count(orders) by customer_id"
    assert np.array_equal(table[name], whole[name])
    assert model.evidence["split"]["test_rows"] == 50


def test_a_number_of_trials_is_the_same_work_and_the_same_model_twice(shop: Any) -> None:
    first, second = (learned(shop, budget="1 trials") for _ in range(2))
    assert first.evidence["features"] == second.evidence["features"]
    assert first.evidence["features"]["folds"] == 5
    assert first._bundle.content_hash == second._bundle.content_hash


def test_where_no_feature_is_kept_the_model_is_like_any_other(shop: Any, tmp_path: Path) -> None:
    project, frames = shop
    customers = {"customers": frames["customers"].select("customer_id", "region")}
    model = learned(shop, budget="1 trials", related=customers)
    assert model.evidence["features"]["kept"] == 0
    version = project.propose(model)
    assert json.loads((Path(version.path) / "manifest.json").read_text(encoding="utf-8"))["requires"] == []
    left_out = {one["column"]: one["why"] for one in model.evidence["data"]["left_out"]}
    assert "not clearly better" in left_out["customer_id.region"]
    rows = frames["orders"].head(3)
    assert np.array_equal(model.predict(rows), version.predict(rows))


def test_what_features_were_made_from_is_kept_with_the_version(shop: Any) -> None:
    project, frames = shop
    model = learned(shop, budget="1 trials")
    tables = model.evidence["data"]["related"]["tables"]
    kept = load_table(project.artifacts, tables["customers"]["artifact"])
    assert kept.names == ("customer_id", "region")
    assert kept.rows == frames["customers"].height
