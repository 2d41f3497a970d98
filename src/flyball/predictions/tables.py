"""The tables of the prediction log. Times are microseconds since 1970 in UTC; values are JSON text."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, MetaData, Table, Text

__all__ = ["METADATA", "outcomes", "predictions"]

METADATA = MetaData()
_Sequence = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only for INTEGER

predictions = Table(
    "predictions",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("time", BigInteger, nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Integer),
    Column("alias", Text),
    Column("content_hash", Text, nullable=False),
    Column("request", Text),
    Column("inputs", Text, nullable=False),
    Column("outputs", Text, nullable=False),
    Index("predictions_by_model", "model", "time"),
)

outcomes = Table(
    "outcomes",
    METADATA,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("prediction_id", Text, ForeignKey("predictions.id"), nullable=False),
    Column("value", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("recorded", BigInteger, nullable=False),
    Index("outcomes_by_prediction", "prediction_id", "seq"),
)
