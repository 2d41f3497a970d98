"""A step runs again exactly when something that it depends on has changed."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from support.command_line import flyball
from support.projects import Standing, standing
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
