"""A store in an SQLite file."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine

from flyball.core.clock import Clock
from flyball.core.files import CannotWrite
from flyball.store import sqlite
from flyball.store.backend import DRIVER_ERRORS, Sizes
from flyball.store.errors import StoreMissing
from flyball.store.lock import file_lock
from flyball.store.migrate import check_revision, outdated, upgrade
from flyball.store.presence import FilePresence
from flyball_runtime.errors import FlyballError

__all__ = ["SqliteBackend"]


class SqliteBackend:
    """Keeps `Backend`'s promises with a write-ahead log that is synced at every commit; one machine only.

    Writers queue for the file's own lock. `reads_only` opens the file as it is, also on read-only media.
    """

    def __init__(self, path: Path, *, patience_s: float, reads_only: bool = False) -> None:
        self.file: Path | None = path
        self.location = str(path)
        self._path = path
        self._patience_s = patience_s
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._prompt: Connection | None = None
        self._driver: sqlite3.Connection
        self._engine = self._reading() if reads_only else sqlite.file_engine(path, patience_s=patience_s)

    def _reading(self) -> Engine:
        if not self._path.is_file():
            raise StoreMissing(
                "the store is missing",
                where=self.location,
                why="there is no such file; nothing was made in its place",
                fix="put back a backup of this file, or correct `store` in flyball.toml",
            )
        if not sqlite.needs_copy(self._path):
            return sqlite.reading_engine(self._path, patience_s=self._patience_s)
        self._scratch = tempfile.TemporaryDirectory(prefix="flyball-")
        copy = sqlite.copy_files(self._path, Path(self._scratch.name))
        return sqlite.file_engine(copy, patience_s=self._patience_s)

    def prepare(self, clock: Clock) -> None:
        """Also makes the folder. A store that holds data is copied beside itself before it is upgraded."""
        _make_folder(self._path)
        with file_lock(self._path.with_name(self._path.name + ".lock")):
            sqlite.use_wal(self._engine)
            with self._engine.connect() as connection:
                found = outdated(connection, self.location)
            if found is None:
                return
            if found:
                moment = clock.now().strftime("%Y%m%dT%H%M%SZ")
                sqlite.copy_store(self._path, self._path.with_name(f"{self._path.name}.backup-{found}-{moment}"))
            with self.write() as connection:
                upgrade(connection)

    def check(self) -> None:
        with self._engine.connect() as connection:
            check_revision(connection, self.location)

    def write(self, *, wait: bool = True) -> AbstractContextManager[Connection]:
        return self._write_waiting() if wait else self._write_now()

    @contextmanager
    def _write_waiting(self) -> Iterator[Connection]:
        with self._engine.connect() as plain:
            connection = sqlite.for_writing(plain)
            with connection.begin():
                yield connection

    @contextmanager
    def _write_now(self) -> Iterator[Connection]:
        """On one connection that stays, by the driver's own calls: what SQLAlchemy does around them costs more than they."""
        if self._prompt is None:
            engine = sqlite.file_engine(self._path, patience_s=0)
            self._prompt = sqlite.for_writing(engine.connect())
            self._driver = sqlite.driver_of(self._prompt)
        self._driver.execute("BEGIN IMMEDIATE")
        try:
            yield self._prompt
            if self._prompt.in_transaction():  # some statement went through SQLAlchemy
                self._prompt.commit()
            else:
                self._driver.commit()
        except BaseException:
            self._prompt.rollback()
            self._driver.rollback()
            raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def inspect(self) -> Iterator[Connection]:
        with self.read() as connection, sqlite.tolerant(connection):
            yield connection

    def integrity(self, *, quick: bool) -> list[str]:
        with self.inspect() as connection:
            return sqlite.quick_check(connection) if quick else sqlite.integrity(connection)

    def explain(self, error: Exception) -> FlyballError | None:
        return sqlite.explain(error, self._path)

    def snapshot(self, target: Path, on_progress: Callable[[float], None] | None) -> None:
        """Raises StoreFull, CannotWrite when it is the copy that cannot be written."""
        try:
            sqlite.snapshot(self._engine, target, on_progress)
        except DRIVER_ERRORS as error:
            coded = sqlite.explain_copy(error, target)
            if coded is None:
                raise
            raise coded from error

    def sizes(self) -> Sizes:
        total = sum(file.stat().st_size for file in sqlite.files_of(self._path)[:2] if file.exists())
        with self.read() as connection:
            return Sizes(total, sqlite.unused_bytes(connection))

    def reclaim(self, *, whole: bool) -> bool:
        """False when somebody was reading for too long, so that the journal still holds something."""
        if whole:
            sqlite.vacuum(self._engine)
        return sqlite.scrub(self._engine)

    def presence(self) -> FilePresence:
        return FilePresence(self._path.with_name("runs"))

    def close(self) -> None:
        if self._prompt is not None:
            self._prompt.close()
            self._prompt.engine.dispose()
        self._engine.dispose()
        if self._scratch is not None:
            self._scratch.cleanup()


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
