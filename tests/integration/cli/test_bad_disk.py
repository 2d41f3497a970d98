"""A read-only or full disk: a coded error, exit code 2, and a store that is as it was."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from support.command_line import flyball, tree
from support.disks import Mount
from support.projects import Standing, standing


@pytest.fixture(scope="module")
def made() -> Standing:
    return standing("binary")


def test_a_read_only_project_refuses_every_command_and_keeps_every_byte(made: Standing, small_disk: Mount) -> None:
    disk = small_disk("size=20m")
    folder = made.copy(disk / "p")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    before = tree(disk)
    for words in (("run", "--budget", "2s"), ("promote", "plant@1", "staging", "--reason", "r"), ("audit", "rebuild"),
                  ("predict", "plant@1", made.source, disk / "out.csv"), ("keys", "rotate", "--reason", "r")):  # fmt: skip
        assert flyball(*words, folder=folder).error(2)["why"] == "Read-only file system"
    words = ("init", "plant", "--from", made.source, "--target", made.init["target"])
    assert flyball(*words, folder=disk / "new" / "deep").error(2)["code"] == "FB-FILE-001"
    assert tree(disk) == before


@pytest.mark.parametrize("kilobytes", [4, 40, 120, 200])
def test_a_full_disk_ends_init_with_nothing_left(kilobytes: int, made: Standing, small_disk: Mount) -> None:
    disk = small_disk(f"size={kilobytes}k")
    words = ("init", "plant", "--from", made.source, "--target", made.init["target"])
    error = flyball(*words, folder=disk / "new" / "deep").error(2)
    assert error["code"] == "FB-FILE-002"
    assert tree(disk) == {}


def test_a_disk_that_fills_during_a_run_leaves_a_whole_store_and_the_next_run_ends_well(
    made: Standing, small_disk: Mount
) -> None:
    disk = small_disk("size=20m")
    words = ("init", "plant", "--from", made.source, "--target", made.init["target"])
    folder = disk / "p"
    flyball(*words, folder=folder).answer()
    filler = disk / "filler"
    refused = 0
    for free in (30, 100, 200):
        spare = shutil.disk_usage(disk).free - free * 1024
        with filler.open("ab") as file:
            file.write(bytes(max(0, spare)))
        ended = flyball("run", "--budget", "0.3s", folder=folder)
        if ended.code:
            refused += 1
            assert ended.error(2)["code"] == "FB-FILE-002"
        filler.unlink()
        assert flyball("audit", "verify", folder=folder).answer()["ok"]
    assert refused
    assert flyball("run", "--budget", "0.3s", folder=folder).answer()["version"] == 1
    assert flyball("audit", "verify", folder=folder).answer()["ok"]


def test_scores_cannot_be_written_below_a_file(made: Standing, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    destination = tmp_path / "file" / "out.csv"
    assert flyball("predict", "plant@1", made.source, destination, folder=made.folder).error(2)["code"] == "FB-FILE-001"
    assert tree(tmp_path) == {"file": b"mine"}
