"""The one door to the tables: short transactions, one writer at a time, every commit durable."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from sqlalchemy import URL, Connection, CursorResult, Executable, make_url
from sqlalchemy.exc import ArgumentError

from flyball.core.clock import Clock
from flyball.core.failpoints import failpoint
from flyball.store.backend import DRIVER_ERRORS, Backend
from flyball.store.errors import StoreBusy, StoreUnsupported
from flyball.store.prepared import Prepared, each_row, rows_of, sqlite_of
from flyball.store.presence import Presence

__all__ = ["Database", "Done", "Reader", "Transaction", "Write"]

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Found = TypeVar("Found")


class Transaction:
    """A write transaction that is under way. It belongs to one thread and ends with its `with` block."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._driver = sqlite_of(connection)
        self._callbacks: list[Callable[[], None]] = []

    def execute(self, statement: Executable, parameters: Parameters | None = None) -> CursorResult[Any]:
        """Run one statement, once per mapping when `parameters` is a sequence."""
        return self.connection.execute(statement, parameters)

    def rows(self, statement: Prepared, values: Mapping[str, Any]) -> list[Any]:
        """Run a prepared statement once; every row of its answer, by place."""
        return rows_of(self.connection, self._driver, statement, values)

    def each(self, statement: Prepared, values: Sequence[Mapping[str, Any]]) -> None:
        """Run a prepared statement once for each of `values`."""
        each_row(self.connection, self._driver, statement, values)

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call this once the transaction is durable; never when it is rolled back."""
        self._callbacks.append(callback)

    def committed(self) -> None:
        """Run the callbacks, in the order in which they were given."""
        for callback in self._callbacks:
            callback()


Reader = Connection | Transaction


@dataclass(frozen=True, slots=True)
class Write(Generic[Found]):
    """A change that is made whole or not at all: `work` is called inside a transaction, again after one that was undone.

    rows: about how many it writes, which says how long it takes.
    """

    label: str
    work: Callable[[Transaction], Found]
    rows: int = 1


class Done(Generic[Found]):
    """What became of a write: `value` gives what its work returned, or raises why nothing of it is in the store."""

    def __init__(self, found: Found | None = None, error: Exception | None = None) -> None:
        self._found, self._error = found, error

    @property
    def value(self) -> Found:
        if self._error is not None:
            raise self._error
        return self._found  # type: ignore[return-value]


class Database:
    """The tables of one project.

    Threads and processes may use one store at once, on several machines where it is a server's. A reader sees one instant
    and never waits; writers queue, at most `patience_s` seconds (30), then StoreBusy is raised. A `write` block commits
    when it ends and rolls back when it raises; once it has returned, a power cut loses nothing. Errors of the database
    come as StoreDamaged, StoreBusy, StoreUnreachable, StoreFull or ValueRefused. See `flyball.store.backend.Backend`.
    """

    def __init__(self, backend: Backend, clock: Clock, *, folder: Path, patience_s: float) -> None:
        self.clock = clock
        self.folder = backend.file.parent if backend.file else folder
        self._backend = backend
        self._patience_s = patience_s
        self._turn = threading.Lock()
        self._mine = threading.local()

    @classmethod
    def open(
        cls, url: str, clock: Clock, *, folder: Path | None = None, patience_s: float = 30.0, create: bool = True
    ) -> Database:
        """Open `sqlite:///FILE` or `postgresql://USER@HOST/DATABASE`, made or upgraded as needed.

        `folder` (or this one) is where a relative FILE is seen from, and where what a store on a server keeps beside
        itself lies (see `beside`). Without `create` the store is opened as it is, for reading only, as an audit does:
        nothing is made, upgraded or written, so a file may lie on read-only media. Raises StoreUnsupported for other
        URLs, StoreNewer, StoreForeign, StoreDamaged, StoreUnreachable; without `create` also StoreMissing, StoreOlder.
        """
        place = folder or Path()
        backend = _backend(_parse(url), place, patience_s=patience_s, reads_only=not create)
        database = cls(backend, clock, folder=place, patience_s=patience_s)
        try:
            with database.explained():
                if create:
                    backend.prepare(clock)
                else:
                    backend.check()
        except BaseException:
            database.close()
            raise
        return database

    @property
    def location(self) -> str:
        """Where the store is, for messages: its file, or its URL without a password."""
        return self._backend.location

    @property
    def file(self) -> Path | None:
        """The file that the store is; None when a server keeps it."""
        return self._backend.file

    @property
    def path(self) -> Path:
        """The file that the store is. Raises StoreUnsupported when a server keeps it."""
        if self.file is None:
            raise StoreUnsupported(
                "this needs a store in a file", where=self.location, fix="flyball store copy makes one"
            )
        return self.file

    def beside(self, ending: str) -> Path:
        """A file that belongs to the store and cannot be in it, such as a lock: beside its file, else in `folder`."""
        return self.folder / f"{self.file.name if self.file else 'store'}.{ending}"

    @cached_property
    def presence(self) -> Presence:
        """Which of the things that the store tells of are held by a living process."""
        return self._backend.presence()

    @contextmanager
    def write(self, label: str) -> Iterator[Transaction]:
        """A transaction that holds the write lock from its first moment. `label` names the failpoints at its commit."""
        with self._transaction([label], wait=True) as transaction:
            yield transaction

    def apply(self, write: Write[Found]) -> Found:
        """Make one change in a transaction of its own."""
        with self.write(write.label) as transaction:
            return write.work(transaction)

    def apply_all(self, writes: Sequence[Write[Any]]) -> list[Done[Any]]:
        """Make changes that wait at the same moment in one transaction, in their order; what became of each.

        One that fails undoes none of the others: they are then made one by one.
        """
        done = self._together(writes, wait=True)
        return done if done is not None else [self._alone(write) for write in writes]

    def apply_now(self, writes: Sequence[Write[Any]]) -> list[Done[Any]] | None:
        """As `apply_all`, only if that waits for nobody; None when somebody else is writing, and nothing was done."""
        try:
            return self._together(writes, wait=False)
        except StoreBusy:
            return None

    def _together(self, writes: Sequence[Write[Any]], *, wait: bool) -> list[Done[Any]] | None:
        """In one transaction; None when one of several failed, so that nothing was done. Raises StoreBusy without `wait`."""
        reached = -1  # how many works were done; -1 before the transaction began
        try:
            with self._transaction({write.label for write in writes}, wait=wait) as transaction:
                found = []
                for reached, write in enumerate(writes):  # noqa: B007 - read below, after an error
                    found.append(write.work(transaction))
                reached = len(writes)
        except Exception as error:
            if reached < 0 and not wait and isinstance(error, StoreBusy):
                raise
            if 0 <= reached < len(writes) and len(writes) > 1:
                return None
            # Where the commit failed it may have been made all the same: only whoever asked can tell what to repeat.
            return [Done(error=error) for _ in writes]
        return [Done(value) for value in found]

    def _alone(self, write: Write[Any]) -> Done[Any]:
        try:
            return Done(self.apply(write))
        except Exception as error:  # noqa: BLE001 - raised where its value is asked for
            return Done(error=error)

    @contextmanager
    def _transaction(self, labels: Collection[str], *, wait: bool) -> Iterator[Transaction]:
        if getattr(self._mine, "writes", False):
            raise RuntimeError("this thread is already inside a write transaction: pass that one on")
        if not self._turn.acquire(timeout=self._patience_s if wait else 0):
            raise StoreBusy(
                "another thread kept the store locked", where=self.location, fix="wait for it to end, then try again"
            )
        self._mine.writes = True
        try:
            with self._backend.write(wait=wait) as connection:
                transaction = Transaction(connection)
                yield transaction
                for label in labels:
                    failpoint(f"{label}:before-commit")
            for label in labels:
                failpoint(f"{label}:after-commit")
        except DRIVER_ERRORS as error:
            coded = self._backend.explain(error)
            if coded is None:
                raise
            raise coded from error
        finally:
            self._mine.writes = False
            self._turn.release()
        transaction.committed()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees the store as it is at its first query, whatever is written meanwhile."""
        with self.explained(), self._backend.read() as connection:
            yield connection

    @contextmanager
    def inspect(self) -> Iterator[Connection]:
        """As `read`, for judging a store that may be damaged: text is read as it lies, driver errors are raised."""
        with self._backend.inspect() as connection:
            yield connection

    def integrity(self, *, quick: bool = False) -> list[str]:
        """What the database's own check of its pages and indexes finds wrong; `quick` leaves the indexes out."""
        return self._backend.integrity(quick=quick)

    def snapshot(self, target: Path, on_progress: Callable[[float], None] | None = None) -> None:
        """Copy the store as it is at one instant into the new SQLite file `target`, while others read and write.

        Neither waits for the other. on_progress: told the fraction done. Raises StoreFull, CannotWrite and the store's
        errors; what was copied by then is left to the caller.
        """
        with self.explained():
            self._backend.snapshot(target, on_progress)

    def size_bytes(self) -> int:
        """What the store takes up on its disk."""
        with self.explained():
            return self._backend.sizes().total

    def unused_bytes(self) -> int:
        """What of it holds nothing any more; `compact` gives it back. A server estimates it."""
        with self.explained():
            return self._backend.sizes().unused

    def compact(self) -> bool:
        """Give unused space back to the disk and remove every trace of deleted rows; writers wait meanwhile.

        It needs as much free space as the store is large. False when a trace was left, because somebody was reading.
        """
        with self.explained():
            return self._backend.reclaim(whole=True)

    def scrub(self) -> bool:
        """Remove the traces that deleted rows left. False when one stays, because somebody was reading."""
        with self.explained():
            return self._backend.reclaim(whole=False)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn the driver's errors inside the block into coded ones."""
        try:
            yield
        except DRIVER_ERRORS as error:
            coded = self._backend.explain(error)
            if coded is None:
                raise
            raise coded from error

    def close(self) -> None:
        """Let go of the store. Transactions under way must have ended."""
        self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError as error:
        raise StoreUnsupported(
            "the store's URL cannot be read",
            fix='write it like "sqlite:///.flyball/flyball.db" or "postgresql://user@host/database"',
        ) from error


def _backend(url: URL, folder: Path, *, patience_s: float, reads_only: bool) -> Backend:
    kind, file = url.get_backend_name(), url.database
    if kind == "sqlite" and file and file != ":memory:":
        from flyball.store.sqlite_backend import SqliteBackend

        return SqliteBackend(folder / file, patience_s=patience_s, reads_only=reads_only)
    if kind in ("postgresql", "postgres") and file:
        from flyball.store.postgres import PostgresBackend

        return PostgresBackend(url, folder=folder, patience_s=patience_s, reads_only=reads_only)
    raise StoreUnsupported(
        "this version keeps its store in an SQLite file or a PostgreSQL database, "
        f"not in {url.render_as_string(hide_password=True)}",
        fix='write the store\'s URL like "sqlite:///.flyball/flyball.db" or "postgresql://user@host/database"',
    )
