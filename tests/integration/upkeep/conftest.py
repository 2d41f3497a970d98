"""A small real project, made without training, and what is done to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.command_line import flyball, tree
from support.projects import standing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with one registered version, to be changed."""
    tree(standing("binary").folder)  # so that SQLite has tidied up before it is copied
    return standing("binary").copy(tmp_path / "p")


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of such a project."""
    place = tmp_path_factory.mktemp("taken")
    project = standing("binary").copy(place / "p")
    flyball("backup", place / "backup.tar", folder=project).answer()
    return place / "backup.tar"


def checks(folder: Path, *words: str, code: int = 0) -> dict[str, dict[str, object]]:
    """What the doctor says, by the name of the check."""
    told = flyball("doctor", *words, folder=folder).answer(code)
    assert told["ok"] is (code == 0)
    json.dumps(told)
    return {check["name"]: check for check in told["checks"]}
