"""The tests' own PostgreSQL starts wherever the checkout lies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support import postgres


def test_it_starts_from_a_folder_that_only_its_owner_may_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = postgres._programs()
    package = programs.parents[1]
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    for name in (f"{package.name}/{programs.parent.name}", f"{package.name}.libs"):
        shutil.copytree(package.parent / name, hidden / name, symlinks=True)
    monkeypatch.setattr(postgres, "_programs", lambda: hidden / package.name / programs.parent.name / "bin")
    with postgres.PostgresServer() as server:
        assert server.sql("postgres", "SELECT 1") == [(1,)]
