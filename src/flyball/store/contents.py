"""What a store holds, whatever part of Flyball put it there: rows by table, and the digests that stand in them."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Select, func, inspect, literal_column, select, table

from flyball.store.database import Reader, Transaction
from flyball.store.tables import steps

__all__ = ["LARGE_TABLES", "digests_in", "named_digests", "row_counts"]

_DIGEST = re.compile(rb"[0-9a-f]{64}")
# Their rows hold what was asked, answered, true or measured, never the digest of an artifact; they are by far the largest.
LARGE_TABLES = frozenset(
    ("predictions", "outcomes", "tracking_metrics", "tracking_latest", "session_entities", "session_rows")
)
_ROWS = 500


def digests_in(data: bytes) -> set[str]:
    """Everything in `data` that looks like a digest.

    >>> digests_in(b'{"pipeline": "' + b"ab" * 32 + b'", "rows": 12}') == {"ab" * 32}
    True
    """
    return {found.decode() for found in _DIGEST.findall(data)}


def named_digests(reader: Reader, *, steps_since: str = "") -> set[str]:
    """Every digest that stands in any table but those of the prediction log.

    steps_since: leave out the steps remembered before this moment (RFC 3339), to see what would be named without them.
    """
    connection = reader.connection if isinstance(reader, Transaction) else reader
    named: set[str] = set()
    for name in inspect(connection).get_table_names():
        if name in LARGE_TABLES:
            continue
        query: Select[Any] = select(literal_column("*")).select_from(table(name))
        if name == steps.name:
            query = select(steps).where(steps.c.created >= steps_since)
        for part in connection.execute(query).partitions(_ROWS):
            for row in part:
                for value in row:
                    if isinstance(value, str | bytes):
                        named |= digests_in(value if isinstance(value, bytes) else value.encode("utf-8", "replace"))
    return named


def row_counts(reader: Reader) -> dict[str, int]:
    """Rows of every table."""
    connection = reader.connection if isinstance(reader, Transaction) else reader
    names = inspect(connection).get_table_names()
    return {name: connection.execute(select(func.count()).select_from(table(name))).scalar_one() for name in names}
