"""Removing deleted runs for good: rows, points, files; the ledger keeps their digests, who did it, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select

from flyball.core.clock import rfc3339
from flyball.ledger import Actor, Draft, Ledger
from flyball.store import Database, Reader, Transaction
from flyball.tracking import tables
from flyball.tracking.binding import run_digest
from flyball.tracking.records import DELETED

__all__ = ["ENTRY_REMOVED", "HOLD", "RemovedRuns", "count_removable", "remove_deleted"]

ENTRY_REMOVED = "runs.removed"
HOLD = "flyball.hold"  # a run with this tag stays, whatever the retention says; the value tells why
_BATCH = 100
_OF_RUNS = (tables.metrics, tables.latest, tables.params, tables.tags, tables.inputs, tables.links)
_OF_MODELS = (tables.model_params, tables.model_tags, tables.model_metrics)


@dataclass(frozen=True, slots=True)
class RemovedRuns:
    """Runs that are gone, the digests that their files had (others may have them too), and the ledger's entry."""

    count: int
    digests: frozenset[str]
    entry: int


def count_removable(database: Database, limit: datetime) -> tuple[int, int]:
    """Runs that were deleted before a moment: those that may go, and those that are held."""
    with database.read() as reader:
        every = reader.execute(select(func.count()).select_from(tables.runs).where(*_old(limit))).scalar_one()
        free = reader.execute(select(func.count()).select_from(tables.runs).where(*_old(limit), _free())).scalar_one()
    return free, every - free


def remove_deleted(
    database: Database, ledger: Ledger, limit: datetime, *, actor: Actor, why: str
) -> RemovedRuns | None:
    """Remove the runs that were deleted first, at most a hundred, in one transaction with the entry that tells of it.

    Their logged models go with them. Runs with the tag `flyball.hold`, and those that a registered version came from,
    stay. None when there are none left. Raises the store's and the ledger's errors; then nothing was removed.
    """
    fields = [column for column in tables.runs.c if column.name != "waiting"]
    query = (
        select(*fields).where(*_old(limit), _free()).order_by(tables.runs.c.deleted, tables.runs.c.number).limit(_BATCH)
    )
    with database.write("tracking.remove") as tx:
        rows = tx.execute(query).all()
        if not rows:
            return None
        digests = {row.id: run_digest(tx, row) for row in rows}
        held = _take_away(tx, rows)
        payload = {"count": len(rows), "runs": digests, "before": rfc3339(limit)}
        entry = ledger.append(tx, Draft(ENTRY_REMOVED, "tracking", actor, why, payload=payload))[0]
    return RemovedRuns(len(rows), frozenset(held), entry.seq)


def _old(limit: datetime) -> tuple[ColumnElement[bool], ...]:
    return tables.runs.c.stage == DELETED, tables.runs.c.deleted < int(limit.timestamp() * 1000)


def _free() -> ColumnElement[bool]:
    held = select(tables.tags.c.run).where(tables.tags.c.key == HOLD)
    used = select(tables.registered_versions.c.run)
    return tables.runs.c.number.not_in(held) & tables.runs.c.id.not_in(used)


def _take_away(tx: Transaction, rows: Sequence[Any]) -> set[str]:
    """Everything of these runs; the digests that their files had."""
    numbers, ids = [row.number for row in rows], [row.id for row in rows]
    made = tx.execute(
        select(tables.models.c.number, tables.models.c.location).where(tables.models.c.run.in_(ids))
    ).all()
    digests: set[str] = set()
    for location in [*(row.location for row in rows), *(row.location for row in made)]:
        digests |= _take_files(tx, _folder(location))
    for table in _OF_RUNS:
        tx.execute(delete(table).where(table.c.run.in_(numbers)))
    for table in _OF_MODELS:
        tx.execute(delete(table).where(table.c.model.in_([row.number for row in made])))
    tx.execute(delete(tables.models).where(tables.models.c.run.in_(ids)))
    tx.execute(delete(tables.runs).where(tables.runs.c.number.in_(numbers)))
    experiments = sorted({row.experiment for row in rows})
    read = select(tables.inputs.c.dataset)
    unread = tables.datasets.c.number.not_in(read)
    tx.execute(delete(tables.datasets).where(tables.datasets.c.experiment.in_(experiments), unread))
    return digests


def _folder(location: str) -> str:
    """The folder of a run or model, of which its artifacts are a part, as a path of the files.

    >>> _folder("mlflow-artifacts:/1/ab12/artifacts")
    '1/ab12'
    """
    return location.partition(":")[2].strip("/").removesuffix("/artifacts") if ":" in location else ""


def _take_files(tx: Transaction, folder: str) -> set[str]:
    if not folder:  # kept elsewhere, by an address that is not ours
        return set()
    files, (above, _, name) = tables.files, folder.rpartition("/")
    below = or_(files.c.folder == folder, files.c.folder.startswith(f"{folder}/", autoescape=True))
    digests = _digests(tx, below)
    tx.execute(delete(files).where(or_(below, (files.c.folder == above) & (files.c.name == name))))
    return digests


def _digests(reader: Reader, which: ColumnElement[bool]) -> set[str]:
    query = select(tables.files.c.digest).where(which, tables.files.c.digest.is_not(None)).distinct()
    return set(reader.execute(query).scalars())
