"""How long work reports on itself, and how it learns that nobody waits for it any more."""

from __future__ import annotations

import threading
from typing import Protocol

from flyball_runtime.errors import Refused

__all__ = ["Cancellation", "Cancelled", "NoProgress", "Progress"]


class Progress(Protocol):
    """Receives what a piece of work says about itself. Any thread may call; calls never block for long.

    A step is named in the user's words ("train", "test metrics"). `start` opens it, `update` tells a fraction done in
    [0, 1] (None: unknown) and a short note, `finish` closes it; `reused` says that an earlier result was taken.
    """

    def start(self, step: str, note: str = "") -> None: ...

    def update(self, step: str, done: float | None, note: str = "") -> None: ...

    def finish(self, step: str, note: str = "", *, reused: bool = False) -> None: ...


class NoProgress:
    """Says nothing."""

    def start(self, step: str, note: str = "") -> None: ...

    def update(self, step: str, done: float | None, note: str = "") -> None: ...

    def finish(self, step: str, note: str = "", *, reused: bool = False) -> None: ...


class Cancelled(Refused):
    """The work was asked to stop; what was finished before is kept."""

    code = "FB-CORE-004"


class Cancellation:
    """Two flags that the owner of some work raises and the work looks at between its parts: stop, and come to an end."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._hurry = threading.Event()

    def hurry(self) -> None:
        """Ask for what can be had now: a search ends with the best so far, and what follows is done as ever."""
        self._hurry.set()

    @property
    def hurried(self) -> bool:
        return self._hurry.is_set()

    def cancel(self) -> None:
        self._event.set()

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raises Cancelled once `cancel` was called."""
        if self._event.is_set():
            raise Cancelled("the work was cancelled", fix="run the command again: finished steps are reused")
