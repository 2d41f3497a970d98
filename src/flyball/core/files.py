"""Durable files: a file is either absent or whole, and once a call returns a power cut cannot undo it."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from flyball.core.failpoints import failpoint
from flyball_runtime.errors import BadInput

__all__ = ["CannotWrite", "StoreFull", "replace_directory", "sync_directory", "sync_file", "write_atomic"]


class CannotWrite(BadInput):
    """A folder or file that Flyball must write cannot be written."""

    code = "FB-FILE-001"


class StoreFull(BadInput):
    """The medium is full; what was being written was removed again."""

    code = "FB-FILE-002"


def write_atomic(path: Path, data: bytes, *, label: str, mode: int = 0o644) -> None:
    """Write `data` to `path` so that readers see the old file or the new one, never a part.

    `label` names the failpoints around the write. Raises StoreFull or CannotWrite; neither leaves anything behind.
    """
    failpoint(f"{label}:before")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_beside(path, data, mode)
        sync_directory(path.parent)
    except OSError as error:
        raise _explain(error, path) from error
    failpoint(f"{label}:after")


def replace_directory(path: Path, files: Mapping[str, bytes], *, label: str) -> None:
    """Write a whole directory: `path` appears complete; an older one of that name is moved aside first, then removed.

    A directory cannot be exchanged in one step: between moving the old one aside and the new one into its place there is
    none, and a crash at that moment leaves both under hidden names beside it (`.NAME.….old`, `.NAME.….tmp`). When the
    second move fails, the old directory is put back. File names may not contain a separator. Raises StoreFull or CannotWrite.
    """
    failpoint(f"{label}:before")
    staging = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staging.mkdir()
        for name, data in files.items():
            if Path(name).name != name:
                raise ValueError(f"not a plain file name: {name!r}")
            _write_synced(staging / name, data, 0o644)
        sync_directory(staging)
        failpoint(f"{label}:written")
        doomed = path.with_name(f".{path.name}.{secrets.token_hex(6)}.old")
        if path.exists():
            path.rename(doomed)
            failpoint(f"{label}:aside")
        _move_in(staging, path, doomed)
        failpoint(f"{label}:moved")
        sync_directory(path.parent)
        shutil.rmtree(doomed, ignore_errors=True)
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise _explain(error, path) from error
    failpoint(f"{label}:after")


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable, not only the contents of its files."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(file: IO[bytes]) -> None:
    """Make what was written to an open file durable."""
    file.flush()
    os.fsync(file.fileno())


def _move_in(staging: Path, path: Path, old: Path) -> None:
    try:
        staging.rename(path)
    except OSError:
        if old.exists():
            old.rename(path)
        raise


def _write_beside(path: Path, data: bytes, mode: int) -> None:
    staging = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        _write_synced(staging, data, mode)
        staging.replace(path)
    except BaseException:
        staging.unlink(missing_ok=True)
        raise


def _write_synced(path: Path, data: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        sync_file(file)


def _explain(error: OSError, path: Path) -> BadInput:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull(
            "the disk is full, so nothing was written",
            where=str(path),
            fix="free some space (`flyball status` shows what the project uses) and run the command again",
        )
    return CannotWrite(
        f"cannot write {path.name}",
        where=str(path),
        why=error.strerror or str(error),
        fix="check that the folder exists, is writable and is on a healthy disk",
    )
