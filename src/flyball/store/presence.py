"""Is the process that began something still alive? Told by what no process outlives: a lock, or a lease that runs out."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from flyball.store.lock import is_held, open_lock_file

if TYPE_CHECKING:
    from flyball.store.database import Transaction

__all__ = ["FilePresence", "Presence"]


class Presence(Protocol):
    """Names that are held by living processes. Threads may call every method at once.

    In doubt a name is held: better something that stays open than something closed under its process. A name is held
    from the transaction that takes it on, so that nobody sees what it stands for without it.
    """

    def hold(self, tx: Transaction, name: str) -> None:
        """Hold `name` as long as this process lives, from inside the transaction that writes what it stands for."""

    def release(self, name: str) -> None:
        """Let go of `name`, whoever held it; of one that nobody holds, too."""

    def held(self, name: str) -> bool:
        """Whether a living process holds `name`."""


class FilePresence:
    """A lock on `FOLDER/NAME.lock`: the kernel releases it when its process dies, however it dies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handles: dict[str, int] = {}

    def hold(self, tx: Transaction, name: str) -> None:  # noqa: ARG002 - others take the lease inside the transaction
        """Take the lock. Raises CannotWrite."""
        handle = open_lock_file(self._file(name))
        self._handles[name] = handle
        fcntl.flock(handle, fcntl.LOCK_EX)

    def release(self, name: str) -> None:
        """Remove the file and let go of the lock."""
        handle = self._handles.pop(name, None)
        with contextlib.suppress(OSError):  # an empty file that stays does no harm
            self._file(name).unlink(missing_ok=True)
        if handle is not None:
            os.close(handle)

    def held(self, name: str) -> bool:
        """Whether a process holds the lock; True where nobody can tell."""
        return is_held(self._file(name))

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.lock"
