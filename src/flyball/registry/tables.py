"""The registry's tables. All but `runs` are governed: they follow from the ledger."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, MetaData, Table, Text

__all__ = ["METADATA", "alias_history", "aliases", "dataset_versions", "model_versions", "models", "runs"]

METADATA = MetaData()

dataset_versions = Table(
    "dataset_versions",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("artifact", Text, nullable=False),
    Column("meta", Text, nullable=False),
    Column("created", Text, nullable=False),
    Column("seq", Integer, nullable=False),
)
models = Table(
    "models",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("created", Text, nullable=False),
    Column("seq", Integer, nullable=False),
)
model_versions = Table(
    "model_versions",
    METADATA,
    Column("model", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("entry", Text, nullable=False, unique=True),
    Column("content_hash", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("dataset", Text),
    Column("files", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created", Text, nullable=False),
    Column("seq", Integer, nullable=False),
)
aliases = Table(
    "aliases",
    METADATA,
    Column("model", Text, primary_key=True),
    Column("alias", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("since", Text, nullable=False),
    Column("seq", Integer, nullable=False),
)
alias_history = Table(
    "alias_history",
    METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("model", Text, nullable=False),
    Column("alias", Text, nullable=False),
    Column("number", Integer),
    Column("time", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("details", Text, nullable=False),
    Index("alias_history_by_alias", "model", "alias", "seq"),
)
runs = Table(
    "runs",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("params", Text, nullable=False),
    Column("metrics", Text, nullable=False),
    Column("outputs", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("started", Text, nullable=False),
    Column("finished", Text),
    Index("runs_by_start", "started"),
)
