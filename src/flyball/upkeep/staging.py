"""Work that takes a while and must appear at once: a hidden folder beside its place, and locks between those at work."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from flyball.core.files import CannotWrite, StoreFull
from flyball.store import is_held, open_lock_file
from flyball_runtime.errors import BadInput, Refused

__all__ = ["UpkeepBusy", "explained", "staging_beside", "upkeep_lock"]

_HELD = "held.lock"
_ENDING = ".flyball-tmp"
_POLL_S = 0.05


class UpkeepBusy(Refused):
    """A backup waits for `flyball clean` to end, or the other way round: one must not remove what the other copies."""

    code = "FB-BACKUP-007"


@contextlib.contextmanager
def staging_beside(target: Path) -> Iterator[Path]:
    """A new hidden folder beside `target`, gone afterwards; what others that died left there goes too.

    So what is made in it can take the target's place by one rename.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for old in target.parent.glob(f".*{_ENDING}"):
        if not is_held(old / _HELD):
            shutil.rmtree(old, ignore_errors=True)
    staging = target.with_name(f".{target.name}.{secrets.token_hex(6)}{_ENDING}")
    staging.mkdir(mode=0o700)
    handle = os.open(staging / _HELD, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        os.close(handle)


@contextlib.contextmanager
def upkeep_lock(path: Path, *, shared: bool, patience_s: float = 30.0) -> Iterator[None]:
    """Keep backups (shared) and cleaning (alone) of one store apart, by a lock on `path`. Raises UpkeepBusy, CannotWrite.

    Nothing else waits for this lock: runs, servers and promotions go on.
    """
    handle = open_lock_file(path)
    try:
        _wait(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, patience_s, path)
        yield
    finally:
        os.close(handle)


def _wait(handle: int, kind: int, patience_s: float, path: Path) -> None:
    end = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
            return
        except OSError as error:
            if time.monotonic() >= end:
                other = "flyball clean" if kind == fcntl.LOCK_SH else "flyball backup"
                raise UpkeepBusy(
                    f"another `{other}` is under way in this project",
                    where=str(path),
                    why="one must not remove what the other copies",
                    fix="run the command again when the other has ended",
                ) from error
            time.sleep(_POLL_S)


@contextlib.contextmanager
def explained(path: Path, what: str) -> Iterator[None]:
    """Turn the system's refusals inside the block into coded errors; `what` says what could not be done."""
    try:
        yield
    except OSError as error:
        raise _explain(error, path, what) from error


def _explain(error: OSError, path: Path, what: str) -> BadInput:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StoreFull(
            f"{what}: the disk is full, and what was written is removed again",
            where=str(path),
            why=error.strerror,
            fix="free some space, or choose a place with more, and run the command again",
        )
    return CannotWrite(
        what,
        where=str(error.filename or path),
        why=error.strerror or str(error),
        fix="check that it is there, may be read or written, and lies on a healthy disk",
    )
