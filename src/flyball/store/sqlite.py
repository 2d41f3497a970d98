"""What SQLite does in its own way: engines on a file, its journal, its checks, its copies, its errors."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from flyball.core.failpoints import failpoint
from flyball.core.files import CannotWrite, StoreFull, sync_directory
from flyball.store.errors import StoreBusy, StoreDamaged, StoreUnreachable
from flyball.store.prepared import SQLITE
from flyball_runtime.errors import FlyballError

__all__ = [
    "copy_files",
    "copy_store",
    "driver_of",
    "explain",
    "explain_copy",
    "file_engine",
    "files_of",
    "for_writing",
    "integrity",
    "needs_copy",
    "quick_check",
    "reading_engine",
    "scratch_engine",
    "scrub",
    "snapshot",
    "tolerant",
    "unused_bytes",
    "use_wal",
    "vacuum",
]

WRITES = "flyball_writes"


def file_engine(path: Path, *, patience_s: float) -> Engine:
    """An engine on a file. Connections wait `patience_s` seconds for a lock; a commit is on the disk when it returns."""
    engine = create_engine(URL.create("sqlite", database=str(path)))
    _prepare(engine, patience_s, reads_only=False)
    return engine


def reading_engine(path: Path, *, patience_s: float) -> Engine:
    """An engine that changes nothing: not the tables, not the file, not the folder, which may be on read-only media.

    The log of a writer that is at work, or that died, is read along, which needs its index beside it: where `needs_copy`
    says so, open a copy instead.
    """
    database, log, _ = files_of(path)
    if log.exists() and log.stat().st_size:
        how = "mode=ro"  # any other connection would move the log into the file when it closes
    elif os.access(path.parent, os.W_OK) and os.access(path, os.W_OK):
        how = "mode=rw"  # a reader in the strict sense would leave an empty log and its index behind
    else:
        how = "immutable=1"
    location = f"file:{quote(str(database.absolute()))}?{how}"
    engine = create_engine(
        "sqlite://",
        poolclass=QueuePool,
        creator=lambda: sqlite3.connect(location, uri=True, check_same_thread=False),
    )
    _prepare(engine, patience_s, reads_only=True)
    return engine


def needs_copy(path: Path) -> bool:
    """Whether a store can only be read elsewhere: its log waits to be read, its folder takes no index of it."""
    _, log, index = files_of(path)
    waiting = log.exists() and log.stat().st_size > 0
    return waiting and not index.exists() and not os.access(path.parent, os.W_OK)


def files_of(path: Path) -> tuple[Path, Path, Path]:
    """The database file, its write-ahead log and the log's index; the last two exist while it is in use."""
    return path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def _prepare(engine: Engine, patience_s: float, *, reads_only: bool) -> None:
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where `begin` below says, nowhere else
        settings = [
            f"busy_timeout = {int(patience_s * 1000)}", "synchronous = FULL", "foreign_keys = ON", "trusted_schema = OFF",
            "secure_delete = ON",  # what is erased is overwritten, not only forgotten
            *(["query_only = ON"] if reads_only else []),
        ]  # fmt: skip
        try:
            with closing(connection.cursor()) as cursor:
                for setting in settings:
                    cursor.execute(f"PRAGMA {setting}")
        except UnicodeDecodeError as error:  # what the driver would say quotes a damaged schema
            raise sqlite3.DatabaseError("Could not decode to UTF-8: the database's schema is damaged") from error

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", _begin)


def scratch_engine() -> Engine:
    """An empty database in memory that lives as long as its engine: where a ledger is replayed for comparison."""
    from sqlalchemy.pool import StaticPool

    return create_engine("sqlite://", poolclass=StaticPool)


def _begin(connection: Connection) -> None:
    # A writer takes the lock at once: a reader that turned writer half-way could only fail, not wait.
    writes = connection.get_execution_options().get(WRITES)
    driver = driver_of(connection)
    if not driver.in_transaction:
        driver.execute(
            "BEGIN IMMEDIATE" if writes else "BEGIN"
        )  # itself: what surrounds a statement costs more than this


def driver_of(connection: Connection) -> sqlite3.Connection:
    """The driver's connection below SQLAlchemy's."""
    driver: Any = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def for_writing(connection: Connection) -> Connection:
    """The connection, which will begin its transactions as a writer and has its driver at hand (see `Prepared`)."""
    return connection.execution_options(**{WRITES: True, SQLITE: driver_of(connection)})


def use_wal(engine: Engine) -> None:
    """Readers never wait for the writer. Kept in the file, so said once per open, under the opening lock."""
    pooled = engine.raw_connection()
    with closing(pooled), closing(pooled.cursor()) as cursor:
        cursor.execute("PRAGMA journal_mode = WAL")


def scrub(engine: Engine) -> bool:
    """Move the write-ahead log into the file and cut it to nothing: it holds the earlier state of changed pages.

    False when somebody was reading for too long, so that the log still holds something.
    """
    pooled = engine.raw_connection()
    with closing(pooled), closing(pooled.cursor()) as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        busy = cursor.fetchone()
        return not (busy and busy[0])


def vacuum(engine: Engine) -> None:
    """Write the file anew without its unused pages. Readers go on; writers wait."""
    pooled = engine.raw_connection()
    with closing(pooled), closing(pooled.cursor()) as cursor:
        cursor.execute("VACUUM")


def unused_bytes(connection: Connection) -> int:
    """Bytes of the file that hold nothing any more; `vacuum` gives them back."""
    pages = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
    return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())


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


def quick_check(connection: Connection) -> list[str]:
    """As `integrity`, without holding each index against its table: several times faster."""
    rows = connection.exec_driver_sql("PRAGMA quick_check(20)").fetchall()
    return [str(row[0]) for row in rows if row[0] != "ok"]


def snapshot(engine: Engine, target: Path, on_progress: Callable[[float], None] | None = None) -> None:
    """Copy the store as it is at this instant to a new file; writers and readers go on meanwhile.

    on_progress: called with the fraction done, in [0, 1].
    """

    def tell(_status: int, remaining: int, total: int) -> None:
        if on_progress is not None:
            on_progress(1.0 - remaining / max(1, total))

    pooled = engine.raw_connection()
    with closing(pooled), closing(sqlite3.connect(target)) as copy:
        source: Any = pooled.driver_connection
        source.execute("BEGIN")  # one read transaction over all steps: a write in between would begin the copy anew
        try:
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            source.backup(copy, pages=_PAGES_A_STEP, progress=tell)
        finally:
            source.execute("ROLLBACK")
        copy.execute("PRAGMA journal_mode = DELETE")


def copy_files(path: Path, folder: Path) -> Path:
    """Copy a store that nobody writes, with its log, into `folder`; where the copy lies."""
    for file in files_of(path)[:2]:
        shutil.copyfile(file, folder / file.name)
    return folder / path.name


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
_PAGES_A_STEP = 2048  # 8 MB: progress every few hundredths of a second


def _disk_is_full(path: Path) -> bool:
    """Whether the store's disk has less than a megabyte left: SQLite then also speaks of an input/output error."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _LEAST_FREE_BYTES


def explain_copy(error: Exception, target: Path) -> FlyballError | None:
    """The coded error of a copy that could not be written; None when it was not the writing that failed."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    number = (getattr(cause, "sqlite_errorcode", 0) or 0) & 0xFF
    if number == sqlite3.SQLITE_FULL or (number == sqlite3.SQLITE_IOERR and _disk_is_full(target)):
        return StoreFull(
            "the disk is full, so the store was not copied", where=str(target.parent),
            fix="free some space, or choose a place with more, and run the command again",
        )  # fmt: skip
    if number == sqlite3.SQLITE_IOERR:
        return CannotWrite(
            "the store cannot be copied", where=str(target.parent), why=str(error),
            fix="check that files of the store's size may be written there, and that both disks are healthy",
        )  # fmt: skip
    return None


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
