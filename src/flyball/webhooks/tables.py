"""The tables of webhooks. Not governed: they follow from the ledger, and say how far its news went out."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text

__all__ = ["METADATA", "cursors", "deliveries"]

METADATA = MetaData()

cursors = Table(
    "webhooks",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)
deliveries = Table(
    "webhook_deliveries",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("hook", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("event", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("answer", Text, nullable=False),
    Column("changed", Text, nullable=False),
    Index("webhook_deliveries_due", "state", "due"),
    Index("webhook_deliveries_seq", "hook", "seq"),
)
