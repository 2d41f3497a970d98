"""Values that only stand for a missing one count as missing in training, in the graph, and in what is served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import flyball as fb
from flyball_runtime.bundle import open_bundle
from support.command_line import flyball

ROWS = 600


def table(path: Path, *, marked_target: bool = False) -> Path:
    """`heat` holds -200 and `state` "unknown" where they were not measured; the target follows both."""
    rng = np.random.default_rng(8)
    heat, state = rng.normal(400, 60, ROWS).round(1), rng.choice(["idle", "run", "stop"], ROWS)
    y = (heat / 20 + 4 * (state == "run") + rng.normal(size=ROWS)).round(2)
    gone = rng.random(ROWS) < 0.15
    columns = {
        "heat": np.where(gone, -200.0, heat),
        "state": np.where(rng.random(ROWS) < 0.15, "unknown", state),
        "load": rng.normal(size=ROWS).round(3),
        "y": np.where(rng.random(ROWS) < 0.1, -999.0, y) if marked_target else y,
    }
    pl.DataFrame({name: values.tolist() for name, values in columns.items()}).write_csv(path)
    return path


def made(folder: Path, source: Path, change: tuple[str, str] | None = None) -> dict[str, Any]:
    flyball("init", "m", "--from", str(source), "--target", "y", folder=folder).answer(0)
    if change:
        file = folder / "flyball.toml"
        file.write_text(file.read_text("utf-8").replace(*change, 1), "utf-8")
    return flyball("run", "--budget", "3s", folder=folder).answer(0)


def served(answer: dict[str, Any], heat: list[float | None], state: list[str | None]) -> list[float]:
    bundle = open_bundle(answer["bundle"])
    rows = {"heat": heat, "state": state, "load": [0.1] * len(heat)}
    return bundle.score(rows)["prediction"].tolist()


def test_what_is_found_is_shown_and_served_as_missing(tmp_path: Path) -> None:
    first = flyball(
        "init", "m", "--from", str(table(tmp_path / "t.csv")), "--target", "y", folder=tmp_path / "m"
    ).answer(0)
    assert any("-200 is taken as missing" in note for note in first["notes"])
    assert "-200 is taken as missing" in (tmp_path / "m" / "flyball.toml").read_text("utf-8")
    answer = flyball("run", "--budget", "3s", folder=tmp_path / "m").answer(0)
    found = {item["column"]: item["values"] for item in answer["findings"] if item["action"] == "as missing"}
    assert found == {"heat": [-200.0], "state": ["unknown"]}
    # the bundle, which knows no project, does the same: its graph holds the rule
    marked, missing = served(answer, [-200.0, None], ["run", "run"])
    assert marked == missing
    words = served(answer, [400.0] * 4, ["unknown", None, "UNKNOWN", "run"])
    assert words[0] == words[1] == words[2] != words[3]


@pytest.mark.parametrize(
    ("said", "heat_means_missing", "state_means_missing"),
    [
        ('missing = { heat = [], state = ["stop"] }', False, {"stop"}),
        ("missing = { heat = [-200] }", True, {"unknown"}),
    ],
)
def test_the_project_file_has_the_last_word(
    tmp_path: Path, said: str, heat_means_missing: bool, state_means_missing: set[str]
) -> None:
    answer = made(tmp_path / "m", table(tmp_path / "t.csv"), ("[data.m]", f"[data.m]\n{said}"))
    marked, missing = served(answer, [-200.0, None], ["run", "run"])
    assert marked == missing or not heat_means_missing
    assert "heat" not in {item["column"] for item in answer["findings"]}
    values = dict(zip(["stop", "unknown", None], served(answer, [400.0] * 3, ["stop", "unknown", None]), strict=True))
    assert {word for word in ("stop", "unknown") if values[word] == values[None]} == state_means_missing
    assert any('"heat": ' in note and "declared in the project file" in note for note in noted(answer, tmp_path / "m"))


def noted(answer: dict[str, Any], folder: Path) -> list[str]:
    project = fb.open(folder)
    try:
        return list(project.version(f"m@{answer['version']}").evidence["data"]["notes"])
    finally:
        project.close()


def test_rows_whose_target_only_looks_known_are_left_out(tmp_path: Path) -> None:
    answer = made(tmp_path / "m", table(tmp_path / "t.csv", marked_target=True))
    assert [item["values"] for item in answer["findings"] if item["column"] == "y"] == [[-999.0]]
    assert answer["metrics"]["test"]["r2"]["value"] > 0.5


def test_declared_values_of_another_kind_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    flyball("init", "m", "--from", str(table(tmp_path / "t.csv")), "--target", "y", folder=folder).answer(0)
    file = folder / "flyball.toml"
    file.write_text(file.read_text("utf-8").replace("[data.m]", '[data.m]\nmissing = { heat = ["none"] }'), "utf-8")
    assert flyball("run", "--budget", "3s", folder=folder).answer(2)["error"]["code"] == "FB-PIPE-030"


def test_near_copies_stay_on_one_side_of_the_split(tmp_path: Path) -> None:
    """400 noisy rows, each three times with numbers shaken: learned by heart they score far too well."""
    rng = np.random.default_rng(5)
    columns = {name: np.repeat(rng.normal(size=400), 3) for name in "abcd"}
    y = np.repeat((rng.normal(size=400) > 0).astype(int), 3)
    shaken = {name: (values + 1e-4 * rng.normal(size=1200)).tolist() for name, values in columns.items()}
    order = rng.permutation(1200)
    pl.DataFrame({**shaken, "y": y.tolist()})[order.tolist()].write_csv(tmp_path / "t.csv")
    answer = made(tmp_path / "m", tmp_path / "t.csv")
    assert [item["kind"] for item in answer["findings"]] == ["near-duplicate rows"]
    assert answer["metrics"]["test"]["roc_auc"]["value"] < 0.7
