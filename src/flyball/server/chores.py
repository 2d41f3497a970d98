"""What a server does beside answering: small works, one after another, every second and once more at its end."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Mapping

from flyball.server.watching import Log
from flyball_runtime.errors import FlyballError

__all__ = ["Chores", "Seldom"]

_SECONDS = 1.0


class Seldom:
    """A work that is done at the first call, and then once in so many seconds: other calls do nothing."""

    def __init__(self, work: Callable[[], object], *, every_s: float) -> None:
        self._work, self._every_s = work, every_s
        self._next = -math.inf

    def __call__(self) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._every_s  # whether it works out or not: what fails every second helps nobody
            self._work()


class Chores:
    """Does `every` work each second while the block lasts, and `last` once when it ends.

    A work that fails with a coded error is told to the log and tried again the next second, or by the next server: what
    it has to do stands in the store or beside it. patience_s: how long the end waits for work under way; None: for ever.
    """

    def __init__(
        self,
        log: Log,
        *,
        every: Mapping[str, Callable[[], object]],
        last: Mapping[str, Callable[[], object]] | None = None,
        patience_s: float | None = None,
    ) -> None:
        self._log, self._every, self._last, self._patience_s = log, every, last or {}, patience_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work, name="flyball-chores", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(self._patience_s)
        self._do(self._last)

    def _work(self) -> None:
        while not self._done.wait(_SECONDS):
            self._do(self._every)

    def _do(self, works: Mapping[str, Callable[[], object]]) -> None:
        for name, work in works.items():
            try:
                work()
            except FlyballError as error:
                with contextlib.suppress(Exception):
                    self._log.tell("not done", chore=name, code=error.code, what=error.what)
            except Exception as error:  # noqa: BLE001 - the other works, and the next second, must not end with it
                self._log.unforeseen(error, name)
