"""What tests on real parts share."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.disks import Mount
from support.servers import Process


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


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Starts servers over folders; what still runs at the end is killed."""
    started: list[Process] = []

    def begin(folder: Path, *arguments: str, token: str | None = None) -> Process:
        started.append(Process(folder, *arguments, token=token))
        return started[-1]

    yield begin
    for one in started:
        one.end(signal.SIGKILL)
