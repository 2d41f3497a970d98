"""Reading rows that may be damaged: whatever the file holds, the answer is rows and findings, never an exception."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text

from flyball.ledger.audit.findings import Findings
from flyball.store import DRIVER_ERRORS

__all__ = ["read_rows", "shown"]

Row = tuple[Any, ...]


def read_rows(connection: Connection, findings: Findings, table: str, columns: Sequence[str], order: str) -> list[Row]:
    """The columns as they are stored, with no type of ours laid over them; what can be read, if not all can."""
    names = ", ".join(f'"{column}"' for column in columns)
    found: list[Row] = []
    try:
        # In a savepoint, so that a table which cannot be read does not end the transaction that reads the others.
        with connection.begin_nested():
            # The names are this program's own, never input.
            for row in connection.execute(text(f'SELECT {names} FROM "{table}" ORDER BY {order}')):  # noqa: S608
                found.append(tuple(row))  # noqa: PERF401 - what was read before an error is kept
    except (*DRIVER_ERRORS, ValueError, TypeError, OverflowError) as error:
        cause = getattr(error, "orig", None) or error
        findings.add("FB-AUDIT-001", table, f"{cause} (after {len(found)} rows)")
    return found


def shown(value: object) -> str:
    """A value short enough for a line."""
    described = f"{value.hex()[:24]}… (bytes)" if isinstance(value, bytes) else repr(value)
    described = described.encode("utf-8", "backslashreplace").decode()
    return described if len(described) <= 60 else described[:57] + "…"
