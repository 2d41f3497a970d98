"""Copying a store into another one, row by row, whichever databases the two are in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, Select, Table, column, func, insert, inspect, literal_column, select, text
from sqlalchemy import table as named

from flyball.core.failpoints import failpoint
from flyball.core.files import CannotWrite, sync_directory
from flyball.store import sqlite
from flyball.store.backend import DRIVER_ERRORS
from flyball.store.database import Database
from flyball.store.errors import StoreDamaged, StoreNotEmpty
from flyball.store.migrate import upgrade
from flyball.store.tables import leases

__all__ = ["copy_store", "copy_to_file", "keep_copy", "number_on"]

_ROWS = 2_000
# The first is what the target's own migrations wrote; leases are of processes that use the other store.
_NOT_COPIED = frozenset(("alembic_version", leases.name))

Tell = Callable[[float, str], None]


def copy_store(source: Database, target: Database, tell: Tell | None = None) -> dict[str, int]:
    """Copy every row of `source`, as it is at one instant, into the empty store `target`: all of them or none.

    Each table is read back and held against what was read before the copy is committed. tell: called with the fraction
    done, in [0, 1], and the table. Rows by table. Raises StoreNotEmpty, ValueRefused, StoreDamaged, the stores' errors.
    """
    with target.write("store.copy") as tx:
        _refuse_filled(tx.connection, target.location)
        with source.read() as reader:
            return _copy(reader, tx.connection, tell)


def copy_to_file(
    source: Connection, target: Path, on_progress: Callable[[float], None] | None = None, *, revision: str = "head"
) -> None:
    """Copy what `source` sees into the new SQLite store `target`. Raises StoreFull, CannotWrite for the file.

    revision: that of the source, when it is not of this version.
    """
    engine = sqlite.file_engine(target, patience_s=1.0)
    tell = None if on_progress is None else (lambda done, _table: on_progress(done))
    try:
        with (
            _file_explained(target),
            engine.connect().execution_options(**{sqlite.WRITES: True}) as connection,
            connection.begin(),
        ):
            upgrade(connection, to=revision)
            _copy(source, connection, tell)
    finally:
        engine.dispose()


@contextmanager
def _file_explained(target: Path) -> Iterator[None]:
    try:
        yield
    except DRIVER_ERRORS as error:
        coded = sqlite.explain_copy(error, target)
        if coded is None:
            raise
        raise coded from error


def keep_copy(source: Connection, target: Path, revision: str) -> None:
    """Copy what `source` sees into the SQLite store `target`, which appears whole or not at all."""
    failpoint("store.backup:before")
    staging = target.with_name(f".{target.name}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging.unlink(missing_ok=True)
        copy_to_file(source, staging, revision=revision)
        staging.replace(target)
        sync_directory(target.parent)
    except OSError as error:
        raise CannotWrite(
            "the store cannot be copied before it is upgraded", where=str(target.parent), why=error.strerror,
            fix="check that files of the store's size may be written there",
        ) from error  # fmt: skip
    failpoint("store.backup:after")


def _refuse_filled(connection: Connection, where: str) -> None:
    for table in _tables(connection):
        if connection.execute(select(literal_column("1")).select_from(table).limit(1)).first() is not None:
            raise StoreNotEmpty(
                "the store to copy into is not empty", where=where, why=f"its table {table.name} holds rows",
                fix="name a new file, or a new database: createdb NAME",
            )  # fmt: skip


def _copy(source: Connection, target: Connection, tell: Tell | None) -> dict[str, int]:
    tables = _tables(target)
    counts = {table.name: int(source.execute(_count(table)).scalar_one()) for table in tables}
    total, done = max(1, sum(counts.values())), 0
    for table in tables:
        written = hashlib.sha256()
        for rows in _read(source, table):
            written.update(_bytes(rows))
            target.execute(insert(table), [dict(zip(table.columns.keys(), row, strict=True)) for row in rows])
            done += len(rows)
            if tell is not None:
                tell(done / total, table.name)
        number_on(target, table)
        found = hashlib.sha256()
        for rows in _read(target, table):
            found.update(_bytes(rows))
        if found.digest() != written.digest():
            raise StoreDamaged(
                "the copy is not what was read, so nothing was kept of it", where=f"table {table.name}",
                why="a row of the source holds a value of another type than its column's",
                fix="`flyball audit verify` of the source names what is damaged",
            )  # fmt: skip
    return counts


def _tables(connection: Connection) -> list[Table]:
    """The target's tables, a table after those it refers to; reflected, as other packages own most of them."""
    metadata = MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name not in _NOT_COPIED]


def _count(table: Table) -> Select[int]:
    return select(func.count()).select_from(named(table.name))


def _read(connection: Connection, table: Table) -> Iterator[Sequence[tuple[Any, ...]]]:
    """The rows as the driver gives them, by primary key, some thousands at a time."""
    query: Select[*tuple[Any, ...]] = (
        select(*(column(name) for name in table.columns.keys()))  # noqa: SIM118 - these are names, not columns
        .select_from(named(table.name))
        .order_by(*(column(key.name) for key in table.primary_key.columns))
    )
    for rows in connection.execute(query.execution_options(yield_per=_ROWS)).partitions(_ROWS):
        yield [tuple(row) for row in rows]


def _bytes(rows: Sequence[tuple[Any, ...]]) -> bytes:
    return "\n".join(map(repr, rows)).encode("utf-8", "backslashreplace") + b"\n"


def number_on(connection: Connection, table: Table) -> None:
    """Let a column that the database numbers by itself go on after the highest number."""
    if connection.dialect.name != "postgresql":
        return
    for key in inspect(connection).get_columns(table.name):
        if key.get("autoincrement"):
            highest: Select[Any] = select(func.max(column(key["name"]))).select_from(named(table.name))
            number = connection.execute(highest).scalar()
            if number is not None and number > 0:  # a sequence begins at 1; the default experiment is 0
                asked = {"table": table.name, "column": key["name"], "number": number}
                connection.execute(text("SELECT setval(pg_get_serial_sequence(:table, :column), :number)"), asked)
