"""Statements with ON CONFLICT, which SQLite and PostgreSQL write alike, and what else every part of tracking needs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from sqlalchemy import CursorResult, text

from flyball.core.clock import Clock
from flyball.store import Prepared, Reader, Transaction

__all__ = [
    "ADD_POINT",
    "KEEP_LATEST",
    "SET_EXPERIMENT_TAG",
    "SET_MODEL_TAG",
    "SET_RUN_TAG",
    "ByNumber",
    "chunks",
    "dialect_of",
    "milliseconds",
    "plain_rows",
    "storable",
]

_CHUNK = 5000
_LARGEST = 1.7976931348623157e308
Item = TypeVar("Item")


def _set_pair(table: str, owner: str) -> Prepared:
    return Prepared(
        f"INSERT INTO {table} ({owner}, key, value) VALUES (:owner, :key, :value) "  # noqa: S608 - fixed names
        f"ON CONFLICT ({owner}, key) DO UPDATE SET value = excluded.value"
    )


SET_EXPERIMENT_TAG = _set_pair("tracking_experiment_tags", "experiment")
SET_RUN_TAG = _set_pair("tracking_tags", "run")
SET_MODEL_TAG = _set_pair("tracking_model_tags", "model")
ADD_POINT = Prepared(
    "INSERT INTO tracking_metrics (run, key, timestamp, step, value, nan) "
    "VALUES (:run, :key, :timestamp, :step, :value, :nan) ON CONFLICT DO NOTHING"
)
KEEP_LATEST = Prepared(
    "INSERT INTO tracking_latest (run, key, value, nan, timestamp, step) "
    "VALUES (:run, :key, :value, :nan, :timestamp, :step) ON CONFLICT (run, key) DO UPDATE SET "
    "value = excluded.value, nan = excluded.nan, timestamp = excluded.timestamp, step = excluded.step "
    "WHERE (excluded.step, excluded.timestamp, excluded.value) > "
    "(tracking_latest.step, tracking_latest.timestamp, tracking_latest.value)"
)


def storable(value: float) -> tuple[float, int]:
    """A metric's value as the tables hold it, and whether it is NaN: no database keeps NaN and infinities alike.

    >>> storable(float("nan")), storable(float("-inf"))
    ((0.0, 1), (-1.7976931348623157e+308, 0))
    """
    if math.isnan(value):
        return 0.0, 1
    return max(-_LARGEST, min(_LARGEST, float(value))), 0


def milliseconds(clock: Clock) -> int:
    """The present moment in milliseconds since 1970."""
    return int(clock.now().timestamp() * 1000)


def dialect_of(reader: Reader) -> str:
    """The database's name: "sqlite" or "postgresql"."""
    connection = reader.connection if isinstance(reader, Transaction) else reader
    return str(connection.dialect.name)


def plain_rows(result: CursorResult[Any]) -> list[Any]:
    """All rows as the driver's own tuples, for columns that need no conversion: an object for each costs as much again."""
    cursor: Any = result.cursor
    rows: list[Any] = cursor.fetchall()
    result.close()
    return rows


class ByNumber:
    """A SELECT that ends in `WHERE COLUMN` and asks for the rows of many numbers, as one value: a list with a place for
    each number is written, compiled and parsed anew for each length. Columns must need no conversion.
    """

    def __init__(self, sql: str) -> None:
        self._sqlite = text(f"{sql} IN (SELECT value FROM json_each(:numbers))")  # noqa: S608 - fixed names
        self._others = text(f"{sql} = ANY(:numbers)")

    def rows(self, reader: Reader, numbers: list[int]) -> list[Any]:
        """The rows, as the driver's tuples."""
        if dialect_of(reader) == "sqlite":
            return plain_rows(reader.execute(self._sqlite, {"numbers": str(numbers)}))
        return plain_rows(reader.execute(self._others, {"numbers": numbers}))


def chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """The items in lists that fit into one statement."""
    whole = list(items)
    for start in range(0, len(whole), _CHUNK):
        yield whole[start : start + _CHUNK]
