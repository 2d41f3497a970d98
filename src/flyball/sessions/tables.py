"""The tables of sessions. Times are microseconds since 1970 in UTC; rows are JSON lists in the order of a stream's columns."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint

__all__ = ["METADATA", "entities", "rows", "streams"]

METADATA = MetaData()
_Sequence = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only for INTEGER

streams = Table(
    "session_streams",
    METADATA,
    Column("id", _Sequence, primary_key=True, autoincrement=True),
    Column("model", Text, nullable=False),
    Column("version", Integer),
    Column("content_hash", Text, nullable=False),
    Column("entity", Text),
    Column("columns", Text, nullable=False),
    Column("opened", BigInteger, nullable=False),
    UniqueConstraint("model", "content_hash"),
)

# `state` is of the first `number` rows of the entity, None where number is 0; `time` when it was written.
entities = Table(
    "session_entities",
    METADATA,
    Column("stream", BigInteger, ForeignKey("session_streams.id"), primary_key=True),
    Column("entity", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("state", LargeBinary),
    Column("time", BigInteger, nullable=False),
)

# The newest rows that went into an entity's past, numbered from 1: all since its state, and some before.
rows = Table(
    "session_rows",
    METADATA,
    Column("stream", BigInteger, ForeignKey("session_streams.id"), primary_key=True),
    Column("entity", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("time", BigInteger, nullable=False),
    Column("row", Text, nullable=False),
    sqlite_with_rowid=False,
)
