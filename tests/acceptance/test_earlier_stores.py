"""A store that an earlier version wrote opens in this one with everything in it, also after a kill in mid-upgrade."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flyball.store.migrate import known_revisions
from support.command_line import flyball
from support.earlier import EARLIER, Earlier, has_history, take, tracked_work
from support.loop_trials import flyball as in_process
from support.loop_trials import make_table
from support.postgres import PostgresServer

pytestmark = pytest.mark.skipif(not has_history(), reason="earlier versions come from the history of a full clone")

REVISIONS = list(EARLIER) if os.environ.get("FLYBALL_SOAK") else list(EARLIER)[-1:]
ALIAS = "machines@production"
Rows = dict[str, set[tuple[object, ...]]]


def project_of(version: Earlier, folder: Path) -> str | None:
    """A project with a promoted model, and what a team tracked; the run's id, where the version tracks."""
    table = make_table(folder / "furnaces.csv", rows=300)
    version.flyball("init", "machines", "--from", table, "--target", "failed", "--dir", folder)
    version.flyball("run", "--budget", "1s", "--dir", folder)
    version.flyball("promote", "machines@1", "production", "--reason", "first", "--dir", folder)
    return tracked_work(version, folder) if version.tracks else None


def rows_of(store: Path) -> tuple[dict[str, list[str]], Rows]:
    """The columns of each table, and its rows."""
    with closing(sqlite3.connect(store)) as raw:
        names = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {name: [str(column[1]) for column in raw.execute(f"PRAGMA table_info({name})")] for name in names}
        return columns, {name: select(raw, name, columns[name]) for name in names}


def select(raw: sqlite3.Connection, table: str, columns: list[str]) -> set[tuple[object, ...]]:
    listed = ", ".join(f'"{column}"' for column in columns)
    return set(raw.execute(f"SELECT {listed} FROM {table}"))


def files_of(folder: Path) -> dict[str, bytes]:
    kept = folder / ".flyball" / "artifacts"
    return {str(path.relative_to(kept)): path.read_bytes() for path in sorted(kept.rglob("*")) if path.is_file()}


def served(answer: dict[str, Any]) -> dict[str, Any]:
    """What served, less what is told at the time of asking."""
    return {key: value for key, value in answer.items() if key not in {"at", "asked_at"}}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("revision", REVISIONS)
def test_a_store_of_an_earlier_version_opens_whole(revision: str, tmp_path: Path, postgres: PostgresServer) -> None:
    earlier = take(revision, tmp_path / "earlier")
    folder = tmp_path / "project"
    folder.mkdir()
    run = project_of(earlier, folder)
    store = folder / ".flyball" / "flyball.db"
    columns, before = rows_of(store)
    assert [name for (name,) in before["alembic_version"]] == [revision]
    files = files_of(folder)

    if known_revisions()[-1] != revision:
        killed = in_process("status", folder=folder, FLYBALL_FAILPOINT="store.upgrade:before-commit")
        assert killed.returncode == -9
        assert rows_of(store) == (columns, before)
    status = flyball("status", folder=folder).answer()
    _, after = rows_of(store)
    assert after["alembic_version"] == {(known_revisions()[-1],)}
    with closing(sqlite3.connect(store)) as raw:
        for table in columns.keys() - {"alembic_version"}:
            assert select(raw, table, columns[table]) == before[table], table
    assert files_of(folder).items() >= files.items()
    assert [alias["alias"] for alias in status["models"][0]["aliases"]] == ["production"], status
    assert flyball("audit", "verify", folder=folder).answer()["ok"]
    assert flyball("predict", ALIAS, folder / "furnaces.csv", tmp_path / "answers.csv", folder=folder).code == 0
    answer = flyball("served", ALIAS, folder=folder).answer()
    if run is not None:
        (found,) = flyball("runs", "tags.stage = 'draft'", folder=folder).answer()["runs"]
        assert found["id"] == run
        assert found["metrics.loss"] == 1 / 300

    url = postgres.database()
    assert flyball("store", "copy", "--to", url, folder=folder).answer()["ok"]
    text = (folder / "flyball.toml").read_text(encoding="utf-8")
    (folder / "flyball.toml").write_text(text.replace("[project]", f'[project]\nstore = "{url}"'), encoding="utf-8")
    assert flyball("audit", "verify", folder=folder).answer()["ok"]
    assert served(flyball("served", ALIAS, folder=folder).answer()) == served(answer)
    postgres.drop(url)
