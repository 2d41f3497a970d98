"""Durable files: whole or absent, and never half of each."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flyball.core.files import CannotWrite, replace_directory, write_atomic

WRITER = """
import sys
from pathlib import Path
from flyball.core.files import replace_directory, write_atomic
target = Path(sys.argv[1])
if sys.argv[2] == "file":
    write_atomic(target, b"new", label="test.write")
else:
    replace_directory(target, {"a": b"new", "b": b"new"}, label="test.write")
"""


def write_elsewhere(target: Path, kind: str, failpoint: str) -> int:
    environment = {**os.environ, "FLYBALL_FAILPOINT": failpoint}
    return subprocess.run([sys.executable, "-c", WRITER, str(target), kind], env=environment, check=False).returncode


@pytest.mark.parametrize(("moment", "expected"), [("before", b"old"), ("after", b"new")])
def test_a_kill_leaves_the_old_file_or_the_new_one(tmp_path: Path, moment: str, expected: bytes) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    assert write_elsewhere(target, "file", f"test.write:{moment}") == -9
    assert target.read_bytes() == expected
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(("moment", "expected"), [("before", b"old"), ("after", b"new")])
def test_a_kill_leaves_the_old_directory_or_the_new_one(tmp_path: Path, moment: str, expected: bytes) -> None:
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "a").write_bytes(b"old")
    assert write_elsewhere(target, "directory", f"test.write:{moment}") == -9
    assert (target / "a").read_bytes() == expected
    assert (target / "b").exists() == (moment == "after")


def test_a_directory_is_replaced_whole_and_nothing_of_the_old_one_stays(tmp_path: Path) -> None:
    replace_directory(tmp_path / "bundle", {"old": b"1"}, label="test.write")
    replace_directory(tmp_path / "bundle", {"new": b"2"}, label="test.write")
    assert [path.name for path in (tmp_path / "bundle").iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_file_name_with_a_folder_in_it_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a plain file name"):
        replace_directory(tmp_path / "bundle", {"../escape": b""}, label="test.write")
    assert not (tmp_path / "escape").exists()


def test_a_place_that_cannot_be_written_is_a_coded_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"a file, not a folder")
    with pytest.raises(CannotWrite) as refused:
        write_atomic(tmp_path / "file" / "inside", b"data", label="test.write")
    assert refused.value.code == "FB-FILE-001"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_old_directory_comes_back_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_directory(tmp_path / "bundle", {"old": b"1"}, label="test.write")
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name.endswith(".tmp"):
            raise OSError(errno.EIO, "a failing disk")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(CannotWrite, match="a failing disk"):
        replace_directory(tmp_path / "bundle", {"new": b"2"}, label="test.write")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    assert [path.name for path in (tmp_path / "bundle").iterdir()] == ["old"]


@pytest.mark.parametrize(("moment", "found"), [("written", b"old"), ("aside", None), ("moved", b"new")])
def test_a_kill_between_the_renames_loses_neither_directory(tmp_path: Path, moment: str, found: bytes | None) -> None:
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "a").write_bytes(b"old")
    assert write_elsewhere(target, "directory", f"test.write:{moment}") == -9
    assert (target / "a").read_bytes() == found if found else not target.exists()
    contents = {path.read_bytes() for path in tmp_path.glob("*/a")}
    assert contents == {b"old", b"new"}
