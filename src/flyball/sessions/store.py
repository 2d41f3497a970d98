"""Pasts at rest: for each entity its state, the rows since, and some before them for versions to come."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import and_, bindparam, delete, exists, func, select, update

from flyball.predictions.log import microseconds
from flyball.sessions.errors import SessionsHeld
from flyball.sessions.tables import entities, rows, streams
from flyball.store import Database, StoreDamaged, Transaction
from flyball_runtime.schema import Schema

__all__ = ["Change", "Kept", "Past", "StoredStream", "stream_name"]

_LOOK_UP = 500  # entities per query, below every database's limit on parameters
_VERSIONS = 3  # whose rows are kept for a version to come, beside those that are served
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Kept:
    """A row as it was stored: its number within its entity, when it came (microseconds), and its values by column."""

    number: int
    time: int
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Past:
    """`state` of the first `number` rows of an entity (None of none), and the rows since, oldest first.

    `time`: when its newest row came, in microseconds.
    """

    number: int
    state: bytes | None
    rows: list[Kept]
    time: int


@dataclass(slots=True)
class Change:
    """What one push changes at rest. `epoch`: which of the stream's beginnings it goes on from."""

    epoch: int
    entities: list[dict[str, Any]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    states: list[dict[str, Any]] = field(default_factory=list)
    dropped: list[dict[str, Any]] = field(default_factory=list)


class StoredStream:
    """The stored pasts of one version's stream. While it is open no other server may open it."""

    def __init__(
        self, database: Database, identity: int, columns: Schema, others: Sequence[tuple[int, list[str]]]
    ) -> None:
        self.database = database
        self.columns = columns
        self._id = identity
        self._others = dict(others)
        self._opened = microseconds(database.clock.now())

    @classmethod
    def open(
        cls,
        database: Database,
        model: str,
        version: int | None,
        content_hash: str,
        columns: Schema,
        *,
        entity: str | None,
        wait_s: float,
        on_wait: Callable[[], None] | None = None,
    ) -> StoredStream:
        """The stream of one version, made if there is none. columns: those of a row that are kept; entity: the one of
        them that names entities.

        wait_s: how long to wait for another server that holds it; `on_wait` is called when it comes to that. Raises
        SessionsHeld.
        """
        deadline = time.monotonic() + wait_s
        told = {
            "model": model, "version": version, "content_hash": content_hash, "entity": entity,
            "columns": json.dumps(columns.to_list()),
        }  # fmt: skip
        while True:
            with database.write("sessions.open") as tx:
                identity = _identity(tx, told | {"opened": microseconds(database.clock.now())})
                name = stream_name(identity)
                if not database.presence.held(name):
                    database.presence.release(name)  # what a killed server left
                    database.presence.hold(tx, name)
                    _drop_forgotten(tx, identity)
                    others = _others(tx, database, identity, columns)
                    break
            if time.monotonic() >= deadline:
                ref = f"{model}@{version}" if version else model
                raise SessionsHeld(
                    f"another server holds the sessions of {ref}", where=database.location,
                    why="each entity's past goes on in one place, or two servers would each know half of it",
                    fix="stop the other server first; or send its rows to it",
                )  # fmt: skip
            if on_wait is not None:
                on_wait()
                on_wait = None
            time.sleep(_POLL_S)
        return cls(database, identity, columns, others)

    def close(self) -> None:
        """Let another server open the stream."""
        self.database.presence.release(stream_name(self._id))

    def count(self) -> int:
        """How many entities have a past."""
        with self.database.read() as reader:
            query = select(func.count()).where(entities.c.stream == self._id)
            return int(reader.execute(query).scalar_one())

    def load(self, keys: Sequence[str]) -> dict[str, Past]:
        """The pasts of these entities; those that have none are left out. Raises StoreDamaged."""
        found: dict[str, Past] = {}
        names = self.columns.names
        for start in range(0, len(keys), _LOOK_UP):
            some = keys[start : start + _LOOK_UP]
            of_entity = entities.c.stream == self._id, entities.c.entity.in_(some)
            since = (
                select(rows.c.entity, rows.c.number, rows.c.time, rows.c.row)
                .join(entities, (entities.c.stream == rows.c.stream) & (entities.c.entity == rows.c.entity))
                .where(*of_entity, rows.c.stream == self._id, rows.c.number > entities.c.number)
                .order_by(rows.c.entity, rows.c.number)
            )
            with self.database.read() as reader:
                for row in reader.execute(select(entities).where(*of_entity)):
                    found[row.entity] = Past(row.number, row.state, [], row.time)
                for row in reader.execute(since):
                    past = found[row.entity]
                    past.rows.append(Kept(row.number, row.time, _values(row.row, names)))
        return {
            key: Past(past.number, past.state, past.rows, past.rows[-1].time if past.rows else past.time)
            for key, past in found.items()
        }

    def elsewhere(self, keys: Sequence[str]) -> dict[str, list[Kept]]:
        """Rows of these entities that other versions of the model kept before this stream was opened, oldest first."""
        found: dict[str, list[Kept]] = {}
        for start in range(0, len(keys) if self._others else 0, _LOOK_UP):
            query = (
                select(rows.c.stream, rows.c.entity, rows.c.number, rows.c.time, rows.c.row)
                .where(rows.c.stream.in_(self._others), rows.c.entity.in_(keys[start : start + _LOOK_UP]))
                .where(rows.c.time < self._opened)
                .order_by(rows.c.time, rows.c.stream, rows.c.number)
            )
            with self.database.read() as reader:
                for row in reader.execute(query):
                    kept = Kept(row.number, row.time, _values(row.row, self._others[row.stream]))
                    found.setdefault(row.entity, []).append(kept)
        return found

    def write(self, tx: Transaction, changes: Sequence[Change]) -> None:
        """Make changes durable, in their order."""
        mine = {"stream": self._id}
        if made := [mine | row for change in changes for row in change.entities]:
            tx.execute(entities.insert(), made)
        if came := [mine | row for change in changes for row in change.rows]:
            tx.execute(rows.insert(), came)
        key = entities.c.stream == self._id, entities.c.entity == bindparam("of")
        if states := [row for change in changes for row in change.states]:
            tx.execute(
                update(entities)
                .where(*key)
                .values(number=bindparam("to"), state=bindparam("is"), time=bindparam("at")),
                states,
            )
        if dropped := [row for change in changes for row in change.dropped]:
            old = rows.c.stream == self._id, rows.c.entity == bindparam("of"), rows.c.number <= bindparam("to")
            tx.execute(delete(rows).where(*old), dropped)


def _identity(tx: Transaction, told: dict[str, Any]) -> int:
    """The stream's number, with what is told of it."""
    own = streams.c.model == told["model"], streams.c.content_hash == told["content_hash"]
    if not tx.execute(update(streams).where(*own).values(told)).rowcount:
        tx.execute(streams.insert(), [told])
    return int(tx.execute(select(streams.c.id).where(*own)).scalar_one())


def _drop_forgotten(tx: Transaction, identity: int) -> None:
    """Entities whose past was removed while a server went on with it."""
    own = and_(rows.c.stream == entities.c.stream, rows.c.entity == entities.c.entity)
    anything = exists(select(rows.c.number).where(own).correlate(entities))
    tx.execute(delete(entities).where(entities.c.stream == identity, entities.c.state.is_(None), ~anything))


def _others(tx: Transaction, database: Database, identity: int, columns: Schema) -> list[tuple[int, list[str]]]:
    """The streams of other versions whose rows are of the same entities, and the columns they keep; "" stands for one
    that is of another kind here. Streams of versions long out of use are removed."""
    mine = tx.execute(select(streams).where(streams.c.id == identity)).one()
    query = select(streams).where(streams.c.model == mine.model, streams.c.id != identity)
    known = {(field.name, field.kind) for field in columns}
    kept: list[tuple[int, list[str]]] = []
    for place, row in enumerate(tx.execute(query.order_by(streams.c.opened.desc(), streams.c.id.desc())).all()):
        if place < _VERSIONS or database.presence.held(stream_name(row.id)):
            if row.entity == mine.entity:
                told = json.loads(row.columns)
                kept.append((row.id, [item["name"] if (item["name"], item["kind"]) in known else "" for item in told]))
            continue
        for table in (rows, entities):
            tx.execute(delete(table).where(table.c.stream == row.id))
        tx.execute(delete(streams).where(streams.c.id == row.id))
    return kept


def _values(text: str, names: Sequence[str]) -> dict[str, Any]:
    try:
        return dict(zip(names, json.loads(text), strict=True))
    except (ValueError, TypeError) as error:
        raise StoreDamaged(
            "a row of a session is damaged", where="session_rows",
            fix="restore a backup; `flyball doctor` tells whether the database file is whole",
        ) from error  # fmt: skip


def stream_name(identity: int) -> str:
    """What a server holds while the stream is its own."""
    return f"session-{identity}"
