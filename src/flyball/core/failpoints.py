"""Named points around every durable write, where a test can stop the process dead.

`FLYBALL_FAILPOINT=NAME` kills the process with SIGKILL when it reaches NAME (`NAME#3`: at the third time), as a
power cut would. `FLYBALL_FAILPOINT_TRACE=FILE` appends each name reached to FILE, so that a test can list them all.
Both are read at each point: without them a point costs two dictionary look-ups.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

__all__ = ["failpoint"]

_reached: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Mark a point named `part.operation:moment`, for example `registry.register:after-commit`."""
    wanted = os.environ.get("FLYBALL_FAILPOINT")
    trace = os.environ.get("FLYBALL_FAILPOINT_TRACE")
    if trace:
        with Path(trace).open("a", encoding="utf-8") as file:
            file.write(name + "\n")
    if not wanted:
        return
    _reached[name] += 1
    target, _, nth = wanted.partition("#")
    if target == name and _reached[name] == int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
