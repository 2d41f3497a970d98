"""A small real project, made without training, and what is done to it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.command_line import flyball, tree
from support.projects import standing

Mount = Callable[[str], Path]


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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a file system of its own with the given options, which only root may do."""
    if os.geteuid() != 0:
        pytest.fail("a small disk cannot be mounted without root; type: sudo --preserve-env=PATH make test")
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(options: str) -> Path:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], check=True)
        return disk

    yield mount
    subprocess.run(["umount", "--lazy", str(disk)], check=False, stderr=subprocess.DEVNULL)


def checks(folder: Path, *words: str, code: int = 0) -> dict[str, dict[str, object]]:
    """What the doctor says, by the name of the check."""
    told = flyball("doctor", *words, folder=folder).answer(code)
    assert told["ok"] is (code == 0)
    json.dumps(told)
    return {check["name"]: check for check in told["checks"]}
