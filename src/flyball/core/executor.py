"""Where independent pieces of work run: the port, and the local implementation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol, TypeVar

from flyball.core.progress import Cancellation
from flyball_runtime.errors import BadInput

__all__ = ["Executor", "LocalExecutor", "WorkersUnfit", "usable_cores"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkersUnfit(BadInput):
    """Work is to be done by no worker at all."""

    code = "FB-CORE-005"


class Executor(Protocol):
    """Runs a function over items, several at a time.

    `map_unordered` yields `(index, result)` as each piece finishes, in no fixed order. When a piece raises, no further
    piece begins, those under way run to their end unseen, and then the exception is raised. The function is called from
    other threads (or processes): it must not share mutable state. When `cancellation` is raised, no further piece
    begins and Cancelled is raised after those under way.
    """

    @property
    def workers(self) -> int:
        """How many pieces run at a time."""

    def map_unordered(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, cancellation: Cancellation | None = None
    ) -> Iterator[tuple[int, Result]]: ...


class LocalExecutor:
    """Threads of this process. The heavy libraries (LightGBM, numpy, onnxruntime) let go of the interpreter lock."""

    def __init__(self, workers: int | None = None) -> None:
        """workers: how many pieces run at a time, by default one a core. Raises WorkersUnfit."""
        if workers is not None and workers < 1:
            raise WorkersUnfit(f"{workers} workers do nothing", fix="give 1 or more, or leave it out for one a core")
        self._workers = workers or usable_cores()

    @property
    def workers(self) -> int:
        return self._workers

    def map_unordered(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, cancellation: Cancellation | None = None
    ) -> Iterator[tuple[int, Result]]:
        queue = enumerate(items)
        running: dict[Future[Result], int] = {}
        with ThreadPoolExecutor(self._workers, thread_name_prefix="flyball") as pool:
            while True:
                while len(running) < self._workers and not (cancellation and cancellation.requested):
                    following = next(queue, None)
                    if following is None:
                        break
                    running[pool.submit(function, following[1])] = following[0]
                if not running:
                    break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield running.pop(future), future.result()
        if cancellation:
            cancellation.check()


def usable_cores() -> int:
    """Cores that this process may use: its affinity, not the machine's count."""
    return max(1, len(os.sched_getaffinity(0)))
