"""Runs: one execution each. They are not governed; the digest of a finished one enters the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Row, insert, select, update

from flyball.core.canonical import sha256_hex
from flyball.core.clock import Clock, rfc3339
from flyball.core.ids import new_id
from flyball.ledger import Actor, Draft, Ledger
from flyball.ledger.entries import record_json
from flyball.registry.records import Run
from flyball.registry.tables import runs
from flyball.store import Database, Transaction
from flyball_runtime.errors import BadInput, near_miss

__all__ = ["INTERRUPTED", "RunRefused", "Runs", "run_digest"]

INTERRUPTED = "interrupted"


class RunRefused(BadInput):
    """There is no run of this id, or it was finished before with another outcome."""

    code = "FB-REG-010"


class Runs:
    """The table of runs. Safe to share between threads and processes.

    The process of a running run holds its id (see `flyball.store.presence`): a lock on `runs/ID.lock` beside a store in a
    file, a lease in one on a server. So a run that is not finished and that nobody holds was interrupted.
    """

    def __init__(self, database: Database, ledger: Ledger, clock: Clock) -> None:
        self._database = database
        self._ledger = ledger
        self._clock = clock

    def start(self, kind: str, params: Mapping[str, Any], actor: Actor) -> str:
        """Note that a run began; return its id."""
        run_id = new_id("run", self._clock)
        row = {
            "id": run_id,
            "kind": kind,
            "status": "running",
            "params": record_json(dict(params), "a run's parameters").decode(),
            "metrics": "{}",
            "outputs": "{}",
            "actor": record_json(actor.to_dict(), "an actor").decode(),
            "started": rfc3339(self._clock.now()),
            "finished": None,
        }
        try:
            # Inside the transaction, so that nobody who looks for dead runs finds this one without its holder.
            with self._database.write("registry.start-run") as tx:
                self._database.presence.hold(tx, run_id)
                tx.execute(insert(runs), row)
        except BaseException:
            self._database.presence.release(run_id)
            raise
        return run_id

    def finish(self, run_id: str, status: str, metrics: Mapping[str, Any], outputs: Mapping[str, Any]) -> Run:
        """Close a run and bind its digest in the ledger. Finishing it again the same way changes nothing.

        Raises RunRefused.
        """
        values = {
            "status": status,
            "metrics": record_json(dict(metrics), "a run's metrics").decode(),
            "outputs": record_json(dict(outputs), "a run's outputs").decode(),
        }
        with self._database.write("registry.finish-run") as tx:
            row = tx.execute(select(runs).where(runs.c.id == run_id)).first()
            if row is None:
                raise self._unknown(run_id)
            tx.after_commit(lambda: self._database.presence.release(run_id))
            if row.finished is not None:
                if any(getattr(row, name) != value for name, value in values.items()):
                    raise RunRefused(f"run {run_id} was finished before, as {row.status}", where=row.finished)
                return Run.from_row(row)
            return self._close(tx, run_id, values)

    def close_interrupted(self, tx: Transaction) -> Sequence[Run]:
        """Close every run whose process died before it finished it, as "interrupted"; in the caller's transaction."""
        query = select(runs.c.id).where(runs.c.finished.is_(None)).order_by(runs.c.started, runs.c.id)
        dead = [run_id for run_id in tx.execute(query).scalars().all() if not self._alive(run_id)]
        closed = [self._close(tx, run_id, {"status": INTERRUPTED}) for run_id in dead]
        for run in closed:
            tx.after_commit(partial(self._database.presence.release, run.id))
        return closed

    def list(self, *, kind: str | None = None, limit: int | None = None) -> list[Run]:
        """Runs, newest first."""
        query = select(runs).order_by(runs.c.started.desc(), runs.c.id.desc()).limit(limit)
        if kind is not None:
            query = query.where(runs.c.kind == kind)
        with self._database.read() as connection:
            return [Run.from_row(row) for row in connection.execute(query)]

    def running(self) -> Sequence[Run]:
        """Runs that are under way: not finished, and their process lives."""
        query = select(runs).where(runs.c.finished.is_(None)).order_by(runs.c.started, runs.c.id)
        with self._database.read() as connection:
            open_runs = [Run.from_row(row) for row in connection.execute(query)]
        return [run for run in open_runs if self._alive(run.id)]

    def get(self, run_id: str) -> Run:
        """One run. Raises RunRefused."""
        with self._database.read() as connection:
            row = connection.execute(select(runs).where(runs.c.id == run_id)).first()
        if row is None:
            raise self._unknown(run_id)
        return Run.from_row(row)

    def _close(self, tx: Transaction, run_id: str, values: Mapping[str, str]) -> Run:
        tx.execute(update(runs).where(runs.c.id == run_id).values(**values, finished=rfc3339(self._clock.now())))
        row = tx.execute(select(runs).where(runs.c.id == run_id)).one()
        closed = Run.from_row(row)
        self._ledger.append(tx, Draft("run.finished", run_id, closed.actor, closed.status, {"run": run_digest(row)}))
        return closed

    def _alive(self, run_id: str) -> bool:
        with self._database.explained():
            return self._database.presence.held(run_id)

    def _unknown(self, run_id: str) -> RunRefused:
        with self._database.read() as connection:
            known = connection.execute(select(runs.c.id).order_by(runs.c.started.desc()).limit(50)).scalars().all()
        return RunRefused(f"there is no run {run_id}", why=near_miss(run_id, known))


def run_digest(row: Row[Any] | tuple[Any, ...]) -> str:
    """SHA-256 over every column of a run's row, in table order, as a JSON array."""
    return sha256_hex(record_json(list(row), "a run"))
