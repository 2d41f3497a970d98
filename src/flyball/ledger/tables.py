"""The ledger's tables. An entry's content stands once, as the bytes that were hashed, so nothing can disagree with it."""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, Text

__all__ = ["METADATA", "checkpoints", "entries", "head", "payloads", "signing_keys"]

METADATA = MetaData()

entries = Table(
    "ledger_entries",
    METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
    Column("hash", Text, nullable=False),
)
payloads = Table(
    "ledger_payloads",
    METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("salt", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
checkpoints = Table(
    "ledger_checkpoints",
    METADATA,
    Column("size", Integer, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
)
head = Table(
    "ledger_head",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", Integer, nullable=False),
    Column("tip", Text, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("checkpoints", Integer, nullable=False),
)
signing_keys = Table(
    "signing_keys",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("pem", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created", Text, nullable=False),
    Column("ended", Text),
    Column("seq", Integer, nullable=False),
)
