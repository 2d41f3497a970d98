"""The life of a project whose tables are in PostgreSQL, as its commands tell it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

import flyball as fb
from flyball.core.clock import SystemClock
from flyball.predictions import Prediction
from flyball.predictions.log import Told
from support.command_line import flyball
from support.machines import machines
from support.postgres import PostgresServer
from support.stores import Store

SECRET = "k3pt-to-itself"
GONE = "postgresql://flyball:k3pt-to-itself@127.0.0.1:1/plant"


@dataclass(frozen=True)
class Made:
    """A project on a server with one promoted version, and what its commands answered."""

    folder: Path
    url: str
    init: dict[str, Any]
    run: dict[str, Any]
    promoted: dict[str, Any]


@pytest.fixture(scope="module")
def made(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("plant")
    machines(400).write_csv(root / "machines.csv")
    url, folder = postgres.database(), root / "p"
    words = ["--from", root / "machines.csv", "--target", "failed", "--drop", "alarm", "--store", url]
    init = flyball("init", "plant", *words, folder=folder).answer()
    with (folder / "flyball.toml").open("a", encoding="utf-8") as file:
        file.write('\n[gate.staging]\nroc_auc = ">= 0.3"\n')
    run = flyball("run", "--budget", "0s", "--reason", "first", folder=folder).answer()
    promoted = flyball("promote", "plant@1", "staging", "--reason", "go", folder=folder).answer()
    with closing(fb.open(folder)) as project, project.log() as log:
        now = SystemClock().now() - timedelta(days=2)
        log.append([Prediction(f"pred_{n}", now, "plant", 1, None, "", {"load": float(n)}, {}) for n in range(50)])
        log.record([Told("pred_3", "yes"), Told("pred_3", "no")])
    return Made(folder, url, init, run, promoted)


@pytest.fixture
def folder(made: Made, tmp_path: Path, postgres: PostgresServer) -> Iterator[Path]:
    """A copy of the project, on a database of its own."""
    from support.postgres import name_of

    url = postgres.database(like=name_of(made.url))
    copied = Path(shutil.copytree(made.folder, tmp_path / "copied"))
    _use(copied, made.url, url)
    yield copied
    postgres.drop(url)


def _use(folder: Path, old: str, new: str) -> None:
    file = folder / "flyball.toml"
    text = file.read_text(encoding="utf-8")
    assert f'store = "{old}"' in text
    file.write_text(text.replace(f'store = "{old}"', f'store = "{new}"'), encoding="utf-8")


def test_init_run_and_promote_leave_no_database_file_and_everything_verifies(made: Made, folder: Path) -> None:
    assert made.run["version"] == 1
    assert made.promoted["moved"] is True
    assert not list(made.folder.rglob("*.db*"))
    audit = flyball("audit", "verify", folder=folder).answer()
    assert audit["ok"]
    assert audit["checked"]["entries"] >= 5
    assert audit["checked"]["bundles"] == 1


def test_status_log_doctor_and_the_debug_bundle_work_on_it_and_show_no_secret(folder: Path, tmp_path: Path) -> None:
    status = flyball("status", folder=folder).answer()
    assert [alias["alias"] for model in status["models"] for alias in model["aliases"]] == ["staging"]
    entries = flyball("audit", "log", folder=folder).answer()["entries"]
    assert [entry["what"] for entry in entries][:1] == ["alias.moved"]
    doctor = flyball("doctor", "--deep", folder=folder).answer()
    assert doctor["ok"]
    assert {check["name"]: check["state"] for check in doctor["checks"]}["store url"] == "ok"
    assert flyball("debug-bundle", tmp_path / "d.zip", folder=folder).answer()["ok"]


def test_a_second_run_finds_the_steps_of_the_first(folder: Path) -> None:
    again = flyball("run", "--budget", "0s", "--reason", "again", folder=folder)
    assert again.code == 0, again.out


def test_governed_tables_are_rebuilt_from_the_ledger(folder: Path, postgres: PostgresServer) -> None:
    url = _url(folder)
    postgres.sql(url, "DELETE FROM aliases")
    postgres.sql(url, "DROP TABLE model_versions")
    assert flyball("audit", "verify", folder=folder).answer(1)["problems"]
    assert flyball("audit", "rebuild", folder=folder).answer()["entries"] >= 5
    assert flyball("audit", "verify", folder=folder).answer()["ok"]
    uncollated = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
    uncollated += " AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'"
    assert postgres.sql(url, uncollated) == []


def test_an_audit_of_a_database_that_was_emptied_names_it_and_makes_nothing(
    folder: Path, postgres: PostgresServer
) -> None:
    postgres.sql(_url(folder), "DROP SCHEMA public CASCADE")
    postgres.sql(_url(folder), "CREATE SCHEMA public")
    found = flyball("audit", "verify", folder=folder).answer(1)
    assert [problem["code"] for problem in found["problems"]] == ["FB-STORE-012"]
    assert postgres.sql(_url(folder), "SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []


def test_old_predictions_are_cleaned_and_leave_their_entry(folder: Path) -> None:
    file = folder / "flyball.toml"
    file.write_text(file.read_text(encoding="utf-8") + '\n[retention]\npredictions = "1d"\n', encoding="utf-8")
    cleaned = flyball("clean", folder=folder).answer()
    assert cleaned["removed"]["predictions"]["count"] == 50
    assert cleaned["removed"]["predictions"]["outcomes"] == 2
    assert flyball("audit", "verify", folder=folder).answer()["ok"]


def test_a_backup_of_it_is_restored_as_a_project_on_a_file(folder: Path, tmp_path: Path) -> None:
    backup = flyball("backup", tmp_path / "b.tar", folder=folder).answer()
    assert backup["predictions"] == 50
    restored = flyball("restore", tmp_path / "b.tar", folder=tmp_path / "restored").answer()
    assert restored["predictions"] == 50
    assert any("store lay outside" in note for note in restored["notes"])
    assert flyball("audit", "verify", folder=tmp_path / "restored").answer()["ok"]
    assert (tmp_path / "restored" / ".flyball" / "flyball.db").is_file()


def test_a_store_is_copied_to_a_file_and_back_and_verifies_each_time(
    folder: Path, tmp_path: Path, postgres: PostgresServer
) -> None:
    old, file, new = _url(folder), f"sqlite:///{tmp_path}/copy.db", postgres.database()
    first = flyball("store", "copy", "--to", file, folder=folder).answer()
    assert first["ok"]
    assert (first["rows"]["predictions"], first["rows"]["outcomes"]) == (50, 2)
    second = flyball("store", "copy", "--from", file, "--to", new, folder=folder).answer()
    assert second["rows"] == first["rows"]
    assert second["checkpoint"] == first["checkpoint"]
    for table in first["rows"]:
        assert Store(file, tmp_path).rows(f'SELECT count(*) FROM "{table}"') == [(first["rows"][table],)]
        assert postgres.sql(new, f'SELECT count(*) FROM "{table}"') == [(first["rows"][table],)]
    _use(folder, old, new)
    assert flyball("audit", "verify", folder=folder).answer()["ok"]
    with closing(fb.open(folder)) as project, project.log() as log:
        told = log.outcome("pred_3", "yes")  # the numbers of outcomes go on after those that were copied
        assert log.find(["pred_3"])["pred_3"].outcome == told
    assert flyball("run", "--budget", "0s", "--reason", "again", folder=folder).code == 0


def test_a_store_that_holds_something_is_not_copied_into(folder: Path, made: Made) -> None:
    before = flyball("audit", "anchor", folder=folder).answer()
    error = flyball("store", "copy", "--from", made.url, "--to", _url(folder), folder=folder).error(2)
    assert error["code"] == "FB-STORE-016"
    assert flyball("audit", "anchor", folder=folder).answer() == before


def test_a_database_of_another_project_is_not_taken_for_a_new_one(made: Made, tmp_path: Path) -> None:
    machines(200).write_csv(tmp_path / "machines.csv")
    words = ["--from", tmp_path / "machines.csv", "--target", "failed", "--store", made.url]
    error = flyball("init", "other", *words, folder=tmp_path / "other").error(2)
    assert error["code"] == "FB-STORE-016"
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    "command", [["status"], ["run"], ["audit", "verify"], ["doctor"], ["store", "copy", "--to", GONE]]
)
def test_a_server_that_is_away_is_a_coded_error_without_the_password(
    folder: Path, tmp_path: Path, command: list[str]
) -> None:
    _use(folder, _url(folder), GONE)
    ended = flyball(*command, folder=folder)
    assert ended.code in (1, 2), ended.out
    assert "FB-STORE-005" in ended.out
    assert SECRET not in ended.out + ended.err
    if command == ["doctor"]:
        assert "a password stands in the project file" in ended.out


def _url(folder: Path) -> str:
    text = (folder / "flyball.toml").read_text(encoding="utf-8")
    return text.split('store = "', 1)[1].split('"', 1)[0]


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A server of the promoted version in a process of its own; its URL."""
    words = ["serve", "plant@staging", "--port", "0", "--json", "--dir", str(folder)]
    process = subprocess.Popen([sys.executable, "-m", "flyball", *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.stdout.close()
        process.wait(30)


def ask(url: str, load: int) -> str | None:
    """The id of a prediction that was answered; None when the store was away."""
    row = {
        "when": "2025-06-01T00:00:00",
        "engine": "engine 3",
        "load": load,
        "heat": 0.5,
        "site": "north",
        "weight": 1.0,
    }
    answer = httpx.post(f"{url}/predict", json={"rows": [row]}, timeout=60)
    assert answer.status_code in (200, 503), answer.text
    return answer.json()["predictions"][0]["id"] if answer.status_code == 200 else None


def test_two_servers_on_one_database_that_is_killed_and_started_again_lose_no_answer(
    made: Made, tmp_path: Path
) -> None:
    with PostgresServer() as mortal:
        url = mortal.database()
        assert flyball("store", "copy", "--from", made.url, "--to", url, folder=made.folder).answer()["ok"]
        folder = Path(shutil.copytree(made.folder, tmp_path / "p"))
        _use(folder, made.url, url)
        with serving(folder) as one, serving(folder) as two, ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(ask, (one, two)[load % 2], load) for load in range(80)]
            while sum(future.done() for future in waiting) < 20:
                time.sleep(0.01)
            mortal.kill()
            mortal.start()
            answered = [identity for future in waiting if (identity := future.result()) is not None]
            assert ask(one, 1) is not None
            assert ask(two, 2) is not None
        assert len(answered) >= 72  # four were under way, and their group in each server
        with closing(fb.open(folder)) as project, project.log() as log:
            assert len(log.find(answered)) == len(set(answered))
        assert flyball("audit", "verify", folder=folder).answer()["ok"]
