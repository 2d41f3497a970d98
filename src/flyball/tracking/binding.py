"""The ledger's word for runs that ended: one entry each, with a digest of all that they logged."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sqlalchemy import select, update

from flyball.ledger import Actor, Draft, Ledger
from flyball.store import Database, Reader
from flyball.tracking.statements import chunks
from flyball.tracking.tables import latest, metrics, params, runs

__all__ = ["ENTRY", "bind_ended", "run_digest"]

ENTRY = "run.tracked"
_MOST = 200
_FIELDS = (runs.c.id, runs.c.experiment, runs.c.status, runs.c.started, runs.c.ended)


def bind_ended(database: Database, ledger: Ledger) -> int:
    """Bind every run that ended since the last time; return how many. One transaction per 200 runs.

    The digest says what the run had logged at this moment. What is added afterwards is bound when the run ends again.
    """
    bound = 0
    while True:
        query = select(runs.c.number, runs.c.user, *_FIELDS).where(runs.c.waiting == 1).order_by(runs.c.number)
        with database.read() as connection:
            rows = connection.execute(query.limit(_MOST)).all()
            digests = {row.number: run_digest(connection, row) for row in rows}
        if not rows:
            return bound
        drafts = [
            Draft(
                ENTRY, row.id, Actor("user", row.user or "unknown", "claimed"), row.status, {"run": digests[row.number]}
            )
            for row in rows
        ]
        with database.write("tracking.bind") as tx:
            for numbers in chunks(digests):
                tx.execute(update(runs).where(runs.c.number.in_(numbers)).values(waiting=None))
            ledger.append(tx, *drafts)
        bound += len(rows)


def run_digest(reader: Reader, row: Any) -> str:
    """SHA-256 over a run's fields, its parameters and every point of its metrics, as lines of JSON in a fixed order."""
    digest = hashlib.sha256()
    number = row.number

    def add(*values: object) -> None:
        digest.update(json.dumps(values, ensure_ascii=True, separators=(",", ":")).encode() + b"\n")

    add(*(getattr(row, column.name) for column in _FIELDS))
    for pair in reader.execute(
        select(params.c.key, params.c.value).where(params.c.run == number).order_by(params.c.key)
    ):
        add("param", *pair)
    keys = reader.execute(select(latest.c.key).where(latest.c.run == number)).scalars()
    columns = metrics.c
    for key in sorted(keys):
        query = select(columns.timestamp, columns.step, columns.value, columns.nan)
        query = query.where(columns.run == number, columns.key == key)
        for point in reader.execute(query.order_by(columns.timestamp, columns.step, columns.value, columns.nan)):
            add("metric", key, *point)
    return digest.hexdigest()
