"""Statements that are run so often that what surrounds them would cost more than they do."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

__all__ = ["SQLITE", "Prepared", "each_row", "rows_of", "sqlite_of"]

SQLITE = "flyball_sqlite"  # the option of a connection that holds its driver's
Row = Mapping[str, Any]


class Prepared:
    """A statement with named places (`:name`), given to SQLite's driver as it is, to others through SQLAlchemy.

    It and its values must mean the same to every database: texts, whole numbers, floats, None. Threads may share it.
    """

    __slots__ = ("sql", "text")

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.text = text(sql)


def sqlite_of(connection: Connection) -> sqlite3.Connection | None:
    """The driver's own connection where it is SQLite's and was put at hand."""
    driver: sqlite3.Connection | None = connection.get_execution_options().get(SQLITE)
    return driver


def rows_of(connection: Connection, driver: sqlite3.Connection | None, statement: Prepared, values: Row) -> list[Any]:
    """Run a statement once; every row of its answer, by place."""
    if driver is not None:
        return driver.execute(statement.sql, values).fetchall()
    return list(connection.execute(statement.text, values))


def each_row(
    connection: Connection, driver: sqlite3.Connection | None, statement: Prepared, values: Sequence[Row]
) -> None:
    """Run a statement once for each of `values`; whatever it answers is dropped."""
    if driver is None:
        connection.execute(statement.text, list(values))
    elif len(values) == 1:
        driver.execute(statement.sql, values[0])
    else:
        driver.executemany(statement.sql, values)
