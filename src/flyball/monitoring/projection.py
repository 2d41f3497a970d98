"""How entries become the alerts table.

All entries of an alert have the subject MODEL@VERSION. "alert.raised" opens it and gives it its number, the entry's
own; later entries ("alert.widened", "alert.acknowledged", "alert.resolved") bind the hash of that entry as `alert`. So
what happened to an alert stands in the chain, and only its details go when a payload is erased.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select, update

from flyball.core.canonical import canonical_json
from flyball.ledger import Entry, Projection
from flyball.monitoring.tables import alerts
from flyball.store import Transaction

__all__ = ["ALERTS"]

_STATES = {"alert.acknowledged": "acknowledged", "alert.resolved": "resolved"}


def _raised(tx: Transaction, entry: Entry, payload: Any) -> None:
    model, _, version = entry.subject.rpartition("@")
    details = payload or {}
    row = {
        "number": entry.seq,
        "entry": entry.hash,
        "model": model,
        "version": int(version),
        "state": "open",
        "severity": str(details.get("severity", "unknown")),
        "details": canonical_json(details).decode(),
        "raised": entry.time,
        **_change(entry),
    }
    tx.execute(insert(alerts), row)


def _widened(tx: Transaction, entry: Entry, payload: Any) -> None:
    import json

    known = tx.execute(select(alerts.c.details).where(alerts.c.entry == entry.binds["alert"])).scalar_one()
    details, added = json.loads(known), payload or {}
    details["moved"] = [*details.get("moved", []), *added.get("moved", [])]
    severity = str(added.get("severity", details.get("severity", "unknown")))
    details["severity"] = severity
    changed = {"details": canonical_json(details).decode(), "severity": severity, **_change(entry)}
    tx.execute(update(alerts).where(alerts.c.entry == entry.binds["alert"]).values(**changed))


def _settled(tx: Transaction, entry: Entry, payload: Any) -> None:  # noqa: ARG001 - the signature of a handler
    changed = {"state": _STATES[entry.what], **_change(entry)}
    tx.execute(update(alerts).where(alerts.c.entry == entry.binds["alert"]).values(**changed))


def _change(entry: Entry) -> dict[str, Any]:
    return {"changed": entry.time, "actor": canonical_json(entry.actor.to_dict()).decode(), "reason": entry.why}


ALERTS = Projection(
    tables=(alerts,),
    handlers={
        "alert.raised": _raised,
        "alert.widened": _widened,
        "alert.acknowledged": _settled,
        "alert.resolved": _settled,
    },
)
