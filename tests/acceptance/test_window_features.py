"""From a table of machines that wear out to a stream of their readings: found, shown, declared, scored, refused."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import flyball as fb
from flyball_runtime import open_bundle
from support.command_line import flyball

UNITS, ROWS = 50, 40


def machines(seed: int) -> pl.DataFrame:
    """Machines whose next fault comes by how high their heat was of late, seen through noise."""
    rng = np.random.default_rng(seed)
    unit, cycle = np.repeat(np.arange(UNITS), ROWS), np.tile(np.arange(1, ROWS + 1), UNITS)
    heat = rng.normal(size=UNITS * ROWS)
    recent = np.array([heat[max(row - 7, row - cycle[row] + 1) : row + 1].mean() for row in range(len(heat))])
    return pl.DataFrame(
        {
            "unit": [f"machine {number}" for number in unit], "cycle": cycle, "heat": heat,
            "load": rng.normal(size=len(heat)), "wear": 10 * recent + rng.normal(size=len(heat)) * 0.5,
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("windows")
    machines(1).write_csv(folder / "wear.csv")
    flyball("init", "wear", "--from", folder / "wear.csv", "--target", "wear", folder=folder / "plant").answer()
    return flyball("run", "--budget", "15s", folder=folder / "plant").answer() | {"folder": folder}


@pytest.fixture(scope="module")
def scored(made: dict[str, Any]) -> tuple[pl.DataFrame, np.ndarray]:
    """New machines, their rows mixed, and what `flyball predict` says of them."""
    folder = made["folder"]
    table = machines(2).drop("wear").sample(fraction=1.0, shuffle=True, seed=0)
    table.write_csv(folder / "new.csv")
    flyball("predict", "wear@1", folder / "new.csv", folder / "out.csv", folder=folder / "plant").answer()
    with (folder / "out.csv").open(encoding="utf-8", newline="") as file:
        return table, np.array([float(row["prediction"]) for row in csv.DictReader(file)])


def test_the_past_is_found_and_pays_on_machines_never_seen(made: dict[str, Any]) -> None:
    assert made["split"]["kind"] == "group"
    assert any("`flyball serve` does not" in note for note in made["notes"])
    assert made["metrics"]["test"]["r2"]["value"] > 0.8  # a row alone knows an eighth of the variance
    told = flyball("features", "wear@1", folder=made["folder"] / "plant").answer()
    assert (told["windows"]["entity"], told["windows"]["order"]) == ("unit", "cycle")
    assert told["windows"]["gain"] > 0.3
    best = next(item for item in told["features"] if item["window"] is not None)
    assert best["columns"] == ["heat"]


def test_a_table_in_any_order_and_its_rows_as_they_come_are_answered_alike(
    made: dict[str, Any], scored: tuple[pl.DataFrame, np.ndarray]
) -> None:
    table, answers = scored
    bundle = open_bundle(made["bundle"])
    assert bundle.manifest["requires"] == ["state"]
    assert bundle.check_golden() <= 1e-12  # a product of matrices rounds by how many rows come together
    came = np.argsort(table["cycle"].to_numpy(), kind="stable")
    state, streamed = None, []
    for begin in range(0, len(came), 113):
        session = bundle.session(state)
        streamed.append(session.push(table[came[begin : begin + 113]])["prediction"])
        state = session.state()
    np.testing.assert_allclose(np.concatenate(streamed), answers[came], rtol=1e-12)


def test_rows_refused_by_a_session_leave_its_past_as_it_was(made: dict[str, Any]) -> None:
    bundle = open_bundle(made["bundle"])
    session, table = bundle.session(), machines(3).drop("wear")
    session.push(table.head(50))
    before = session.state()
    with pytest.raises(Exception, match="FB-TABLE-002"):
        session.push(table.tail(5).drop("heat"))
    assert session.state() == before
    with pytest.raises(Exception, match="FB-SESSION-001"):
        bundle.session(before.replace(b'"windows": "', b'"windows": "!'))


def test_a_server_of_single_rows_refuses_the_model(made: dict[str, Any]) -> None:
    error = flyball("serve", "wear@1", "--port", "0", folder=made["folder"] / "plant").error(1)
    assert error["code"] == "FB-SERVE-021"
    assert "session" in error["fix"]


def test_a_row_is_explained_by_its_past(made: dict[str, Any]) -> None:
    told = flyball("explain", "wear@1", "--row", "70", folder=made["folder"] / "plant").answer()
    assert any("mean of" in str(item) for item in told["reasons"])


def test_what_was_found_can_be_declared_and_gives_the_same_features(made: dict[str, Any], tmp_path: Path) -> None:
    folder = made["folder"]
    section = tmp_path / "windows.toml"
    told = flyball("features", "wear@1", "--export", section, folder=folder / "plant").answer()
    flyball("init", "wear", "--from", folder / "wear.csv", "--target", "wear", folder=tmp_path / "plant").answer()
    project = tmp_path / "plant" / "flyball.toml"
    project.write_text(
        project.read_text(encoding="utf-8") + "\n" + section.read_text(encoding="utf-8"), encoding="utf-8"
    )
    flyball("run", "--budget", "3s", folder=tmp_path / "plant").answer()
    again = flyball("features", "wear@1", folder=tmp_path / "plant").answer()
    assert again["windows"]["declared"]
    assert {item["name"] for item in again["features"]} == {item["name"] for item in told["features"]}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('windows = { features = [{ column = "heat", aggregate = "mean" }] }', "needs a window"),
        ('windows = { features = [{ column = "wear", aggregate = "mean", rows = 3 }] }', "the target"),
        ('windows = { features = [{ column = "heta", aggregate = "mean", rows = 3 }] }', 'did you mean "heat"?'),
    ],
)
def test_a_declaration_without_meaning_is_refused_with_its_line(
    made: dict[str, Any], tmp_path: Path, line: str, said: str
) -> None:
    flyball("init", "wear", "--from", made["folder"] / "wear.csv", "--target", "wear", folder=tmp_path).answer()
    project = tmp_path / "flyball.toml"
    text = project.read_text(encoding="utf-8").replace("[model.wear]\n", f"[model.wear]\n{line}\n")
    project.write_text(text, encoding="utf-8")
    error = flyball("run", folder=tmp_path).error(2)
    assert error["code"] == "FB-WINDOW-001"
    assert said in f"{error['what']} {error['why']} {error['fix']}"
    assert error["where"].startswith("flyball.toml:")


def test_the_python_api_explains_and_scores_raw_rows(made: dict[str, Any]) -> None:
    project = fb.open(made["folder"] / "plant")
    version = project.version("wear@1")
    table = machines(4).drop("wear").head(80)
    np.testing.assert_allclose(version.explain(table).margin[:, 0], version.predict(table), rtol=1e-9)
    assert project.features("wear@1")["windows"]["order"] == "cycle"
    project.close()
