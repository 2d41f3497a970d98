"""The store's own tables. Types stay within what SQLite and PostgreSQL share: integers, text, bytes."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, MetaData, Table, Text

__all__ = ["METADATA", "leases", "steps"]

METADATA = MetaData()

steps = Table(
    "steps",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("outputs", Text, nullable=False),
    Column("created", Text, nullable=False),
)
leases = Table(
    "leases",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("expires", BigInteger, nullable=False),
)
