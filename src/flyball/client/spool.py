"""What a tracker was told, as lines of a file, until a server has it: nothing is lost when the training dies."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["Spool", "waiting_spools"]

_ENDING = ".jsonl"
_written = json.JSONEncoder(separators=(",", ":")).encode  # made once: `json.dumps` would make one for each record


class Spool:
    """A file of JSON lines, and beside it how many bytes of it a server has acknowledged.

    One process writes; threads of it may share it. What `sync` has returned for survives a kill and a power cut.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sent_path = path.with_suffix(".sent")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._files = path.with_suffix(".files")
        self._unsynced: list[Path] = []
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._file = path.open("ab")

    def add(self, records: list[dict[str, Any]]) -> None:
        """Append records; the operating system has them when it returns."""
        data = "".join(_written(record) + "\n" for record in records).encode()
        with self._lock:
            self._file.write(data)
            self._file.flush()

    def keep(self, source: Path) -> str:
        """Copy a file as it is now, so that it may change or go; the name for `kept`. Raises OSError."""
        self._files.mkdir(exist_ok=True)
        name = f"{os.getpid()}-{next(self._numbers)}"
        shutil.copyfile(source, self._files / name)
        with self._lock:
            self._unsynced.append(self._files / name)
        return name

    def kept(self, name: str) -> Path:
        """Where the copy of a file lies, as long as it waits."""
        return self._files / Path(name).name

    def drop(self, name: str) -> None:
        """A server has the file, or does not want it."""
        for path in (self.kept(name), self.kept(f"{name}.upload")):
            path.unlink(missing_ok=True)

    def sync(self) -> None:
        """The disk has everything that was added and kept."""
        with self._lock:
            unsynced, self._unsynced = self._unsynced, []
        for path in unsynced:
            with contextlib.suppress(FileNotFoundError):  # what was sent meanwhile is needed no more
                _sync(path)
        if unsynced:
            _sync(self._files)
        with self._lock:
            self._file.flush()
            os.fsync(self._file.fileno())

    def pending(self, most: int) -> tuple[list[dict[str, Any]], int]:
        """The next records that no server has, at most so many, and the place after them."""
        place = self.sent()
        found: list[dict[str, Any]] = []
        with self.path.open("rb") as file:
            file.seek(place)
            for line in _whole_lines(file):
                if len(found) == most:
                    break
                place += len(line)
                record = _record(line)
                if record is not None:
                    found.append(record)
        return found, place

    def sent(self) -> int:
        """How many bytes a server has acknowledged."""
        try:
            return int(self._sent_path.read_text())
        except (OSError, ValueError):
            return 0

    def acknowledge(self, place: int) -> None:
        """A server has everything before `place`. A crash here only means that some of it is sent again."""
        staging = self._sent_path.with_suffix(".new")
        staging.write_text(str(place))
        staging.replace(self._sent_path)

    def done(self) -> bool:
        """Whether a server has everything."""
        return self.sent() >= self.path.stat().st_size

    def close(self, *, remove: bool = False) -> None:
        """Let go of the file; `remove` it when nothing of it is needed any more."""
        with self._lock:
            self._file.close()
        if remove:
            for path in (self.path, self._sent_path):
                path.unlink(missing_ok=True)
            shutil.rmtree(self._files, ignore_errors=True)


def waiting_spools(folder: Path) -> list[Path]:
    """The files of runs that no server has whole yet, oldest first."""
    return sorted(folder.glob(f"*{_ENDING}"), key=lambda path: (path.stat().st_mtime, path.name))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _whole_lines(file: Any) -> Iterator[bytes]:
    """Lines that were written to their end; a kill may have left half of the last one."""
    for line in file:
        if line.endswith(b"\n"):
            yield line


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
