"""Removing old predictions: they go with their outcomes, and the ledger tells how many, from when to when, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, select

from flyball.core.clock import rfc3339
from flyball.ledger import Actor, Draft, Ledger
from flyball.predictions.log import LOOK_UP, microseconds, moment
from flyball.predictions.tables import outcomes, predictions
from flyball.store.database import Database, Reader

__all__ = ["Removed", "count_before", "models_before", "remove_before"]

_BATCH = 10_000  # a transaction of a quarter of a second, so that a server's next prediction waits no longer


@dataclass(frozen=True, slots=True)
class Removed:
    """`count` predictions made from `first` to `last`, their `outcomes`, the `bytes` of their texts, the ledger's entry."""

    count: int
    outcomes: int
    bytes: int
    first: str | None
    last: str | None
    entry: int | None = None


def count_before(database: Database, limit: datetime) -> Removed:
    """How many predictions were made before `limit`."""
    with database.read() as reader:
        return _measure(reader, predictions.c.time < microseconds(limit))


def models_before(database: Database, limit: datetime) -> list[str]:
    """The models of which predictions were made before `limit`."""
    query = select(predictions.c.model).where(predictions.c.time < microseconds(limit)).distinct()
    with database.read() as reader:
        return sorted(reader.execute(query).scalars())


def remove_before(
    database: Database, ledger: Ledger, model: str, limit: datetime, *, actor: Actor, why: str
) -> Removed | None:
    """Remove the oldest predictions of a model made before `limit`, some thousands in one transaction with the entry that
    tells of it; None when there are none left. Raises the store's and the ledger's errors; then nothing was removed.
    """
    columns = predictions.c
    old = (columns.model == model, columns.time < microseconds(limit))
    # One model at a time, by time: that is the order of the index, whatever the size of the table.
    oldest = select(columns.id, columns.time, _size().label("size")).where(*old).order_by(columns.time).limit(_BATCH)
    with database.write("predictions.remove") as tx:
        rows = tx.execute(oldest).all()
        if not rows:
            return None
        ids = [row.id for row in rows]
        told = 0
        for start in range(0, len(ids), LOOK_UP):
            some = ids[start : start + LOOK_UP]
            told += tx.execute(delete(outcomes).where(outcomes.c.prediction_id.in_(some))).rowcount
            tx.execute(delete(predictions).where(columns.id.in_(some)))
        first, last = (rfc3339(moment(row.time)) for row in (rows[0], rows[-1]))
        payload = {"count": len(ids), "outcomes": told, "first": first, "last": last, "before": rfc3339(limit)}
        entry = ledger.append(tx, Draft("predictions.removed", model, actor, why, payload=payload))[0]
        return Removed(len(ids), told, sum(row.size for row in rows), first, last, entry.seq)


def _size() -> ColumnElement[int]:
    columns = predictions.c
    return func.length(columns.inputs) + func.length(columns.outputs) + func.length(columns.id)


def _measure(reader: Reader, which: ColumnElement[bool]) -> Removed:
    columns = predictions.c
    query = select(
        func.count(), func.coalesce(func.sum(_size()), 0), func.min(columns.time), func.max(columns.time)
    ).where(which)
    count, size, first, last = reader.execute(query).one()
    ids = select(columns.id).where(which)
    told = select(func.count()).select_from(outcomes).where(outcomes.c.prediction_id.in_(ids))
    begin, end = (rfc3339(moment(one)) if count else None for one in (first, last))
    return Removed(count, reader.execute(told).scalar_one(), int(size), begin, end)
