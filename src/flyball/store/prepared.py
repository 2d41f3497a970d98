"""Statements that are run so often that what surrounds them would cost more than they do."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

__all__ = ["Prepared"]

Row = Mapping[str, Any]


class Prepared:
    """A statement with named places (`:name`), given to SQLite's driver as it is, to others through SQLAlchemy.

    It and its values must mean the same to every database: texts, whole numbers, floats, None. Threads may share it.
    """

    def __init__(self, sql: str) -> None:
        self._sql = sql
        self._text = text(sql)

    def rows(self, connection: Connection, values: Row) -> list[Any]:
        """Run it once; every row of its answer, by place."""
        driver = connection.connection.driver_connection
        if isinstance(driver, sqlite3.Connection):
            return driver.execute(self._sql, values).fetchall()
        return list(connection.execute(self._text, values))

    def each(self, connection: Connection, values: Sequence[Row]) -> None:
        """Run it once for each of `values`; whatever it answers is dropped."""
        driver = connection.connection.driver_connection
        if not isinstance(driver, sqlite3.Connection):
            connection.execute(self._text, list(values))
        elif len(values) == 1:
            driver.execute(self._sql, values[0])
        else:
            driver.executemany(self._sql, values)
