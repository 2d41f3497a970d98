"""Several tables from the first command to the last: found, made into features, learned from, scored in batch, not served."""

from __future__ import annotations

import csv
import functools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import flyball as fb
from flyball.pipeline.read import load_table
from flyball_runtime import open_bundle
from flyball_runtime.manifest import BundleUnsupported
from support.command_line import flyball
from support.shop import RELATED, write_shop


@functools.cache
def shop() -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """A project of four tables with one version; what `init` and `run` answered."""
    folder = Path(tempfile.mkdtemp(prefix="flyball-shop-"))
    write_shop(folder)
    others = [word for name in RELATED for word in ("--related", folder / f"{name}.csv")]
    words = ["--from", folder / "orders.csv", "--target", "freight", "--known", "shipped_date", *others]
    made = flyball("init", "orders", *words, folder=folder).answer()
    return folder, made, flyball("run", "--budget", "4s", folder=folder).answer()


@pytest.fixture
def made() -> tuple[Path, dict[str, Any], dict[str, Any]]:
    return shop()


def test_init_says_how_the_tables_hang_together_and_writes_it(made: Any) -> None:
    folder, answer, _ = made
    said = answer["related"]["said"]
    assert "lines.order_id names a row of orders" in said
    assert "lines.product_id names a row of products" in said
    config = fb.open(folder).config
    assert config.model["orders"].data == ("orders", "lines", "customers", "products")
    assert config.data["lines"].refers == {"order_id": "orders", "product_id": "products"}
    assert config.data["orders"].time == "order_date"
    assert config.data["orders"].source == "orders.csv"


def test_what_the_lines_tell_is_learned_and_stands_in_the_manifest(made: Any) -> None:
    folder, _, run = made
    assert run["metrics"]["test"]["r2"]["value"] > 0.6  # the order's own columns say nothing of its freight
    manifest = json.loads((Path(run["bundle"]) / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["requires"] == ["tables"]
    related = manifest["provenance"]["data"]["related"]
    assert set(related["tables"]) == {"orders", *RELATED}
    assert all(len(related["tables"][name]["digest"]) == 64 for name in RELATED)
    project = fb.open(folder)
    stored = next(one for one in project.registry.datasets() if one.name == "orders")
    assert stored.meta["related"] == {name: related["tables"][name]["digest"] for name in RELATED}


def test_nothing_personal_and_nothing_of_afterwards_becomes_a_feature(made: Any) -> None:
    _, answer, run = made
    features = answer["related"]["features"]
    assert not [one for one in features if one["column"] in {"email", "shipped_date"}]
    assert any(one["column"] == "freight" and one["since"] == "shipped_date" for one in features)
    left_out = {one["column"]: one["why"] for one in run["left_out"]}
    assert "afterwards" in left_out["shipped_date"]
    assert b"@example.org" not in b"".join(file.read_bytes() for file in Path(run["bundle"]).iterdir())


def test_predict_computes_the_features_of_new_rows_as_the_run_did(made: Any, tmp_path: Path) -> None:
    folder, _, _ = made
    version = fb.open(folder).version("orders@1")
    flyball("predict", "orders@1", folder / "orders.csv", tmp_path / "scores.csv", folder=folder).answer()
    scored = pl.read_csv(tmp_path / "scores.csv")
    assert scored.columns[:5] == ["order_id", "customer_id", "order_date", "shipped_date", "freight"]
    assert scored.columns[5:] == ["prediction", "low", "high"]
    wide = load_table(
        version._project.artifacts, version._project.registry.lineage(version.record)["dataset"]["artifact"]
    )
    assert np.array_equal(scored["prediction"].to_numpy(), version._bundle.score(wide.columns)["prediction"])
    frame = pl.read_csv(folder / "orders.csv", try_parse_dates=True)
    assert np.array_equal(version.predict(frame.head(20)), scored["prediction"].to_numpy()[:20])


def test_a_new_order_is_scored_by_its_own_lines(made: Any, tmp_path: Path) -> None:
    copy = tmp_path / "shop"
    shutil.copytree(made[0], copy)
    with (copy / "lines.csv").open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([[9001, 5000, 1, 1], *([9002 + n, 5001, n + 1, 8] for n in range(4))])
    new = tmp_path / "new.csv"
    new.write_text("order_id,customer_id,order_date\n5000,C01,2026-01-05\n5001,C01,2026-01-05\n", encoding="utf-8")
    flyball("predict", "orders@1", new, tmp_path / "scores.csv", folder=copy).answer()
    light, heavy = pl.read_csv(tmp_path / "scores.csv")["prediction"].to_list()
    assert heavy > light + 10


def test_such_a_model_is_refused_wherever_one_row_comes_alone(made: Any) -> None:
    folder, _, run = made
    refused = flyball("serve", "orders@1", "--port", "0", folder=folder).error(1)
    assert (refused["code"], "batch only" in refused["what"]) == ("FB-BUNDLE-002", True)
    with pytest.raises(BundleUnsupported, match="batch only"):
        open_bundle(run["bundle"])
    assert open_bundle(run["bundle"], provides=("tables",)).check_golden() < 1e-9


def test_rows_without_the_key_that_features_follow_are_refused(made: Any, tmp_path: Path) -> None:
    new = tmp_path / "new.csv"
    new.write_text("customer_id,order_date\nC01,2026-01-05\n", encoding="utf-8")
    refused = flyball("predict", "orders@1", new, tmp_path / "scores.csv", folder=made[0]).error(2)
    assert (refused["code"], refused["what"]) == ("FB-TABLE-002", 'the column "order_id" is missing')


def test_a_row_is_explained_by_the_made_columns_too(made: Any) -> None:
    answer = flyball("explain", "orders@1", "--row", "5", folder=made[0]).answer()
    assert any("lines" in one["column"] for one in answer["reasons"])


def test_a_changed_related_table_is_read_again_and_an_unchanged_one_is_not(made: Any, tmp_path: Path) -> None:
    copy = tmp_path / "shop"
    shutil.copytree(made[0], copy)
    again = flyball("run", "--budget", "4s", folder=copy).answer()
    assert (again["unchanged"], again["version"]) == (True, 1)
    with (copy / "lines.csv").open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow([9001, 1000, 3, 5])
    assert flyball("run", "--budget", "0s", folder=copy).answer()["version"] == 2


def test_tables_in_memory_are_kept_with_the_version(tmp_path: Path) -> None:
    write_shop(tmp_path)
    frames = {name: pl.read_csv(tmp_path / f"{name}.csv", try_parse_dates=True) for name in ("orders", *RELATED)}
    (tmp_path / "p").mkdir()
    project = fb.init("shop", source=tmp_path / "orders.csv", target="freight", directory=tmp_path / "p").project
    table = project.dataset(
        frames["orders"], target="freight", name="orders", time="order_date", known="shipped_date",
        related={"lines": {"source": frames["lines"], "key": "line_id"}, "products": frames["products"]},
    )  # fmt: skip
    learned = project.learn(table, budget=1)
    expected = learned.predict(frames["orders"].tail(30))
    version = project.propose(learned)
    assert np.array_equal(version.predict(frames["orders"].tail(30)), expected)
    assert {"orders", "lines", "products"} == set(version.evidence["data"]["related"]["tables"])


@pytest.mark.parametrize(
    ("before", "after", "code", "where", "what"),
    [
        ('refers = { order_id = "orders",', 'refers = { order_id = "order",', "FB-CONFIG-004", "refers.order_id",
         '"order_id" refers to a dataset "order", which there is not'),
        ('data = ["orders", "lines",', 'data = ["orders", "lines", "lines",', "FB-CONFIG-004", "model.orders.data",
         '"lines" is named twice'),
        ('data = ["orders", "lines",', 'data = ["orders", "line",', "FB-CONFIG-004", "model.orders.data",
         'there is no dataset "line"'),
        ('key = "line_id"', 'key = "order_id"', "FB-FEATURE-001", "flyball.toml:", '"order_id" does not name the rows of lines'),
        ('key = "line_id"', 'time = "quantity"', "FB-FEATURE-001", "flyball.toml:",
         '"quantity" of lines holds no times, so rows cannot be ordered by it'),
        ('key = "line_id"', 'drop = ["weigth"]', "FB-PIPE-002", "flyball.toml:",
         'drop names a column "weigth" that the table does not have'),
        ('known = "shipped_date"', 'known = "customer_id"', "FB-FEATURE-001", "flyball.toml:",
         '"customer_id" holds no times, so it cannot say when "freight" became known'),
        ('refers = { customer_id = "customers" }', 'refers = { order_date = "customers" }', "FB-FEATURE-001", "flyball.toml:",
         "orders.order_date cannot name rows of customers"),
    ],
)  # fmt: skip
def test_what_does_not_hang_together_is_refused_with_its_line(
    made: Any, tmp_path: Path, before: str, after: str, code: str, where: str, what: str
) -> None:
    copy = tmp_path / "shop"
    shutil.copytree(made[0], copy)
    text = (copy / "flyball.toml").read_text(encoding="utf-8")
    assert before in text
    (copy / "flyball.toml").write_text(text.replace(before, after), encoding="utf-8")
    refused = flyball("run", "--budget", "0s", folder=copy).error(2)
    assert (refused["code"], refused["what"]) == (code, what)
    assert where in refused["where"]


RECENT = '\n[features.recent_freight]\nof = "orders.freight"\nby = "customer_id"\nfunction = "mean"\nwindow = "30d"\n'


def with_feature(made: Any, to: Path, section: str) -> Path:
    shutil.copytree(made[0], to)
    with (to / "flyball.toml").open("a", encoding="utf-8") as file:
        file.write(section)
    return to


def test_a_declared_feature_joins_the_found_ones_and_stays(made: Any, tmp_path: Path) -> None:
    copy = with_feature(made, tmp_path / "shop", RECENT)
    run = flyball("run", "--budget", "1s", folder=copy).answer()
    told = next(one for one in run["features"]["features"] if one["name"] == "recent_freight")
    assert (told["kept"], told["why"]) == (True, "kept on request")
    listed = flyball("features", folder=copy).answer()["related"]["features"]
    mine = next(one for one in listed if one["declared"])
    assert mine["text"] == "mean freight in orders with the same customer_id within 30 days, known before"
    flyball("predict", "orders@2", copy / "orders.csv", tmp_path / "scores.csv", folder=copy).answer()


def test_a_feature_that_looks_into_the_future_is_refused_with_the_row(made: Any, tmp_path: Path) -> None:
    copy = with_feature(made, tmp_path / "shop", RECENT.replace('window = "30d"', 'lag = "-7d"'))
    refused = flyball("run", "--budget", "0s", folder=copy).error(2)
    assert (refused["code"], refused["what"]) == (
        "FB-FEATURE-002", 'the feature "recent_freight" looks into the future',
    )  # fmt: skip
    assert refused["where"].startswith("row ")
    assert "it would see row " in refused["why"]
    assert refused["facts"]["written"].startswith("flyball.toml:")


@pytest.mark.parametrize(
    ("before", "after", "code", "said"),
    [
        ('of = "orders.freight"', 'of = "order.freight"', "FB-CONFIG-004", "no model learns from several tables"),
        ('of = "orders.freight"', 'of = "orders.frieght"', "FB-FEATURE-001", "orders has no column frieght"),
        ('of = "orders.freight"', 'of = "customers.email"', "FB-FEATURE-001", "customers.email is personal"),
        ('function = "mean"', 'function = "median"', "FB-CONFIG-004", "'median' does not fit"),
        ('by = "customer_id"', 'along = ["lines.product_id"]', "FB-FEATURE-001", "does not begin or end at orders"),
        ('by = "customer_id"', 'by = "customer_id"\nalong = ["x"]', "FB-CONFIG-004", "not both"),
        ('function = "mean"', 'function = "mean"\nas_of = "freight"', "FB-FEATURE-001", "no column of times freight"),
    ],
)
def test_a_feature_that_cannot_be_made_is_refused_with_its_line(
    made: Any, tmp_path: Path, before: str, after: str, code: str, said: str
) -> None:
    copy = with_feature(made, tmp_path / "shop", RECENT.replace(before, after))
    refused = flyball("run", "--budget", "0s", folder=copy).error(2)
    assert refused["code"] == code
    assert said in f"{refused['what']} {refused['why']}"
    assert "flyball.toml:" in refused["where"]


def test_what_a_feature_buys_is_told_and_the_others_are_left_out_with_reasons(made: Any) -> None:
    folder, _, run = made
    listed = flyball("features", "orders@1", folder=folder).answer()["related"]
    kept = [one for one in listed["features"] if one["kept"]]
    assert any(one["column"] == "weight" and one["gain"]["low"] > 0 for one in kept)
    assert all(one["why"] for one in listed["features"])
    assert len(kept) < len(listed["features"])
    assert listed["bought"]["low"] > 0
    page = Path(run["report"]).read_text(encoding="utf-8")
    assert "Features of other tables" in page
    assert "sum of weight in its lines → products, known by then" in page
