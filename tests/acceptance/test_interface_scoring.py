"""One model, one answer: the command line, the Python API, the bundle with and without trust say the same."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import flyball as fb
from flyball_runtime import open_bundle
from support.command_line import flyball, tree
from support.projects import Standing, standing
from support.tables import LONG, mixed_table, write


@pytest.fixture(params=["binary", "multiclass", "regression"])
def made(request: pytest.FixtureRequest) -> Standing:
    return standing(request.param)


def hostile(made: Standing) -> pl.DataFrame:
    """Rows that the model never saw: other values, unseen categories, nulls everywhere, extremes, no target."""
    table = mixed_table(60, seed=9).drop("signal")
    nulls = table.head(6).with_columns(
        pl.when(pl.int_range(6) == place).then(None).otherwise(pl.col(name)).alias(name)
        for place, name in enumerate(table.columns)
    )
    strange = table.head(4).with_columns(
        pl.Series('the "site", quoted', ["atlantis", "NORTH", "?", "north "]),
        pl.Series("speed [rpm]", [1e30, -1e30, 1e-30, 50.0]),
    )
    return pl.concat([table, nulls, strange])


def read_answers(path: Path, bundle: Any) -> dict[str, np.ndarray]:
    """The columns that `flyball predict` wrote, in the bundle's types."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if bundle.classes is None:
        return {name: np.array([float(row[name]) for row in rows]) for name in ("prediction", "low", "high")}
    texts = [row["prediction"] for row in rows]
    predicted = np.array([int(text) for text in texts] if bundle.classes.dtype.kind == "i" else texts, dtype=object)
    probability = np.array([[float(row[f"probability_{name}"]) for name in bundle.classes] for row in rows])
    held = np.array([[row[f"in_set_{name}"] == "true" for name in bundle.classes] for row in rows])
    return {"prediction": predicted, "probability": probability, "in_set": held}


def assert_same(first: Any, second: Any) -> None:
    assert set(first) == set(second)
    for name in first:
        if first[name].dtype.kind == "f":
            np.testing.assert_array_equal(first[name], second[name])
        else:
            assert first[name].tolist() == second[name].tolist()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_predict_writes_what_the_bundle_scores(made: Standing, ending: str, tmp_path: Path) -> None:
    table = hostile(made)
    answer = flyball(
        "predict", "plant@1", write(table, tmp_path / f"in.{ending}"), tmp_path / "out.csv", folder=made.folder
    ).answer()
    assert (answer["rows"], answer["version"]) == (70, 1)
    bundle = open_bundle(made.bundle)
    assert_same(bundle.score(table), read_answers(tmp_path / "out.csv", bundle))
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file))
    assert header[:6] == table.columns


def test_predict_writes_parquet_by_the_ending(made: Standing, tmp_path: Path) -> None:
    table = hostile(made)
    source = write(table, tmp_path / "in.parquet")
    flyball("predict", "plant@1", source, tmp_path / "out.parquet", folder=made.folder).answer()
    out = pl.read_parquet(tmp_path / "out.parquet")
    scored = open_bundle(made.bundle).score(table)
    assert out["prediction"].to_list() == scored["prediction"].tolist()
    assert out[LONG].to_list() == table[LONG].to_list()


def test_the_python_handles_score_as_the_bundle_does(made: Standing) -> None:
    version, bundle, table = fb.open(made.folder).version("plant@1"), open_bundle(made.bundle), hostile(made)
    scored = bundle.score(table)
    assert version.predict(table).tolist() == scored["prediction"].tolist()
    if bundle.classes is None:
        low, high = version.predict_interval(table)
        np.testing.assert_array_equal(low, scored["low"])
        np.testing.assert_array_equal(high, scored["high"])
    else:
        np.testing.assert_array_equal(version.predict_proba(table), scored["probability"])


def test_a_bundle_is_authentic_only_under_the_projects_own_unrevoked_key(tmp_path: Path) -> None:
    made = standing("binary")
    folder, other = made.copy(tmp_path / "p"), standing("regression")
    bundle = folder / ".flyball" / "bundles" / "plant" / "1"
    documents = {}
    for name, project in (("own", folder), ("other", other.folder)):
        documents[name] = tmp_path / f"{name}.json"
        documents[name].write_text(json.dumps(flyball("keys", "trust", folder=project).answer()), encoding="utf-8")
    assert open_bundle(bundle).authentic is False
    trusted = open_bundle(bundle, trust=documents["own"])
    assert trusted.authentic is True
    assert trusted.check_golden() == 0
    assert_same(trusted.score(made.table), open_bundle(bundle).score(made.table))
    with pytest.raises(fb.Refused):
        open_bundle(bundle, trust=documents["other"])

    (key,) = flyball("keys", "list", folder=folder).answer()["keys"]
    flyball("keys", "rotate", "--reason", "yearly", folder=folder).answer()
    assert open_bundle(bundle, trust=flyball("keys", "trust", folder=folder).answer()).authentic
    flyball("keys", "revoke", key["id"], "--reason", "stolen", folder=folder).answer()
    with pytest.raises(fb.Refused):
        open_bundle(bundle, trust=flyball("keys", "trust", folder=folder).answer())
    refused = flyball("predict", "plant@1", made.source, tmp_path / "out.csv", folder=folder).error(1)
    assert refused["code"].startswith("FB-SIGN")
    assert not (tmp_path / "out.csv").exists()


BAD_ROWS: dict[str, dict[str, Any]] = {
    "words among numbers": {"speed [rpm]": pl.Series(["12.5"] * 180 + ["fast"] * 60)},  # a few would count as missing
    "no date": {"day of test": pl.lit("yesterday")},
    "no boolean": {"ok?": pl.lit("perhaps")},
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_value_that_cannot_be_scored_is_named_and_nothing_is_written(kind: str, tmp_path: Path) -> None:
    made = standing("binary")
    table = made.table.with_columns(**BAD_ROWS[kind])
    source = write(table, tmp_path / "in.csv")
    error = flyball("predict", "plant@1", source, tmp_path / "out.csv", folder=made.folder).error(2)
    assert next(iter(BAD_ROWS[kind])) in error["what"]
    assert error["where"]
    assert not (tmp_path / "out.csv").exists()


def test_a_table_without_a_needed_column_is_refused_with_the_near_miss(tmp_path: Path) -> None:
    made = standing("binary")
    source = write(made.table.rename({"speed [rpm]": "Speed (rpm)"}), tmp_path / "in.csv")
    error = flyball("predict", "plant@1", source, tmp_path / "out.csv", folder=made.folder).error(2)
    assert 'did you mean "Speed (rpm)"?' in error["why"]


def test_columns_that_the_model_does_not_know_are_carried_through(tmp_path: Path) -> None:
    made = standing("binary")
    table = made.table.with_columns(note=pl.Series([f'"{row}"\nü' for row in range(240)]))
    source = write(table, tmp_path / "in.csv")
    flyball("predict", "plant@1", source, tmp_path / "out.csv", folder=made.folder).answer()
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        assert [row["note"] for row in csv.DictReader(file)] == table["note"].to_list()


@pytest.mark.parametrize("destination", ["folder", "out.xlsx", "pipe.csv"])
def test_scores_are_never_written_over_what_is_no_table(destination: str, tmp_path: Path) -> None:
    """Replacing a device or a pipe by a file would break whatever uses it."""
    import os

    made = standing("binary")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    kinds = {path.name: path.stat().st_mode for path in tmp_path.iterdir()}
    error = flyball("predict", "plant@1", made.source, tmp_path / destination, folder=made.folder).error(2)
    assert error["code"] == "FB-PROJECT-008"
    assert {path.name: path.stat().st_mode for path in tmp_path.iterdir()} == kinds


def test_the_same_file_may_be_scored_in_place(tmp_path: Path) -> None:
    made = standing("binary")
    source = write(made.table, tmp_path / "t.csv")
    for _ in range(2):
        flyball("predict", "plant@1", source, source, folder=made.folder).answer()
    assert list(tree(tmp_path)) == ["t.csv"]
    answers = ["prediction", "probability_0", "probability_1", "in_set_0", "in_set_1"]
    with source.open(encoding="utf-8", newline="") as file:
        assert next(csv.reader(file)) == [*made.table.columns, *answers]
