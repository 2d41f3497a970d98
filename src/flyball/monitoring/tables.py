"""The tables of the watch. `alerts` is governed: it follows from the ledger. Windows are kept as they were judged."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, Table, Text

__all__ = ["METADATA", "alerts", "windows"]

METADATA = MetaData()

windows = Table(
    "windows",
    METADATA,
    Column("model", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("last", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("p", Float),
    Column("level", Float, nullable=False),
    Column("alert", Integer),
    Column("statistics", Text, nullable=False),
    Column("judged", BigInteger, nullable=False),
    Index("windows_by_end", "model", "end"),
)
alerts = Table(
    "alerts",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("entry", Text, nullable=False, unique=True),
    Column("model", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("raised", Text, nullable=False),
    Column("changed", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Index("alerts_by_model", "model", "version", "state"),
)
