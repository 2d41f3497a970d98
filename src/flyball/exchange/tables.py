"""What is here already of other stores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Column, MetaData, Table, Text, select, text

from flyball.store import Reader, Transaction
from flyball.tracking.statements import chunks

__all__ = ["METADATA", "Known", "known", "note"]

METADATA = MetaData()
imported = Table(
    "imported",
    METADATA,
    # "experiment", "run", "model", "registered", "version", "alias", "stage" or "files".
    Column("kind", Text, primary_key=True),
    Column("theirs", Text, primary_key=True),
    Column("ours", Text, nullable=False),
    Column("mark", Text, nullable=False),
    sqlite_with_rowid=False,
)
_NOTE = text(
    "INSERT INTO imported (kind, theirs, ours, mark) VALUES (:kind, :theirs, :ours, :mark) "
    "ON CONFLICT (kind, theirs) DO UPDATE SET ours = excluded.ours, mark = excluded.mark"
)


class Known(NamedTuple):
    """What something of the source is called here, and how it was when it came."""

    ours: str
    mark: str


def known(reader: Reader, kind: str, theirs: Iterable[str] | None = None) -> dict[str, Known]:
    """What is here of a kind, by its name at the source; of some names, or (None) all."""
    columns = imported.c
    query = select(columns.theirs, columns.ours, columns.mark).where(columns.kind == kind)
    if theirs is None:
        return {row.theirs: Known(row.ours, row.mark) for row in reader.execute(query)}
    found: dict[str, Known] = {}
    for some in chunks(theirs):
        rows = reader.execute(query.where(columns.theirs.in_(some)))
        found |= {row.theirs: Known(row.ours, row.mark) for row in rows}
    return found


def note(tx: Transaction, kind: str, rows: Iterable[tuple[str, str, str]]) -> None:
    """Note what came: its name at the source, its name here, its mark."""
    named = [{"kind": kind, "theirs": theirs, "ours": ours, "mark": mark} for theirs, ours, mark in rows]
    if named:
        tx.execute(_NOTE, named)
