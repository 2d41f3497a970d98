"""Governed tables: are they what a replay of the ledger gives?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, MetaData, Table

from flyball.ledger.audit.chain import History
from flyball.ledger.audit.findings import Findings
from flyball.ledger.audit.rows import Row, read_rows, shown
from flyball.ledger.projection import Handler
from flyball.store import Transaction
from flyball.store.sqlite import scratch_engine

__all__ = ["check_tables"]


def check_tables(
    connection: Connection,
    findings: Findings,
    history: History,
    tables: Sequence[Table],
    handlers: Mapping[str, Handler],
) -> int:
    """Replay the history into an empty database and compare row by row; return how many rows were compared."""
    engine = scratch_engine()
    metadata = MetaData()
    for table in tables:
        table.to_metadata(metadata)
    compared = 0
    try:
        with engine.connect() as scratch, scratch.begin():
            metadata.create_all(scratch)
            _replay(Transaction(scratch), findings, history, handlers)
            for table in tables:
                compared += _compare(connection, scratch, findings, table)
    finally:
        engine.dispose()
    return compared


def _replay(tx: Transaction, findings: Findings, history: History, handlers: Mapping[str, Handler]) -> None:
    for seq in sorted(history.entries):
        entry = history.entries[seq]
        handler = handlers.get(entry.what)
        if handler is None:
            continue
        try:
            with tx.connection.begin_nested():
                handler(tx, entry, history.payloads.get(seq))
        except Exception as error:  # noqa: BLE001 - a forged entry may make a handler fail in any way
            findings.add("FB-AUDIT-017", f"entry {seq}", f"{entry.what} of {entry.subject}: {type(error).__name__}")


def _compare(connection: Connection, scratch: Connection, findings: Findings, table: Table) -> int:
    columns = [column.name for column in table.columns]
    keys = [columns.index(column.name) for column in table.primary_key.columns]
    order = ", ".join(f'"{columns[key]}"' for key in keys)
    stored = _by_key(read_rows(connection, findings, table.name, columns, order), keys)
    right = _by_key(read_rows(scratch, findings, table.name, columns, order), keys)
    for key, row in right.items():
        where = f"{table.name} {'/'.join(str(part) for part in key)}"
        found = stored.get(key)
        if found is None:
            findings.add("FB-AUDIT-016", where, "the row is missing")
            continue
        for name, has, wanted in zip(columns, found, row, strict=True):
            if has != wanted or type(has) is not type(wanted):
                findings.add("FB-AUDIT-016", where, f"{name} is {shown(has)}; the ledger says {shown(wanted)}")
    for key in stored.keys() - right.keys():
        where = f"{table.name} {shown('/'.join(str(part) for part in key))}"
        findings.add("FB-AUDIT-016", where, "the ledger knows no such row")
    return len(stored)


def _by_key(rows: list[Row], keys: list[int]) -> dict[Row, Row]:
    return {tuple(row[key] for key in keys): row for row in rows}
