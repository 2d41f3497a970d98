"""Removing pasts that nobody went on with, and old rows that are kept for versions to come only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update

from flyball.predictions.log import microseconds
from flyball.sessions.store import stream_name
from flyball.sessions.tables import entities, rows
from flyball.store import Database, Transaction

__all__ = ["ForgottenPasts", "count_before", "forget_before"]

_BATCH = 1_000  # entities in one transaction, so that a server's next prediction waits no longer than that takes


@dataclass(frozen=True, slots=True)
class ForgottenPasts:
    """How many `entities` lost their past, and what their states and rows took up, with that of other old rows."""

    entities: int
    bytes: int


def count_before(database: Database, limit: datetime) -> ForgottenPasts:
    """What `forget_before` would remove."""
    moment = microseconds(limit)
    with database.read() as reader:
        many = reader.execute(select(func.count()).select_from(entities).where(*_quiet(moment))).scalar_one()
        states = select(func.coalesce(func.sum(func.length(entities.c.state)), 0)).where(*_quiet(moment))
        texts = select(func.coalesce(func.sum(func.length(rows.c.row)), 0)).where(rows.c.time < moment, _spare())
        size = reader.execute(states).scalar_one() + reader.execute(texts).scalar_one()
    return ForgottenPasts(int(many), int(size))


def forget_before(database: Database, limit: datetime) -> ForgottenPasts:
    """Remove the pasts whose newest row came before `limit`, and of the others the rows before it that no window needs.

    A server that goes on with such a past keeps what it has in memory; the next one begins it anew. Raises the store's
    errors; the batches before stay removed.
    """
    counted = count_before(database, limit)
    moment = microseconds(limit)
    while _forget_some(database, moment):
        pass
    with database.write("sessions.remove") as tx:
        tx.execute(delete(rows).where(rows.c.time < moment, _spare()))
    return counted


def _forget_some(database: Database, moment: int) -> int:
    with database.write("sessions.remove") as tx:
        query = select(entities.c.stream, entities.c.entity, entities.c.number).where(*_quiet(moment))
        found = tx.execute(query.limit(_BATCH)).all()
        held = {stream: database.presence.held(stream_name(stream)) for stream in {row.stream for row in found}}
        for row in found:
            _forget(tx, row.stream, row.entity, row.number, served=held[row.stream])
        return len(found)


def _forget(tx: Transaction, stream: int, entity: str, number: int, *, served: bool) -> None:
    own = rows.c.stream == stream, rows.c.entity == entity
    this = entities.c.stream == stream, entities.c.entity == entity
    if served:  # its server goes on counting: the place stays, without what was in it
        last = tx.execute(select(func.max(rows.c.number)).where(*own)).scalar_one()
        tx.execute(update(entities).where(*this).values(number=max(number, last or 0), state=None))
    else:
        tx.execute(delete(entities).where(*this))
    tx.execute(delete(rows).where(*own))


def _of_entity() -> ColumnElement[bool]:
    return and_(rows.c.stream == entities.c.stream, rows.c.entity == entities.c.entity)


def _quiet(moment: int) -> tuple[ColumnElement[bool], ...]:
    """Entities that hold something, but nothing that came since."""
    later = exists(select(rows.c.number).where(_of_entity(), rows.c.time >= moment).correlate(entities))
    anything = exists(select(rows.c.number).where(_of_entity()).correlate(entities))
    return entities.c.time < moment, or_(entities.c.state.is_not(None), anything), ~later


def _spare() -> ColumnElement[bool]:
    """Rows that the state of their entity tells of already."""
    return exists(select(entities.c.entity).where(_of_entity(), entities.c.number >= rows.c.number).correlate(rows))
