"""A store of a test's own in either kind of database, with a way to change it behind Flyball's back."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.postgres import PostgresServer

__all__ = ["Store"]


@dataclass(frozen=True)
class Store:
    """`url` of a store that has its tables; `folder` is what a relative file is seen from; `server` keeps it, if any."""

    url: str
    folder: Path
    server: PostgresServer | None = None

    @property
    def kind(self) -> str:
        return self.url.partition(":")[0]

    def edit(self, *statements: str) -> None:
        """Run statements and commit; each must find a row. Bytes are written x'00ff'."""
        for statement in statements:
            assert self._run(statement)[1] != 0, statement

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query gives."""
        return [tuple(row) for row in self._run(query)[0]]

    def dump(self, tables: Sequence[str]) -> dict[str, list[tuple[Any, ...]]]:
        """The rows of tables, in the order of their first two columns."""
        return {table: self.rows(f'SELECT * FROM "{table}" ORDER BY 1, 2') for table in tables}

    def _run(self, statement: str) -> tuple[list[Any], int]:
        if self.server is not None:
            return self.server.run(self.url, re.sub(r"x'([0-9a-f]*)'", r"'\\x\1'::bytea", statement))
        with closing(sqlite3.connect(self.folder / self.url.removeprefix("sqlite:///"))) as raw, raw:
            cursor = raw.execute(statement)
            return cursor.fetchall(), cursor.rowcount
