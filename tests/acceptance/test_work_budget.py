"""So many trials are the same work for any number of workers; a search that is killed or interrupted loses little."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flyball.automl import AutoRegressor
from support.command_line import flyball
from support.projects import TARGET, make_project, standing

RUN = ("-m", "flyball", "run", "--budget", "4 trials", "--json")


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table on which each candidate takes a while."""
    rng = np.random.default_rng(8)
    columns = {f"n{number}": rng.normal(size=2500) for number in range(6)}
    signal_ = columns["n0"] * columns["n1"] + np.sin(3 * columns["n2"]) + rng.normal(scale=0.3, size=2500)
    path = tmp_path_factory.mktemp("slow") / "table.parquet"
    pl.DataFrame({**columns, TARGET: signal_}).write_parquet(path)
    return path


def finished_trials(folder: Path) -> int:
    """Candidates that the store remembers; the pace of the machine is no candidate of a work budget."""
    store = folder / ".flyball" / "flyball.db"
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as reader:
        return int(reader.execute("SELECT count(*) FROM steps WHERE name = 'trial'").fetchone()[0])


def begin(folder: Path) -> subprocess.Popen[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *RUN], cwd=folder, start_new_session=True, **pipes)


def wait_for_trials(process: subprocess.Popen[str], folder: Path, wanted: int) -> None:
    limit = time.monotonic() + 120
    while finished_trials(folder) < wanted:
        assert process.poll() is None, "the search ended before so many of its candidates were remembered"
        assert time.monotonic() < limit
        time.sleep(0.01)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_one_and_two_workers_give_one_content_hash(kind: str, tmp_path: Path) -> None:
    made = standing(kind)  # type: ignore[arg-type]
    hashes, trials = set(), []
    for workers in ("1", "2"):
        folder, _ = make_project(tmp_path / workers, made.source, TARGET)
        answer = flyball("run", "--budget", "5 trials", "--workers", workers, folder=folder).answer()
        hashes.add(answer["content_hash"])
        manifest = json.loads((Path(answer["bundle"]) / "manifest.json").read_text("utf-8"))
        trials.append([(one["name"], one["settings"], one["score"]) for one in manifest["provenance"]["trials"]])
    assert len(hashes) == 1
    assert trials[0] == trials[1]
    assert len(trials[0]) == 6, "the prior and five more"
    families = {"linear", "network", *(["extra trees"] if kind == "multiclass" else [])}
    assert families <= {name for name, _, _ in trials[0]}
    assert all(settings["seed"] == 0 for name, settings, _ in trials[0] if name.startswith("gbm"))


def test_a_search_that_was_killed_goes_on_and_ends_as_if_nothing_had_happened(slow: Path, tmp_path: Path) -> None:
    whole, _ = make_project(tmp_path / "whole", slow, TARGET)
    undisturbed = flyball("run", "--budget", "4 trials", folder=whole).answer()
    folder, _ = make_project(tmp_path / "killed", slow, TARGET)
    process = begin(folder)
    wait_for_trials(process, folder, 2)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    done = finished_trials(folder)
    assert done >= 2
    again = flyball("run", "--budget", "4 trials", folder=folder).answer()
    assert again["content_hash"] == undisturbed["content_hash"]
    assert f"taken over from a search that was interrupted: {done} of its candidates" in again["notes"]
    assert finished_trials(folder) == 0, "what a finished search no longer needs is gone"


def test_ctrl_c_ends_the_search_with_the_best_so_far(slow: Path, tmp_path: Path) -> None:
    folder, _ = make_project(tmp_path / "p", slow, TARGET)
    process = begin(folder)
    wait_for_trials(process, folder, 1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    answer = json.loads(out)
    assert answer["registered"]
    assert "the search was ended early, as asked: the best so far is kept" in answer["notes"]


def test_an_estimator_takes_trials_too() -> None:
    table = standing("regression").table
    models = [
        AutoRegressor(budget="3 trials", random_state=0, n_jobs=jobs).fit(table.drop(TARGET), table[TARGET])
        for jobs in (1, 2)
    ]
    assert models[0].graph_ == models[1].graph_
    assert sum(entry["score"] is not None for entry in models[0].leaderboard_) == 4


@pytest.mark.parametrize("budget", ["0 trials", "many trials", "99999 trials"])
def test_a_budget_that_is_none_is_refused(budget: str, tmp_path: Path) -> None:
    folder = standing("binary").copy(tmp_path / "p")
    refused = flyball("run", "--budget", budget, folder=folder).error(2)
    assert refused["code"] == "FB-CONFIG-005"
    assert flyball("run", "--workers", "0", folder=folder).error(2)["code"] == "FB-CORE-005"
