"""Group commit: what several threads want to write at once becomes one transaction."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from flyball_runtime.errors import BadInput, InternalError

__all__ = ["BatchTooLarge", "GroupWriter", "WriterBusy", "WriterClosed"]

Item = TypeVar("Item")
_Part = tuple[Sequence[Item], Future[None]]
_LARGEST_GROUP = 20_000


class WriterBusy(InternalError):
    """More rows wait to be written than the log holds in memory: the disk is slower than the requests."""

    code = "FB-PREDICT-001"
    status = 503


class BatchTooLarge(BadInput):
    """More rows were given at once than the prediction log holds in memory."""

    code = "FB-PREDICT-005"
    status = 413


class WriterClosed(InternalError):
    """The prediction log is closed, because its server is shutting down."""

    code = "FB-PREDICT-002"
    status = 503


class GroupWriter(Generic[Item]):
    """Hands groups of items to `write` in one thread, in the order given; any thread may submit.

    A future is done once `write` returned for its items, or carries the exception that `write` raised. While one
    group is being written the next one gathers, so the cost of a durable write is shared by all who wait for it.
    """

    def __init__(self, write: Callable[[list[Item]], None], *, capacity: int) -> None:
        self._write = write
        self._capacity = capacity
        self._waiting: deque[_Part[Item]] = deque()
        self._items = 0
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def submit(self, items: Sequence[Item]) -> Future[None]:
        """Raises BatchTooLarge for more than `capacity` items, WriterBusy when too many wait, WriterClosed after `close`."""
        future: Future[None] = Future()
        if not items:
            future.set_result(None)
            return future
        with self._changed:
            if self._closed:
                raise WriterClosed("the prediction log is closed", why="its server is shutting down", fix="ask again")
            if len(items) > self._capacity:
                raise BatchTooLarge(
                    f"{len(items):,} rows cannot be logged at once",
                    why=f"the prediction log holds at most {self._capacity:,} rows in memory",
                    fix="give them in smaller groups",
                )
            if self._items + len(items) > self._capacity:
                raise WriterBusy(
                    "the prediction log cannot keep up",
                    why=f"{self._items:,} rows wait to be written",
                    fix="ask again later, or put the project on a faster disk",
                )
            self._waiting.append((items, future))
            self._items += len(items)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="flyball-log", daemon=True)
                self._thread.start()
            self._changed.notify()
        return future

    def close(self) -> None:
        """Write what waits, then stop. Calling it again does nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while group := self._next_group():
            items = [item for part, _ in group for item in part]
            try:
                self._write(items)
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for the write
                for _, future in group:
                    if future.set_running_or_notify_cancel():  # its caller may have stopped waiting
                        future.set_exception(error)
            else:
                for _, future in group:
                    if future.set_running_or_notify_cancel():
                        future.set_result(None)

    def _next_group(self) -> list[_Part[Item]]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            group: list[_Part[Item]] = []
            size = 0
            while self._waiting and (not group or size + len(self._waiting[0][0]) <= _LARGEST_GROUP):
                part, future = self._waiting.popleft()
                self._items -= len(part)
                group.append((part, future))
                size += len(part)
            return group
