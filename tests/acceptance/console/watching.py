"""What is watched of the made-up project: alerts of both severities, windows of every verdict, hostile names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

LEVEL = 0.001
FIRST = datetime(2026, 11, 12, 14, 0, tzinfo=UTC)
TAG = "<img src=x onerror=alert(2)>"


def moment(hours: float) -> str:
    return (FIRST + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")


def numbers(low: float, median: float, high: float, spread: float, missing: float = 0.0) -> dict[str, float]:
    return {"rows": 200.0, "missing": missing, "low": low, "median": median, "high": high, "spread": spread}


def torque(p: float, *, moved: bool) -> dict[str, Any]:
    return {
        "column": "Torque [Nm]",
        "kind": "number",
        "output": False,
        "p": p,
        "moved": moved,
        "distance": 0.5,
        "before": numbers(3.8, 40, 76.6, 10),
        "after": numbers(8.7, 29.1 if moved else 40, 46.8, 8),
        "cell": {"is": "below 30", "share_before": 0.1, "share_after": 0.5},
        "what": "median 29.1; 40 before (-1.1 standard deviations)",
    }


def level(p: float, *, moved: bool) -> dict[str, Any]:
    return {
        "column": TAG,
        "kind": "text",
        "output": False,
        "p": p,
        "moved": moved,
        "distance": 0.27,
        "before": {"rows": 8000.0, "missing": 0.0},
        "after": {"rows": 200.0, "missing": 0.0},
        "cell": {"is": "<b>X</b>", "share_before": 0.0, "share_after": 0.27},
        "what": '"X" in 27.0 % of the rows; never seen before',
    }


def answers(p: float, *, moved: bool) -> dict[str, Any]:
    return {
        **torque(p, moved=moved),
        "column": "P(1)",
        "output": True,
        "distance": 0.21,
        "what": "median 0.4; 0.1 before",
    }


def window(number: int, verdict: str) -> dict[str, Any]:
    alarm = verdict == "alarm"
    columns = [
        torque(1e-12 if alarm else 0.4, moved=alarm),
        level(0.0004 if alarm else 0.02, moved=alarm),
        answers(0.3, moved=False),
    ]
    judged = verdict != "not enough data"
    return {
        "model": "machines",
        "version": 3,
        "number": number,
        "start": moment(number),
        "end": moment(number + 1),
        "rows": 200 if judged else 12,
        "verdict": verdict,
        "p": (1e-12 if alarm else 0.3) if judged else None,
        "level": LEVEL,
        "alert": 41 if alarm else None,
        "judged": moment(number + 1),
        "why": "Torque [Nm] moved beyond chance" if judged else "12 rows; 50 are needed",
        "reference": "rows",
        "reference_rows": 8000,
        "columns": columns if judged else [],
    }


def alert(number: int, severity: str, state: str, **changes: Any) -> dict[str, Any]:
    commands = [f'flyball alerts acknowledge {number} --reason "who looks after it"'] if state == "open" else []
    steps = [
        "look at where Torque [Nm] comes from: a sensor, a unit",
        *commands,
        f'mended: flyball alerts resolve {number} --reason "what it was"',
        "here to stay: flyball run on newer data, then promote the new version",
    ]
    return {
        "number": number,
        "model": "machines",
        "version": 3,
        "state": state,
        "severity": severity,
        "columns": [torque(1e-12, moved=True), level(0.0004, moved=True)],
        "scores": [answers(0.0007, moved=True)],
        "window": {"number": 14, "start": moment(14), "end": moment(15), "rows": 200},
        "p": 1e-12,
        "level": LEVEL,
        "budget": "1 per 1000 windows",
        "windows": 3,
        "raised": moment(15),
        "changed": moment(16),
        "by": "user:grace",
        "reason": "" if state == "open" else "asked the plant",
        "entry": "ab" * 32,
        "next": [] if state == "resolved" else steps,
        **changes,
    }


def alerts() -> list[dict[str, Any]]:
    erased = alert(33, "warning", "resolved", columns=[], scores=[], reason="sensor replaced")
    return [alert(41, "critical", "open"), alert(37, "warning", "acknowledged"), erased]


def watch(model: str) -> dict[str, Any]:
    """machines is alarmed, prices is well, letters was asked nothing."""
    document: dict[str, Any] = {
        "model": model,
        "state": "not enough data",
        "since": moment(-300),
        "budget": "1 per 1000 windows",
        "level": LEVEL,
        "fewest": 50,
        "false_alarm_range": [0, 0],
        "windows": [],
        "waiting": [],
        "alerts": [],
        "not_watched": {"personal": ["operator"] if model == "machines" else []},
    }
    if model == "letters":
        return document
    verdicts = (
        ["healthy"] * 9
        + ["not enough data"] * 2
        + ["healthy"] * 3
        + (["alarm"] * 3 if model == "machines" else ["healthy"])
    )
    document["windows"] = [window(at, verdict) for at, verdict in enumerate(verdicts, 1)][::-1]
    document["waiting"] = [{"version": 3, "rows": 70, "wanted": 200, "late": 2}]
    document["alerts"] = [one for one in alerts() if one["state"] != "resolved"] if model == "machines" else []
    document["state"] = "alert" if document["alerts"] else "healthy"
    return document
