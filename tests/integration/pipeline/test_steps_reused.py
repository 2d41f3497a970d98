"""A step runs again exactly when something that it depends on has changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import flyball as fb
from support.command_line import flyball
from support.projects import TARGET, Standing, make_project, standing
from support.tables import write

ALL = ["read", "look", "train", "prove"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return standing("regression").copy(tmp_path / "p")


def rerun(folder: Path, old: str = "", new: str = "", budget: str = "1s") -> list[str]:
    """Change the project file and run: the steps that were reused."""
    file = folder / "flyball.toml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1) if old else text, encoding="utf-8")
    reused: list[str] = flyball("run", "--budget", budget, folder=folder).answer()["reused"]
    return reused


MODEL = "[model.plant]\n"
BUDGET = 'budget = "60s"\n'


def test_nothing_changed(folder: Path) -> None:
    assert rerun(folder) == ALL


def test_a_comment_changes_nothing(folder: Path) -> None:
    assert rerun(folder, MODEL, "# a thought\n" + MODEL) == ALL


def test_another_budget_trains_again(folder: Path) -> None:
    assert rerun(folder, budget="0.5s") == ["read", "look"]


def test_another_seed_or_metric_trains_again(folder: Path) -> None:
    assert rerun(folder, BUDGET, BUDGET + 'metric = "mae"\n', budget="0.3s") == ["read", "look"]


def test_dropping_a_column_trains_again(folder: Path) -> None:
    assert rerun(folder, BUDGET, BUDGET + 'drop = ["ok?"]\n', budget="0.3s") == ["read", "look"]


def test_marking_a_column_personal_forgets_what_was_said_of_it_and_does_not_train_again(folder: Path) -> None:
    assert rerun(folder, MODEL, 'personal = ["ok?"]\n' + MODEL) == ["train"]


def test_the_same_content_in_another_file_is_the_same_dataset(folder: Path, tmp_path: Path) -> None:
    made: Standing = standing("regression")
    moved = tmp_path / "elsewhere.csv"
    moved.write_bytes(made.source.read_bytes())
    assert rerun(folder, str(made.source), str(moved))[-3:] == ["look", "train", "prove"]


def test_a_changed_cell_makes_everything_again(folder: Path, tmp_path: Path) -> None:
    made: Standing = standing("regression")
    changed = write(made.table.with_columns(pl.col("speed [rpm]") + 1), tmp_path / "changed.csv")
    assert rerun(folder, str(made.source), str(changed), budget="0.3s") == []


# -- what else a step depends on


def test_settings_added_after_a_run_make_what_they_make_from_the_start(tmp_path: Path) -> None:
    """A group beside a time changes no row that is learned from, but what intervals go by; a cap only the choice."""
    source = tmp_path / "engines.csv"
    rng = np.random.default_rng(8)
    engine, load = rng.integers(0, 12, 600), rng.normal(size=600)
    start = datetime(2025, 1, 1, tzinfo=UTC)
    write(
        pl.DataFrame({
            "when": [start + timedelta(hours=2 * hour) for hour in range(600)],
            "engine": [f"e{number}" for number in engine],
            "load": load,
            "wear": 2 * load + 0.8 * engine + rng.normal(size=600),
        }),
        source,
    )  # fmt: skip
    folder, _ = make_project(tmp_path / "later", source, "wear")
    file = folder / "flyball.toml"
    plain = file.read_text(encoding="utf-8").replace(BUDGET, 'time = "when"\nbudget = "3 trials"\n')
    grouped = plain.replace('time = "when"\n', 'time = "when"\ngroup = "engine"\nsplit = "time"\n')
    made = []
    for text in (plain, grouped, grouped.replace(MODEL, MODEL + 'size = "200 kB"\n')):
        file.write_text(text, encoding="utf-8")
        made.append(flyball("run", folder=folder).answer())
    assert "train" not in made[1]["reused"] + made[2]["reused"]

    fresh, _ = make_project(tmp_path / "fresh", source, "wear")
    (fresh / "flyball.toml").write_text(grouped, encoding="utf-8")
    from_the_start = flyball("run", folder=fresh).answer()
    assert from_the_start["content_hash"] == made[1]["content_hash"]
    assert made[1]["content_hash"] != made[0]["content_hash"]


def test_what_is_said_of_a_file_is_of_the_file_that_was_read(tmp_path: Path) -> None:
    """Cells that were no numbers are mended to blanks: the same content, and nothing to say any more."""
    made: Standing = standing("regression")
    rows = made.table.height
    speed = [f"{value:.6f}" for value in np.random.default_rng(1).normal(size=rows)]
    bad, mended = ([*speed[:9], cell, *speed[10:]] for cell in ("oops", ""))
    source = write(made.table.with_columns(pl.Series("new", bad)), tmp_path / "machines.csv")
    folder, _ = make_project(tmp_path / "p", source, TARGET)
    told = flyball("run", "--budget", "0.3s", folder=folder).answer()["notes"]
    assert any("line 11" in note and "oops" in note for note in told)
    write(made.table.with_columns(pl.Series("new", mended)), source)
    again = flyball("run", "--budget", "0.3s", folder=folder).answer()
    assert not any("oops" in note for note in again["notes"])
    assert again["reused"] == ["look", "train"]


def test_what_is_said_of_a_table_in_memory_is_of_the_table_that_was_given(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=200)
    clean = {"x": x, "y": (x + rng.normal(size=200) > 0).astype(int)}
    listed = {**clean, "tags": [["a"]] * 200}
    for name, tables in {"first": (clean, listed), "second": (listed, clean)}.items():
        project = fb.open(standing("regression").copy(tmp_path / name))
        for table in tables:
            notes = project.learn(table, target="y", budget="0.3s").evidence["data"]["notes"]
            assert any('"tags" is left out' in note for note in notes) == ("tags" in table)
