"""The registry's share of an audit: finished runs against the digests that the ledger holds."""

from __future__ import annotations

from dataclasses import replace

from flyball.core.canonical import sha256_hex
from flyball.ledger import Ledger, NotRecordable, Verification
from flyball.ledger.audit import Findings
from flyball.ledger.audit.rows import read_rows
from flyball.ledger.entries import Entry, record_json
from flyball.ledger.ledger import LedgerDamaged
from flyball.registry.tables import runs
from flyball.store import DRIVER_ERRORS, Database
from flyball_runtime.errors import FlyballError

__all__ = ["with_runs"]


def with_runs(verification: Verification, database: Database, ledger: Ledger) -> Verification:
    """The verification, with what is wrong with finished runs added to it."""
    findings = Findings()
    columns = [column.name for column in runs.columns]
    try:
        with database.inspect() as connection:
            stored = {row[0]: row for row in read_rows(connection, findings, "runs", columns, '"id"')}
        finished = {entry.subject: entry for entry in ledger.entries(what="run.finished")}
    except (*DRIVER_ERRORS, LedgerDamaged, FlyballError, TypeError, ValueError):
        # The entries cannot be read: the verification of the ledger has said so already.
        return replace(verification, problems=(*verification.problems, *findings.problems))
    for run_id, entry in finished.items():
        row = stored.get(run_id)
        if row is None:
            findings.add("FB-AUDIT-021", f"run {run_id}", f"it is missing; entry {entry.seq} holds its digest")
        elif not _matches(row, entry):
            findings.add(
                "FB-AUDIT-021", f"run {run_id}", f"its row does not give the digest that entry {entry.seq} holds"
            )
    for run_id, row in stored.items():
        if row[-1] is not None and run_id not in finished:
            findings.add(
                "FB-AUDIT-021", f"run {run_id!a}", "it says that it is finished, but the ledger has no entry for it"
            )
    return replace(
        verification, problems=(*verification.problems, *findings.problems), rows=verification.rows + len(stored)
    )


def _matches(row: tuple[object, ...], entry: Entry) -> bool:
    try:
        return sha256_hex(record_json(list(row), "a run")) == entry.binds.get("run")
    except NotRecordable:
        return False
