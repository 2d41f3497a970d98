"""Everything that is particular to SQLite; the rest of Flyball speaks SQL that PostgreSQL understands as well."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from flyball.core.failpoints import failpoint
from flyball.core.files import StoreFull, sync_directory
from flyball.store.errors import StoreBusy, StoreDamaged, StoreUnreachable
from flyball_runtime.errors import FlyballError

__all__ = [
    "DRIVER_ERRORS",
    "WRITES",
    "copy_store",
    "explain",
    "file_engine",
    "integrity",
    "scratch_engine",
    "scrub",
    "tolerant",
    "use_wal",
]

DRIVER_ERRORS = (SQLAlchemyError, sqlite3.Error)
WRITES = "flyball_writes"


def file_engine(path: Path, *, patience_s: float, reads_only: bool = False) -> Engine:
    """An engine on a file. Connections wait `patience_s` seconds for a lock; a commit is on the disk when it returns.

    With `reads_only`, every statement that would change the store is refused by the database itself.
    """
    engine = create_engine(URL.create("sqlite", database=str(path)))

    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where `begin` below says, nowhere else
        with closing(connection.cursor()) as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {int(patience_s * 1000)}")
            cursor.execute("PRAGMA synchronous = FULL")
            cursor.execute("PRAGMA foreign_keys = ON")
            cursor.execute("PRAGMA trusted_schema = OFF")
            cursor.execute("PRAGMA secure_delete = ON")  # what is erased is overwritten, not only forgotten
            if reads_only:
                cursor.execute("PRAGMA query_only = ON")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", _begin)
    return engine


def scratch_engine() -> Engine:
    """An empty database in memory that lives as long as its engine: where a ledger is replayed for comparison."""
    from sqlalchemy.pool import StaticPool

    return create_engine("sqlite://", poolclass=StaticPool)


def _begin(connection: Connection) -> None:
    # A writer takes the lock at once: a reader that turned writer half-way could only fail, not wait.
    writes = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def use_wal(engine: Engine) -> None:
    """Readers never wait for the writer. Kept in the file, so said once per open, under the opening lock."""
    pooled = engine.raw_connection()
    with closing(pooled), closing(pooled.cursor()) as cursor:
        cursor.execute("PRAGMA journal_mode = WAL")


def scrub(engine: Engine) -> None:
    """Move the write-ahead log into the file and cut it to nothing: it holds the earlier state of changed pages."""
    pooled = engine.raw_connection()
    with closing(pooled), closing(pooled.cursor()) as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def tolerant(connection: Connection) -> Iterator[None]:
    """Read text that is no longer UTF-8 as text with surrogates, so that damage can be named instead of raised."""
    driver: Any = connection.connection.driver_connection
    before = driver.text_factory
    driver.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    try:
        yield
    finally:
        driver.text_factory = before


def integrity(connection: Connection) -> list[str]:
    """What SQLite's own check finds wrong with the pages, tables and indexes; empty when all is well."""
    rows = connection.exec_driver_sql("PRAGMA integrity_check(20)").fetchall()
    return [str(row[0]) for row in rows if row[0] != "ok"]


def copy_store(path: Path, target: Path) -> None:
    """Copy a live store, consistently, to `target`, which appears whole or not at all."""
    failpoint("store.backup:before")
    staging = target.with_name(f".{target.name}.tmp")
    staging.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(staging)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
    staging.replace(target)
    sync_directory(target.parent)
    failpoint("store.backup:after")


_LEAST_FREE_BYTES = 2**20


def _disk_is_full(path: Path) -> bool:
    """Whether the store's disk has less than a megabyte left: SQLite then also speaks of an input/output error."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _LEAST_FREE_BYTES


def explain(error: Exception, path: Path) -> FlyballError | None:
    """The coded error behind a driver's error, or None when it is a mistake in the program."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    number = getattr(cause, "sqlite_errorcode", 0) or 0
    kind, text, where = number & 0xFF, str(cause), str(path)
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusy(
            "another process kept the store locked",
            where=where,
            why=text,
            fix="wait for the other `flyball` command to end, then run this one again",
        )
    if kind == sqlite3.SQLITE_FULL or (kind == sqlite3.SQLITE_IOERR and _disk_is_full(path)):
        return StoreFull(
            "the disk is full, so nothing was written", where=where, fix="free some space and run the command again"
        )
    if kind in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return StoreUnreachable(
            "the store cannot be opened for writing",
            where=where,
            why=text,
            fix="check that the folder exists, is writable and belongs to you",
        )
    damaged = kind in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_IOERR)
    if damaged or text.startswith(("no such table", "no such column", "Could not decode to UTF-8")):
        return StoreDamaged(
            "the store is damaged",
            where=where,
            why=text,
            fix="`flyball audit verify` names what is damaged; `flyball audit rebuild` restores governed tables from the "
            "ledger; otherwise put back a backup of this file (its name plus .backup-...)",
        )
    return None
