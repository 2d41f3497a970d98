"""Alerts: raised by a window, folded while they are open, acknowledged and resolved by people; all in the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import Row, func, select

from flyball.ledger import Actor, Draft, Ledger
from flyball.monitoring.judging import Judgement
from flyball.monitoring.tables import alerts, windows
from flyball.store import Database, Reader, StoreDamaged, Transaction
from flyball_runtime.errors import BadInput, Refused

__all__ = ["Alert", "AlertSettled", "AlertUnknown", "Alerts", "severity_of"]

OPEN = ("open", "acknowledged")
_GRAVE_DISTANCE = 0.25
_GRAVE_SHARE = 0.5


class AlertUnknown(BadInput):
    """There is no alert of this number."""

    code = "FB-WATCH-002"
    status: ClassVar[int] = 404


class AlertSettled(Refused):
    """The alert is resolved already, so nothing about it changes any more; a new change raises a new one."""

    code = "FB-WATCH-003"


@dataclass(frozen=True, slots=True)
class Alert:
    """A judged change. `state` is "open", "acknowledged" or "resolved"; `number` is that of the entry that raised it.

    `columns` are the inputs that moved, with their evidence, `scores` what moved of the model's answers; `windows`
    counts the windows that showed it; times are RFC 3339. `reason` and `actor` are of its latest change.
    """

    number: int
    model: str
    version: int
    state: str
    severity: str
    columns: tuple[Mapping[str, Any], ...]
    scores: tuple[Mapping[str, Any], ...]
    details: Mapping[str, Any]
    windows: int
    raised: str
    changed: str
    actor: Actor
    reason: str
    entry: str

    @property
    def ref(self) -> str:
        """The version that it is about."""
        return f"{self.model}@{self.version}"

    @classmethod
    def from_row(cls, row: Row[Any], seen: int) -> Alert:
        try:
            details, actor = json.loads(row.details), Actor.from_dict(json.loads(row.actor))
            moved = details.get("moved", ())
            columns = tuple(column for column in moved if not column["output"])
            scores = tuple(column for column in moved if column["output"])
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreDamaged(
                "a row of the alerts is damaged", where=f"alert {row.number}",
                fix="`flyball audit rebuild` restores it from the ledger",
            ) from error  # fmt: skip
        return cls(
            row.number, row.model, row.version, row.state, row.severity, columns, scores, details, seen, row.raised,
            row.changed, actor, row.reason, row.entry,
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "model": self.model,
            "version": self.version,
            "state": self.state,
            "severity": self.severity,
            "columns": [dict(column) for column in self.columns],
            "scores": [dict(score) for score in self.scores],
            "window": self.details.get("window"),
            "p": self.details.get("p"),
            "level": self.details.get("level"),
            "budget": self.details.get("budget"),
            "windows": self.windows,
            "raised": self.raised,
            "changed": self.changed,
            "by": f"{self.actor.kind}:{self.actor.id}",
            "reason": self.reason,
            "entry": self.entry,
            "next": _next_steps(self),
        }


class Alerts:
    """The alerts of one project. Threads and processes may call every method at once."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database, self._ledger = database, ledger

    def list(self, model: str | None = None, *, resolved: bool = False) -> list[Alert]:
        """Alerts that are open or acknowledged (with `resolved`, all), newest first."""
        query = select(alerts).order_by(alerts.c.number.desc())
        if model is not None:
            query = query.where(alerts.c.model == model)
        if not resolved:
            query = query.where(alerts.c.state.in_(OPEN))
        with self._database.read() as reader:
            seen = _windows_by_alert(reader)
            return [Alert.from_row(row, seen.get(row.number, 0)) for row in reader.execute(query)]

    def get(self, number: int) -> Alert:
        """One alert. Raises AlertUnknown."""
        with self._database.read() as reader:
            return _alert(reader, number)

    def acknowledge(self, number: int, actor: Actor, reason: str) -> Alert:
        """Say that somebody looks after it. Raises AlertUnknown, AlertSettled."""
        return self._settle(number, "alert.acknowledged", actor, reason)

    def resolve(self, number: int, actor: Actor, reason: str) -> Alert:
        """Close it: the next change raises a new alert. Raises AlertUnknown, AlertSettled."""
        return self._settle(number, "alert.resolved", actor, reason)

    def _settle(self, number: int, what: str, actor: Actor, reason: str) -> Alert:
        with self._database.write("alerts.settle") as tx:
            alert = _alert(tx, number)
            if alert.state == "resolved":
                raise AlertSettled(
                    f"alert {number} is resolved", why=f"by {alert.actor.kind}:{alert.actor.id}: {alert.reason}",
                    fix="flyball alerts list shows the open ones",
                )  # fmt: skip
            self._ledger.append(tx, Draft(what, alert.ref, actor, reason, {"alert": alert.entry}))
            return _alert(tx, number)


def _alert(reader: Reader, number: int) -> Alert:
    row = reader.execute(select(alerts).where(alerts.c.number == number)).first()
    if row is None:
        raise AlertUnknown(f"there is no alert {number}", fix="flyball alerts list --all shows every alert")
    return Alert.from_row(row, _windows_by_alert(reader).get(number, 0))


def _windows_by_alert(reader: Reader) -> dict[int, int]:
    query = select(windows.c.alert, func.count()).where(windows.c.alert.is_not(None)).group_by(windows.c.alert)
    return {row[0]: row[1] for row in reader.execute(query)}


def raise_or_fold(
    tx: Transaction,
    ledger: Ledger,
    judgement: Judgement,
    *,
    ref: str,
    window: Mapping[str, Any],
    budget: str,
    actor: Actor,
) -> tuple[int, bool]:
    """The open alert of a version, or a new one; and whether it is new.

    A window that shows what is known already adds nothing to the ledger. One that shows further columns widens the
    alert, so that a second fault does not hide behind the first.
    """
    model, _, version = ref.rpartition("@")
    query = select(alerts).where(
        alerts.c.model == model, alerts.c.version == int(version), alerts.c.state.in_(OPEN)
    )  # fmt: skip
    row = tx.execute(query.order_by(alerts.c.number)).first()
    moved = [_plain(column.to_dict()) for column in judgement.moved]
    severity = severity_of(judgement)
    payload = {
        "severity": severity,
        "window": dict(window),
        "p": max(judgement.p or 0.0, 1e-12),
        "level": judgement.level,
        "budget": budget,
        "moved": moved,
    }
    if row is None:
        why = ", ".join(column.name for column in judgement.moved) + " moved beyond chance"
        entry = ledger.append(tx, Draft("alert.raised", ref, actor, why, {}, payload))[0]
        return entry.seq, True
    alert = Alert.from_row(row, 0)
    known = {(column["column"], column["output"]) for column in (*alert.columns, *alert.scores)}
    if added := [column for column in moved if (column["column"], column["output"]) not in known]:
        grave = "critical" if "critical" in (severity, alert.severity) else severity
        why = ", ".join(column["column"] for column in added) + " moved too"
        more = {**payload, "severity": grave, "moved": added}
        ledger.append(tx, Draft("alert.widened", ref, actor, why, {"alert": alert.entry}, more))
    return alert.number, False


def severity_of(judgement: Judgement) -> str:
    """ "critical" when a quarter of the rows lie elsewhere in a column, or half of the columns moved; else "warning"."""
    far = any(column.distance >= _GRAVE_DISTANCE for column in judgement.moved)
    many = len(judgement.moved) > _GRAVE_SHARE * len(judgement.columns)
    return "critical" if far or (many and len(judgement.columns) > 1) else "warning"


def _plain(finding: dict[str, Any]) -> dict[str, Any]:
    """A finding as the ledger takes it."""
    return {**finding, "p": max(finding["p"], 1e-12)}


def _next_steps(alert: Alert) -> list[str]:
    names = ", ".join(str(column["column"]) for column in (*alert.columns, *alert.scores)[:3])
    if alert.state == "resolved":
        return []
    steps = [f"look at where {names} come from: a sensor, a unit, a join, a new kind of case" if names else ""]
    if alert.state == "open":
        steps.append(f'flyball alerts acknowledge {alert.number} --reason "who looks after it"')
    steps.append(f'mended: flyball alerts resolve {alert.number} --reason "what it was"')
    steps.append("here to stay: flyball run on newer data, then promote the new version")
    return [step for step in steps if step]
