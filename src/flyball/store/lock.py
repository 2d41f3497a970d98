"""One process at a time: an advisory lock that the kernel releases when its holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flyball.core.files import CannotWrite

__all__ = ["file_lock", "is_held", "open_lock_file"]


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold the lock that `path` stands for, waiting as long as another process (or thread) holds it.

    The file stays afterwards, empty: removing it would let two holders in. Raises CannotWrite.
    """
    handle = open_lock_file(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def open_lock_file(path: Path) -> int:
    """A handle of the file that a lock stands for, made with its folder where it is missing. Raises CannotWrite."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise CannotWrite(
            f"cannot write {path.name}",
            where=str(path),
            why=error.strerror or str(error),
            fix="check that the folder exists and is writable",
        ) from error


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock; True where nobody can tell, False when the file is gone."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
