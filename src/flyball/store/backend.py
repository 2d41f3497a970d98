"""What a database must do to hold a store: a small port, so that the rest of Flyball speaks plain SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from flyball.core.clock import Clock
from flyball.store.presence import Presence

if TYPE_CHECKING:
    from flyball_runtime.errors import FlyballError

__all__ = ["DRIVER_ERRORS", "Backend", "Sizes"]

# Whatever a driver may raise: SQLAlchemy wraps all of it but what SQLite's own calls raise.
DRIVER_ERRORS = (SQLAlchemyError, sqlite3.Error)


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a store takes up, and how much of it holds nothing any more, in bytes; the second may be an estimate."""

    total: int
    unused: int


class Backend(Protocol):
    """One database with the tables of one store.

    Threads: every method may be called by many at once; a connection belongs to the thread that asked for it.
    Processes: several may hold the same store, on other machines too where the database is a server.
    Order: one `write` is under way at a time, over all of them; each sees what every earlier one committed. A `read`
    sees the store as it is at its first query, waits for no writer, and no writer waits for it.
    Durability: once `write` ended without an error, neither a killed process nor a power cut loses it; one that raised,
    or whose process or server died before, leaves nothing. Errors: the driver's own, which `explain` translates; those
    that only this port can know (a connection that broke during a commit) come translated.

    `location` names the store in messages and shows no password. `file` is the database's file; None for a server.
    """

    location: str
    file: Path | None

    def prepare(self, clock: Clock) -> None:
        """Make the tables, or bring them to this version; one opener at a time, all steps or none.

        Raises StoreNewer, StoreForeign.
        """

    def check(self) -> None:
        """That the tables are those of this version. Raises StoreMissing, StoreOlder, StoreNewer, StoreForeign."""

    def write(self, *, wait: bool = True) -> AbstractContextManager[Connection]:
        """A transaction that has the write lock from its first moment. A lock that stays taken is an error to `explain`;
        without `wait` one that is taken now is. No two without `wait` are under way at once in one process.
        """

    def read(self) -> AbstractContextManager[Connection]:
        """A transaction that changes nothing."""

    def inspect(self) -> AbstractContextManager[Connection]:
        """As `read`, for a store that may be damaged: text is given as it lies there, readable or not."""

    def integrity(self, *, quick: bool) -> list[str]:
        """What the database's own check of its pages and indexes finds wrong; `quick` leaves out what takes long."""

    def explain(self, error: Exception) -> FlyballError | None:
        """The coded error behind a driver's error; None when it is a mistake in the program."""

    def snapshot(self, target: Path, on_progress: Callable[[float], None] | None) -> None:
        """Copy the store as it is at one instant into the new SQLite file `target`, while others read and write."""

    def sizes(self) -> Sizes:
        """How large the store is."""

    def reclaim(self, *, whole: bool) -> bool:
        """Remove the traces of deleted rows; `whole` also gives unused space back to the disk. False when a trace stays."""

    def presence(self) -> Presence:
        """Who is alive, told by what outlives no process."""

    def close(self) -> None:
        """Let go of every connection. Transactions under way must have ended."""
