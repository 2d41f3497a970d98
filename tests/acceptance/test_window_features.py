"""From a table of machines that wear out to a stream of their readings: found, shown, declared, scored, refused."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
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
    assert any("`flyball serve` keeps them from request to request" in note for note in made["notes"])
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


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server of the version in production in a process of its own: its URL, and the process. Killed at the end."""
    words = [sys.executable, "-m", "flyball", "serve", "wear@production", "--port", "0", "--json", "--dir", str(folder)]
    process = subprocess.Popen([*words, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield json.loads(line)["url"], process
    finally:
        process.kill()
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def promoted(made: dict[str, Any]) -> Path:
    """A project whose model that looks back is in production."""
    flyball("promote", "wear@1", "production", "--reason", "serve it", folder=made["folder"] / "plant").answer()
    return Path(made["folder"]) / "plant"


def asked(url: str, rows: pl.DataFrame) -> list[dict[str, Any]]:
    answer = httpx.post(f"{url}/predict", json={"rows": rows.to_dicts()}, timeout=60)
    assert answer.status_code == 200, answer.text
    told: list[dict[str, Any]] = answer.json()["predictions"]
    return told


def test_a_server_answers_as_the_whole_table_does_however_often_it_is_killed(
    made: dict[str, Any], promoted: Path, scored: tuple[pl.DataFrame, np.ndarray], tmp_path: Path
) -> None:
    """Rows come in requests of any size, and each server is killed where it stands; nothing acknowledged is lost."""
    folder = Path(shutil.copytree(promoted, tmp_path / "plant"))
    table, answers = scored
    came = np.argsort(table["cycle"].to_numpy(), kind="stable")
    sizes = np.random.default_rng(5).integers(1, 120, size=len(came)).tolist()
    told: list[dict[str, Any]] = []
    while len(told) < len(came):
        with serving(folder) as (url, process):
            for size in sizes[:20]:
                told += asked(url, table[came[len(told) : len(told) + size]]) if len(told) < len(came) else []
            sizes = sizes[20:]
            process.send_signal(signal.SIGKILL)
    np.testing.assert_allclose([one["prediction"] for one in told], answers[came], rtol=1e-12)
    assert {one["arrival"] for one in told} == {"new"}
    assert told[0]["history"] == {"rows": 0, "complete": False}
    assert told[-1]["history"]["complete"]
    with serving(folder) as (url, _):
        again = asked(url, table[came[-1:]])[0]  # the client did not see its last answer, and asks once more
        assert (again["arrival"], again["prediction"]) == ("repeated", pytest.approx(told[-1]["prediction"], rel=1e-12))
        refused = flyball("serve", "wear@production", "--port", "0", folder=folder).error(1)
        assert refused["code"] == "FB-PAST-001"
        said = httpx.get(url).json()["models"][0]["sessions"]
        assert (said["entity"], said["order"], said["entities"]) == ("unit", "cycle", UNITS)
    project = fb.open(folder)  # what is watched is the raw row, as of any model
    logged = project.log().read("wear", limit=1)[0].prediction
    assert set(logged.inputs) == set(open_bundle(made["bundle"]).inputs.names)
    project.close()


def test_a_table_of_earlier_rows_is_a_past_to_go_on_from(
    promoted: Path, scored: tuple[pl.DataFrame, np.ndarray], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(promoted, tmp_path / "plant"))
    table, answers = scored
    early = (table["cycle"] <= 25).to_numpy()
    table.filter(early).write_csv(tmp_path / "early.csv")
    came = np.flatnonzero(~early)[np.argsort(table["cycle"].to_numpy()[~early], kind="stable")]
    for _ in range(2):  # a unit file that names the table again at each start does no harm
        with serving(folder, "--history", str(tmp_path / "early.csv")) as (url, _):
            told, came, expected = asked(url, table[came[:300]]), came[300:], answers[came[:300]]
            np.testing.assert_allclose([one["prediction"] for one in told], expected, rtol=1e-12)
            assert all(one["history"]["rows"] > 0 for one in told)


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
