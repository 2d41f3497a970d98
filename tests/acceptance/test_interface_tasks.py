"""Every kind of target, in CSV and Parquet, goes through the loop; time and group structure decide the split."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flyball_runtime import open_bundle
from support.command_line import flyball
from support.projects import make_project
from support.tables import mixed_table, write

SIGNAL = mixed_table()["signal"].to_numpy()
TARGETS = {
    "booleans": (pl.Series(SIGNAL > 0), "binary", [False, True]),
    "two floats": (pl.Series(np.where(SIGNAL > 0, 1.5, 0.5)), "binary", [0.5, 1.5]),
    "negative integers": (pl.Series(np.where(SIGNAL > 0, 3, -1)), "binary", [-1, 3]),
    "texts": (pl.Series(np.where(SIGNAL > 0, 'yes, "indeed"', "nö")), "binary", ["nö", 'yes, "indeed"']),
    "few integers": (pl.Series(np.digitize(SIGNAL, [-0.7, 0.7])), "multiclass", [0, 1, 2]),
    "many integers": (pl.Series((SIGNAL * 1000).astype(int)), "regression", None),
}


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("kind", TARGETS)
def test_a_target_keeps_its_type_from_the_table_to_the_bundle(kind: str, ending: str, tmp_path: Path) -> None:
    target, task, classes = TARGETS[kind]
    name = "größe: 'x' \"y\", z"
    table = mixed_table().drop("signal").with_columns(target.alias(name))
    folder, made = make_project(tmp_path / "p", write(table, tmp_path / f"t.{ending}"), name)
    assert made["task"] == task
    run = flyball("run", "--budget", "0.5s", folder=folder).answer()
    bundle = open_bundle(run["bundle"])
    scored = bundle.score(table)
    if classes is None:
        assert bundle.classes is None
        assert (scored["low"] <= scored["high"]).all()
        return
    assert bundle.classes is not None
    assert bundle.classes.tolist() == classes
    assert [type(value) for value in bundle.classes.tolist()] == [type(value) for value in classes]
    assert set(scored["prediction"].tolist()) <= set(classes)
    np.testing.assert_allclose(scored["probability"].sum(axis=1), 1, atol=1e-9)


def drifting(rows: int = 600) -> pl.DataFrame:
    """A year of readings whose target wanders with the season: neighbours in time are alike."""
    rng = np.random.default_rng(4)
    place = np.arange(rows)
    wander = np.cumsum(rng.normal(0, 0.4, rows))
    return pl.DataFrame(
        {
            "day": [date(2021, 1, 1) + timedelta(days=int(day)) for day in place],
            "load": rng.normal(size=rows).round(3),
            "kind": rng.choice(["a", "b"], rows),
            "output": (wander + rng.normal(0, 0.3, rows)).round(3),
        }
    )


def test_a_declared_date_column_gives_a_split_by_time_and_the_gap_to_a_random_one(tmp_path: Path) -> None:
    folder, _ = make_project(tmp_path / "p", write(drifting(), tmp_path / "t.csv"), "output")
    text = (folder / "flyball.toml").read_text(encoding="utf-8")
    (folder / "flyball.toml").write_text(text.replace("[model.plant]", 'time = "day"\n[model.plant]'), encoding="utf-8")
    run = flyball("run", "--budget", "1s", folder=folder).answer()
    assert (run["split"]["kind"], run["split"]["by"]) == ("time", "day")
    gap = run["random_gap"]
    assert {"metric", "random", "honest", "value", "low", "high"} <= set(gap)
    assert gap["low"] <= gap["value"] <= gap["high"]
    assert (gap["metric"], gap["random"] < gap["honest"]) == ("rmse", True)


def test_a_date_column_whose_order_matters_is_found(tmp_path: Path) -> None:
    shuffled = drifting().sample(fraction=1.0, shuffle=True, seed=1)
    _, made = make_project(tmp_path / "p", write(shuffled, tmp_path / "t.csv"), "output")
    assert (made["split"]["kind"], made["split"]["by"]) == ("time", "day")


def test_a_declared_group_column_keeps_groups_together(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    unit = np.repeat(np.arange(40), 10)
    level = rng.normal(size=40)[unit]
    table = pl.DataFrame(
        {"unit": [f"machine {value}" for value in unit], "load": rng.normal(size=400).round(3),
         "failed": level + rng.normal(0, 0.5, 400) > 0}
    )  # fmt: skip
    folder, _ = make_project(tmp_path / "p", write(table, tmp_path / "t.csv"), "failed")
    text = (folder / "flyball.toml").read_text(encoding="utf-8")
    declared = text.replace("[model.plant]", 'entity = "unit"\n[model.plant]')
    (folder / "flyball.toml").write_text(declared, encoding="utf-8")
    run = flyball("run", "--budget", "1s", folder=folder).answer()
    assert (run["split"]["kind"], run["split"]["by"], run["split"]["unit"]) == ("group", "unit", "group")
    assert "unit" in [item["column"] for item in run["left_out"]]
    assert {"value", "low", "high"} <= set(run["random_gap"])


def test_columns_that_leak_the_target_are_named_with_their_evidence_and_left_out(tmp_path: Path) -> None:
    table = mixed_table()
    failed = table["signal"] > 0
    table = table.drop("signal").with_columns(failed=failed, code=pl.Series(np.where(failed, "E7", "ok")))
    folder, _ = make_project(tmp_path / "p", write(table, tmp_path / "t.csv"), "failed")
    run = flyball("run", "--budget", "1s", folder=folder).answer()
    (leak,) = run["leaks"]
    assert leak["column"] == "code"
    assert leak["why"]
    assert "code" in [item["column"] for item in run["left_out"]]


@pytest.mark.parametrize("few", [1, 2])
def test_a_class_too_rare_to_be_tested_is_said_and_not_a_crash(few: int, tmp_path: Path) -> None:
    table = mixed_table(60).drop("signal").with_columns(y=pl.Series([1] * few + [0] * (60 - few)))
    folder, _ = make_project(tmp_path / "p", write(table, tmp_path / "t.csv"), "y")
    run = flyball("run", "--budget", "0.5s", folder=folder).answer()
    assert "roc_auc" not in run["metrics"]["test"]
    assert any("roc_auc is undefined on the 12 test rows" in note for note in run["notes"])
    assert flyball("promote", "plant@1", "production", "--reason", "?", folder=folder).code == 1
    assert flyball("status", folder=folder).answer()["models"][0]["quality"] is None


def test_test_rows_of_another_kind_are_demonstrated_with_the_column_that_tells(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)

    def readings(rows: int, heat: float) -> pl.DataFrame:
        kind = rng.random(rows) < 0.5
        columns = {"heat": rng.normal(heat, 1, rows).round(3), "load": (kind + rng.normal(0, 0.7, rows)).round(3)}
        return pl.DataFrame(columns | {"ok": np.where(kind, "yes", "no")})

    readings(500, 0.0).write_csv(tmp_path / "past.csv")
    for name, heat in (("alike", 0.0), ("moved", 2.0)):
        readings(200, heat).write_csv(tmp_path / f"{name}.csv")
        folder, _ = make_project(tmp_path / f"p-{name}", tmp_path / "past.csv", "ok")
        text = (folder / "flyball.toml").read_text(encoding="utf-8")
        given = f'test = "{(tmp_path / name).as_posix()}.csv"\n\n[model.plant]'
        (folder / "flyball.toml").write_text(text.replace("[model.plant]", given), encoding="utf-8")
        shift = flyball("run", "--budget", "2s", folder=folder).answer()["shift"]
        assert shift["demonstrated"] == (name == "moved")
        assert shift["auc"]["low"] <= shift["auc"]["value"] <= shift["auc"]["high"]
        if name == "moved":
            assert shift["columns"][0]["column"] == "heat"
