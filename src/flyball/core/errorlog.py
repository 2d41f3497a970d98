"""The last failures that Flyball did not foresee, kept for a report: where in its code, never what the message said."""

from __future__ import annotations

import contextlib
import json
import re
import traceback
from pathlib import Path
from typing import Any

from flyball.core.clock import Clock, rfc3339
from flyball.core.version import __version__

__all__ = ["last_errors", "note_error"]

_FILE = "errors.jsonl"
_KEPT = 20
_WORD = re.compile(r"[A-Za-z0-9_.:<>/-]{1,120}")


def note_error(state: Path, error: BaseException, command: str, clock: Clock) -> None:
    """Keep where an unforeseen error arose in the project's state folder; what keeps it from being kept is passed over.

    The message is left out, as it may hold a value of the data; so are frames of code that is not Flyball's own.
    """
    frames = [
        f"{frame.filename.rpartition('/flyball')[2].lstrip('/')}:{frame.lineno}:{frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
        if "/flyball/" in frame.filename or "/flyball_runtime/" in frame.filename
    ]
    line = {
        "time": rfc3339(clock.now()), "version": __version__, "command": command, "error": type(error).__name__,
        "frames": frames[-12:],
    }  # fmt: skip
    with contextlib.suppress(OSError, ValueError):
        if not state.is_dir():
            return
        path = state / _FILE
        before = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        path.write_text("\n".join([*before[-_KEPT + 1 :], json.dumps(line)]) + "\n", encoding="utf-8")


def last_errors(state: Path) -> list[dict[str, Any]]:
    """The errors that were kept, oldest first; lines that are not ours are left out."""
    try:
        lines = (state / _FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
    return [found for line in lines[-_KEPT:] if (found := _ours(line)) is not None]


def _ours(line: str) -> dict[str, Any] | None:
    try:
        raw = json.loads(line)
        frames = [frame for frame in raw["frames"] if _WORD.fullmatch(frame)]
        found = {name: raw[name] for name in ("time", "version", "command", "error")}
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    whole = all(isinstance(text, str) and _WORD.fullmatch(text) for text in found.values())
    return {**found, "frames": frames} if whole else None
