"""PostgreSQL's errors as coded ones, told apart by SQLSTATE wherever the server gives one."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from flyball.core.files import StoreFull
from flyball.store.errors import StoreBusy, StoreDamaged, StoreUnreachable, ValueRefused
from flyball_runtime.errors import FlyballError

__all__ = ["broken", "explain", "is_starting"]

_BUSY = {"55P03", "40P01", "40001", "57014", "53300"}
_DAMAGED = {"XX001", "XX002", "58030", "42P01", "42703"}
_DENIED = {"42501", "25006"}
_FULL = {"53100"}
_GONE = ("08", "57P")  # connection exceptions; the server is stopping, starting or was killed
_NO_ENTRY = ("28", "3D")  # not let in; no such database


def is_starting(error: Exception) -> bool:
    """Whether the server is there, but not yet, or no longer, ready."""
    said = str(getattr(error, "orig", error))
    return any(word in said for word in ("starting up", "shutting down", "in recovery mode", "not yet accepting"))


def broken(error: DBAPIError) -> bool:
    """Whether the connection was lost, so that nobody knows what became of a commit."""
    state = _state(error)
    return bool(error.connection_invalidated) or state.startswith(_GONE) or (not state and _is_operational(error))


def explain(error: Exception, where: str, password: str | None) -> FlyballError | None:
    """The coded error behind a driver's error, or None when it is a mistake in the program, or another database's."""
    if isinstance(getattr(error, "orig", error), sqlite3.Error):
        return None  # of the file that a copy goes into
    state, why = _state(error), _said(error, password)
    if isinstance(error, PoolTimeout):
        return StoreBusy(
            "too many readers at once", where=where, why="every connection to the store stayed in use",
            fix="try again when some have ended",
        )  # fmt: skip
    if state in _BUSY:
        return StoreBusy(
            "another process kept the store locked", where=where, why=why,
            fix="wait for the other `flyball` command to end, then run this one again",
        )  # fmt: skip
    if state in _FULL:
        return StoreFull(
            "the database server's disk is full, so nothing was written", where=where, why=why,
            fix="free some space on the server and run the command again",
        )  # fmt: skip
    if state in _DENIED:
        return StoreUnreachable(
            "the store may not be written", where=where, why=why,
            fix="let the user of the URL write: it must own the store's tables, on a server that takes writes",
        )  # fmt: skip
    return _not_reached(error, state, where, why) or _not_kept(state, where, why)


def _not_reached(error: Exception, state: str, where: str, why: str) -> FlyballError | None:
    if state.startswith(_NO_ENTRY) or ('database "' in why and "does not exist" in why):
        return StoreUnreachable(
            "the database server does not let us in", where=where, why=why,
            fix="make the database (createdb NAME) and the user; a password belongs into ~/.pgpass or PGPASSWORD",
        )  # fmt: skip
    if state.startswith(_GONE) or isinstance(error, DisconnectionError) or (not state and _is_operational(error)):
        return StoreUnreachable(
            "the database server cannot be reached", where=where, why=why,
            fix="check that it runs, and host, port, user and password; then run the command again",
        )  # fmt: skip
    return None


def _not_kept(state: str, where: str, why: str) -> FlyballError | None:
    if state == "22021" or "NUL" in why:
        return ValueRefused(
            "a text holds a character that PostgreSQL cannot keep", where=where, why=why,
            fix="leave out the character of number zero",
        )  # fmt: skip
    if state in _DAMAGED:
        return StoreDamaged(
            "the store is damaged", where=where, why=why,
            fix="`flyball audit verify` names what is damaged; `flyball audit rebuild` restores governed tables from the "
            "ledger; otherwise restore a backup of the database, or `flyball restore` one of the project",
        )  # fmt: skip
    return None


def _is_operational(error: Exception) -> bool:
    return isinstance(error, OperationalError | InterfaceError)


def _state(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(cause, "sqlstate", None) or "")


def _said(error: Exception, password: str | None) -> str:
    """What the driver says, on one line and without the password."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    said = " ".join(str(cause).split()) or type(cause).__name__
    return said.replace(password, "***") if password else said
