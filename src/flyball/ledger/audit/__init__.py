"""The audit: everything that is kept, held against everything that vouches for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, MetaData, func, insert, select

from flyball.ledger import tables
from flyball.ledger.audit.chain import History, check_payloads, read_history
from flyball.ledger.audit.files import check_artifacts, check_bundles, kept_checkpoints
from flyball.ledger.audit.findings import FIXES, MEANINGS, Findings, Problem, Verification
from flyball.ledger.audit.governed import check_tables
from flyball.ledger.audit.seals import SealRow, check_head, check_outside, check_seals, read_keys, read_seals
from flyball.store import DRIVER_ERRORS

if TYPE_CHECKING:
    from flyball.ledger.ledger import Ledger
    from flyball.store import ArtifactStore

__all__ = ["FIXES", "MEANINGS", "Findings", "Problem", "Verification", "rebuild", "verify"]


def verify(
    ledger: Ledger,
    *,
    checkpoints: Iterable[object] = (),
    artifacts: ArtifactStore | None = None,
    bundles: Path | None = None,
    accepted_keys: Collection[str] = (),
) -> Verification:
    """Name everything that was edited, deleted, inserted, reordered, cut or rolled back. Damage never raises.

    checkpoints: kept elsewhere, as JSON objects or as paths of files that hold them; the later, the more they show.
    artifacts: every blob is read, and those that entries bind must be there. bundles: the folder of MODEL/NUMBER.
    accepted_keys: ids of signing keys to take without the word of the key before them.
    """
    findings = Findings()
    # Read before the tables: whatever was signed by now must then be found in them.
    outside = kept_checkpoints(findings, checkpoints, ledger.head, bundles)
    history, seals, payloads, rows = History(), list[SealRow](), 0, 0
    try:
        for damage in ledger.database.integrity():
            findings.add("FB-AUDIT-001", "store", damage)
        with ledger.database.inspect() as connection:
            history, seals, payloads = _judge(connection, findings, outside, accepted_keys)
            check_head(connection, findings, history, seals)
            rows = check_tables(connection, findings, history, ledger.governed, ledger.handlers)
    except DRIVER_ERRORS as error:
        findings.add("FB-AUDIT-001", "store", str(getattr(error, "orig", None) or error))
    read = check_artifacts(findings, history, artifacts) if artifacts else 0
    folders = check_bundles(findings, history, bundles) if bundles else 0
    newest = max((row.checkpoint for row in seals if row.checkpoint), key=lambda one: one.size, default=None)
    return Verification(
        problems=tuple(findings.problems),
        notes=tuple(findings.summed()),
        entries=history.size,
        payloads=payloads,
        checkpoints=len(seals),
        outside=len(outside),
        rows=rows,
        artifacts=read,
        bundles=folders,
        newest=newest,
    )


def _judge(
    connection: Connection, findings: Findings, outside: list[tuple[str, object]], accepted: Collection[str]
) -> tuple[History, list[SealRow], int]:
    """The ledger proper: entries, payloads, keys and checkpoints."""
    seals = read_seals(connection, findings)
    sizes = {row.checkpoint.size for row in seals if row.checkpoint}
    sizes |= {raw["size"] for _, raw in outside if isinstance(raw, dict) and isinstance(raw.get("size"), int)}
    history = read_history(connection, findings, sizes)
    payloads = check_payloads(connection, findings, history)
    keys = read_keys(findings, history, accepted)
    check_seals(findings, seals, history, keys)
    check_outside(findings, outside, history, keys)
    return history, seals, payloads


def rebuild(ledger: Ledger, *, accepted_keys: Collection[str] = ()) -> dict[str, int]:
    """Drop the governed tables and the recorded end, and write them anew from the ledger; return rows by table.

    accepted_keys: ids of signing keys to take without the word of the key before them. Raises LedgerDamaged when the
    ledger itself does not hold.
    """
    from flyball.ledger.ledger import LedgerDamaged

    governed = ledger.governed
    metadata = MetaData()
    made = [table.to_metadata(metadata) for table in (*governed, tables.head)]
    with ledger.database.write("ledger.rebuild") as tx:
        findings = Findings()
        with ledger.database.inspect() as connection:  # nobody can write meanwhile
            history, seals, _ = _judge(connection, findings, [], accepted_keys)
        if findings.problems:
            first = findings.problems[0]
            raise LedgerDamaged(
                "nothing was rebuilt: the ledger itself is damaged",
                where=first.where,
                why=f"{MEANINGS[first.code]}: {first.what}",
                fix="`flyball audit verify` names everything; put back a backup of the store",
            )
        metadata.drop_all(tx.connection)
        metadata.create_all(tx.connection)
        if history.size:
            frontier = history.frontier.to_bytes()
            end = {"id": 1, "size": history.size, "tip": history.tip, "frontier": frontier, "checkpoints": len(seals)}
            tx.execute(insert(tables.head), end)
        ledger.replay(tx)
        return {table.name: tx.execute(select(func.count()).select_from(table)).scalar_one() for table in made[:-1]}
