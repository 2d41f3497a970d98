"""The one door to the tables: short transactions, one writer at a time, every commit durable."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, CursorResult, Engine, Executable, make_url
from sqlalchemy.exc import ArgumentError

from flyball.core.clock import Clock
from flyball.core.failpoints import failpoint
from flyball.core.files import CannotWrite
from flyball.store import sqlite
from flyball.store.errors import StoreBusy, StoreMissing, StoreUnsupported
from flyball.store.lock import file_lock
from flyball.store.migrate import check_revision, migrate

__all__ = ["Database", "Reader", "Transaction"]

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class Transaction:
    """A write transaction that is under way. It belongs to one thread and ends with its `with` block."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._callbacks: list[Callable[[], None]] = []

    def execute(self, statement: Executable, parameters: Parameters | None = None) -> CursorResult[Any]:
        """Run one statement, once per mapping when `parameters` is a sequence."""
        return self.connection.execute(statement, parameters)

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call this once the transaction is durable; never when it is rolled back."""
        self._callbacks.append(callback)

    def committed(self) -> None:
        """Run the callbacks, in the order in which they were given."""
        for callback in self._callbacks:
            callback()


Reader = Connection | Transaction


class Database:
    """The tables of one project.

    Threads and processes may use one store at once. A reader sees one instant and never waits; writers queue, at most
    `patience_s` seconds (30), then StoreBusy is raised. A `write` block commits when it ends and rolls back when it
    raises; once it has returned, a power cut loses nothing. Errors of the file come as StoreDamaged, StoreBusy,
    StoreUnreachable or StoreFull.
    """

    def __init__(self, engine: Engine, path: Path, clock: Clock, *, patience_s: float) -> None:
        self.path = path
        self.clock = clock
        self._engine = engine
        self._patience_s = patience_s
        self._turn = threading.Lock()
        self._mine = threading.local()
        self._scratch: tempfile.TemporaryDirectory[str] | None = None

    @classmethod
    def open(
        cls, url: str, clock: Clock, *, folder: Path | None = None, patience_s: float = 30.0, create: bool = True
    ) -> Database:
        """Open `sqlite:///FILE`, made or upgraded as needed; a relative FILE is seen from `folder` (or from here).

        Without `create` the store is opened as it is, for reading only, as an audit does: nothing is made, upgraded or
        written, so it may lie on read-only media. Raises StoreUnsupported for other URLs, StoreNewer, StoreForeign,
        StoreDamaged, StoreUnreachable; without `create` also StoreMissing, StoreOlder.
        """
        path = _path(url, folder)
        if not create:
            return cls._open_as_is(path, clock, patience_s)
        _make_folder(path)
        engine = sqlite.file_engine(path, patience_s=patience_s)
        database = cls(engine, path, clock, patience_s=patience_s)
        try:
            with file_lock(path.with_name(path.name + ".lock")), database.explained():
                sqlite.use_wal(engine)
                migrate(engine, path, clock)
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def _open_as_is(cls, path: Path, clock: Clock, patience_s: float) -> Database:
        if not path.is_file():
            raise StoreMissing(
                "the store is missing",
                where=str(path),
                why="there is no such file; nothing was made in its place",
                fix="put back a backup of this file, or correct `store` in flyball.toml",
            )
        scratch = None
        if sqlite.needs_copy(path):
            scratch = tempfile.TemporaryDirectory(prefix="flyball-")
            engine = sqlite.file_engine(sqlite.copy_files(path, Path(scratch.name)), patience_s=patience_s)
        else:
            engine = sqlite.reading_engine(path, patience_s=patience_s)
        database = cls(engine, path, clock, patience_s=patience_s)
        database._scratch = scratch
        try:
            with database.explained():
                check_revision(engine, path)
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def write(self, label: str) -> Iterator[Transaction]:
        """A transaction that holds the write lock from its first moment. `label` names the failpoints at its commit."""
        if getattr(self._mine, "writes", False):
            raise RuntimeError("this thread is already inside a write transaction: pass that one on")
        if not self._turn.acquire(timeout=self._patience_s):
            raise StoreBusy(
                "another thread kept the store locked", where=str(self.path), fix="wait for it to end, then try again"
            )
        self._mine.writes = True
        try:
            with self.explained(), self._engine.connect().execution_options(**{sqlite.WRITES: True}) as connection:
                transaction = Transaction(connection)
                with connection.begin():
                    yield transaction
                    failpoint(f"{label}:before-commit")
            failpoint(f"{label}:after-commit")
        finally:
            self._mine.writes = False
            self._turn.release()
        transaction.committed()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees the store as it is at its first query, whatever is written meanwhile."""
        with self.explained(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def inspect(self) -> Iterator[Connection]:
        """As `read`, for judging a store that may be damaged: text that is not UTF-8 is read, driver errors are raised."""
        with self._engine.connect() as connection, connection.begin(), sqlite.tolerant(connection):
            yield connection

    def integrity(self, *, quick: bool = False) -> list[str]:
        """What the database's own check of its pages and indexes finds wrong; `quick` leaves the indexes out."""
        with self.inspect() as connection:
            return sqlite.quick_check(connection) if quick else sqlite.integrity(connection)

    def snapshot(self, target: Path, on_progress: Callable[[float], None] | None = None) -> None:
        """Copy the store as it is at one instant into the new file `target`, while others read and write.

        Neither waits for the other. on_progress: told the fraction done. Raises StoreFull, CannotWrite and the store's
        errors; what was copied by then is left to the caller.
        """
        with self.explained():
            try:
                sqlite.snapshot(self._engine, target, on_progress)
            except sqlite.DRIVER_ERRORS as error:
                coded = sqlite.explain_copy(error, target)
                if coded is None:
                    raise
                raise coded from error

    def size_bytes(self) -> int:
        """What the store's files take up on the disk."""
        return sum(file.stat().st_size for file in sqlite.files_of(self.path)[:2] if file.exists())

    def unused_bytes(self) -> int:
        """What of the store's file holds nothing any more; `compact` gives it back."""
        with self.read() as connection:
            return sqlite.unused_bytes(connection)

    def compact(self) -> bool:
        """Give unused space back to the disk and remove every trace of deleted rows; writers wait meanwhile.

        It needs as much free space as the store is large. False when readers kept a trace in the journal.
        """
        with self.explained():
            sqlite.vacuum(self._engine)
            return sqlite.scrub(self._engine)

    def scrub(self) -> None:
        """Remove the traces of deleted rows that the database's journal still holds."""
        with self.explained():
            sqlite.scrub(self._engine)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn the driver's errors inside the block into coded ones."""
        try:
            yield
        except sqlite.DRIVER_ERRORS as error:
            coded = sqlite.explain(error, self.path)
            if coded is None:
                raise
            raise coded from error

    def close(self) -> None:
        """Let go of the file. Transactions under way must have ended."""
        self._engine.dispose()
        if self._scratch is not None:
            self._scratch.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _path(url: str, folder: Path | None) -> Path:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreUnsupported(
            f"the store's URL cannot be read: {url}", fix='write it like "sqlite:///.flyball/flyball.db"'
        ) from error
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise StoreUnsupported(
            f"this version keeps its store in an SQLite file, not in {parsed.render_as_string(hide_password=True)}",
            fix='write the store\'s URL like "sqlite:///.flyball/flyball.db"',
        )
    return (folder or Path()) / parsed.database


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(
            "the store's folder cannot be made",
            where=str(path.parent),
            why=error.strerror or str(error),
            fix="check that the folder above it exists and is writable",
        ) from error
