"""A kill at any durable step of a backup, a restore or a cleaning, and a disk that fills: whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import flyball as fb
from flyball.upkeep import restore as restoring
from support.command_line import flyball as here
from support.command_line import tree
from support.disks import Mount
from support.loop_trials import Done, answer, flyball
from support.projects import standing

from .test_clean import age_of_everything, predict, retention

STATE = ".flyball"
UPKEEP = ("backup.", "restore.", "clean.", "predictions.remove", "store.", "ledger.", "registry.")


def started(*words: object, folder: Path, **environment: str) -> Done:
    return flyball(*map(str, words), folder=folder, **environment)


def points(folder: Path, trace: Path, *words: object) -> list[str]:
    """Every failpoint that a command passes: the first and the last time of each."""
    answer(started(*words, folder=folder, FLYBALL_FAILPOINT_TRACE=str(trace)))
    passed = trace.read_text(encoding="utf-8").split()
    counts = {name: passed.count(name) for name in passed}
    return [f"{name}#{nth}" for name, count in counts.items() for nth in sorted({1, count})]


@pytest.mark.timeout(600)
def test_a_kill_at_any_step_of_a_backup_leaves_no_part_of_one(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "to"
    place.mkdir()
    found = points(folder, tmp_path / "trace", "backup", tmp_path / "traced.tar")
    assert {"backup.store:copied#1", "backup.file:written#1", "backup.file:after#1"} <= set(found)
    for point in found:
        target = place / "b.tar"
        assert started("backup", target, folder=folder, FLYBALL_FAILPOINT=point).returncode == -9
        if target.exists():  # it was in its place, and only the ledger was not told
            target.unlink()
        answer(started("backup", target, folder=folder))
        assert [path.name for path in place.iterdir()] == ["b.tar"], point
        here("restore", target, "--dir", tmp_path / "new").answer()
        shutil.rmtree(tmp_path / "new")
        target.unlink()
    assert here("audit", "verify", folder=folder).answer()["ok"]


@pytest.mark.timeout(600)
def test_a_kill_at_any_step_of_a_restore_leaves_no_project_or_a_whole_one(taken: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    found = points(tmp_path / "traced", tmp_path / "trace", "restore", taken)
    assert {"restore.file:written#1", "restore.project:verified#1", "restore.project:after#1"} <= set(found)
    for point in found:
        new = place / "new"
        assert started("restore", taken, folder=new, FLYBALL_FAILPOINT=point).returncode == -9
        assert new.exists() is (point == "restore.project:after#1")
        if new.exists():
            assert here("audit", "verify", folder=new).answer()["ok"]
            shutil.rmtree(new)
        answer(started("restore", taken, folder=new))
        assert [path.name for path in place.iterdir()] == ["new"], point
        assert here("audit", "verify", folder=new).answer()["ok"]
        shutil.rmtree(place)


@pytest.mark.timeout(600)
def test_a_kill_at_any_step_of_a_cleaning_leaves_a_whole_store_and_the_next_one_ends_it(
    folder: Path, tmp_path: Path
) -> None:
    predict(folder, [100] * 300)
    project = fb.open(folder)
    project.artifacts.put(b"nothing names this")
    project.close()
    (folder / STATE / "flyball.db.backup-0001_spine-20200101T000000Z").write_bytes(b"old")
    age_of_everything(folder, 100)
    retention(folder, predictions="90d", steps="90d", artifacts="90d", reports="90d", upgrade_copies="90d")
    traced = shutil.copytree(folder, tmp_path / "traced", copy_function=shutil.copy2)
    found = points(Path(traced), tmp_path / "trace", "clean")
    wanted = {"predictions.remove:before-commit#1", "predictions.remove:after-commit#1", "clean.artifact:removed#1",
              "clean.reports:removed#1", "clean.upgrade_copies:removed#1", "clean.compact:after#1"}  # fmt: skip
    assert wanted <= set(found)
    expected = here("status", folder=Path(traced)).answer()
    for point in found:
        trial = Path(shutil.copytree(folder, tmp_path / "trial", copy_function=shutil.copy2))
        assert started("clean", folder=trial, FLYBALL_FAILPOINT=point).returncode == -9, point
        assert here("audit", "verify", folder=trial).answer()["ok"], point
        answer(started("clean", folder=trial))
        assert here("audit", "verify", folder=trial).answer()["ok"], point
        status = here("status", folder=trial).answer()
        assert (status["predictions"], status["models"]) == (0, expected["models"])
        assert b"UNIQUE-VALUE" not in b"".join(data for data in tree(trial).values() if data), point
        assert len([entry for entry in here("audit", "log", folder=trial).answer()["entries"]
                    if entry["what"] == "predictions.removed"]) == 1  # fmt: skip
        shutil.rmtree(trial)


@pytest.mark.parametrize("kilobytes", [8, 100, 200])
def test_a_disk_that_fills_during_a_backup_leaves_no_part_of_one(
    kilobytes: int, folder: Path, small_disk: Mount
) -> None:
    disk = small_disk(f"size={kilobytes}k")
    assert here("backup", disk / "b.tar", folder=folder).error(2)["code"] == "FB-FILE-002"
    assert tree(disk) == {}
    assert here("audit", "verify", folder=folder).answer()["ok"]


@pytest.mark.parametrize("most", [50_000, 160_000])
def test_a_limit_on_the_size_of_files_ends_a_backup_with_a_code_and_leaves_nothing(
    most: int, folder: Path, tmp_path: Path
) -> None:
    place = tmp_path / "to"
    place.mkdir()
    script = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}))\n"
        "from flyball.cli import main\nraise SystemExit(main(sys.argv[1:]))\n"
    )
    words = [sys.executable, "-c", script, "backup", str(place / "b.tar"), "--dir", str(folder), "--json"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 2, ended.stderr
    assert json.loads(ended.stdout)["error"]["code"] in ("FB-FILE-001", "FB-FILE-002")
    assert tree(place) == {}
    assert here("audit", "verify", folder=folder).answer()["ok"]


@pytest.mark.parametrize("kilobytes", [8, 500, 16_000])
@pytest.mark.parametrize("foreseen", [True, False])
def test_a_disk_that_is_too_small_to_restore_on_stays_empty(
    kilobytes: int, foreseen: bool, taken: Path, small_disk: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not foreseen:  # somebody else fills the disk after it was found to have room
        monkeypatch.setattr(restoring, "_refuse_too_large", lambda *_: None)
    disk = small_disk(f"size={kilobytes}k")
    if kilobytes > 8_000:
        (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - (300 << 10)))
    before = tree(disk)
    assert here("restore", taken, "--dir", disk / "new").error(2)["code"] == "FB-FILE-002"
    assert tree(disk) == before


def test_a_store_that_cannot_be_made_smaller_for_want_of_space_is_cleaned_all_the_same(small_disk: Mount) -> None:
    disk = small_disk("size=24m")
    folder = standing("binary").copy(disk / "p")
    predict(folder, [100] * 6_000 + [1] * 6_000)
    retention(folder, predictions="90d")
    tree(folder)
    with (disk / "filler").open("wb") as file:
        file.write(bytes(max(0, shutil.disk_usage(disk).free - (5 << 20))))
    began = time.monotonic()
    told = here("clean", folder=folder)
    assert time.monotonic() - began < 120
    if told.code == 0:
        assert told.answer()["removed"]["predictions"]["count"] == 6_000
    else:
        assert told.error(2)["code"] == "FB-FILE-002"
    (disk / "filler").unlink()
    assert here("audit", "verify", folder=folder).answer()["ok"]
    here("clean", folder=folder).answer()
    assert here("status", folder=folder).answer()["predictions"] == 6_000
    assert here("audit", "verify", folder=folder).answer()["ok"]
    assert os.path.getsize(folder / STATE / "flyball.db") < 12 << 20  # noqa: PTH202
