"""The writes of many callers in few transactions, without a thread where that costs more than the write."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flyball.store import Database, Done, Write

__all__ = ["Commits"]

_MOST = 256  # writes of one transaction
_SMALL_ROWS = 100  # what is written faster than a thread is woken
_QUICK_SECONDS = 0.010  # a disk that takes longer must not keep everybody else waiting
_MEMORY = 0.8  # how much of the mean of the last commits stays with each new one

Tell = Callable[[Done[Any]], None]
Group = list[tuple[Write[Any], Tell]]


class Commits:
    """Group commit for the calls of one event loop.

    Writes that wait at the same moment share one transaction; each is acknowledged once that is durable, so that nothing
    acknowledged is ever lost. One transaction is under way at a time. On a store in a file it is made on the event loop
    itself while commits are quick: to wake a thread costs more than the write. Where the disk is slow, somebody else is
    writing, much is to be written or a server keeps the store, one thread makes it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, "flyball-commits")
        self._waiting: Group = []
        self._busy = False
        self._took_s = 0.0 if database.file is not None else float("inf")

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=True)

    async def __call__(self, write: Write[Any]) -> Any:
        """Make a change; what its work returned, once it is durable. Raises what the work and the store raise."""
        future: asyncio.Future[Done[Any]] = asyncio.get_running_loop().create_future()
        self.submit(write, lambda done: None if future.done() else future.set_result(done))
        return (await future).value

    def submit(self, write: Write[Any], tell: Tell) -> None:
        """Make a change and `tell` what became of it, on the event loop, from which this is called."""
        self._waiting.append((write, tell))
        if not self._busy:
            self._busy = True
            loop = asyncio.get_running_loop()
            loop.call_soon(self._begin, loop)  # after all who came in the same moment

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        group, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
        writes = [write for write, _ in group]
        small = sum([write.rows for write in writes]) <= _SMALL_ROWS
        if small and self._took_s <= _QUICK_SECONDS:
            began = time.perf_counter()
            done = self._database.apply_now(writes)
            if done is not None:
                self._note(began)
                self._end(loop, group, done)
                return

        def wait() -> list[Done[Any]]:
            began = time.perf_counter()
            done = self._database.apply_all(writes)
            if small:
                self._note(began)
            return done

        under_way = loop.run_in_executor(self._thread, wait)
        under_way.add_done_callback(lambda future: self._end(loop, group, _result(future, len(group))))

    def _note(self, began: float) -> None:
        self._took_s = _MEMORY * self._took_s + (1 - _MEMORY) * (time.perf_counter() - began)

    def _end(self, loop: asyncio.AbstractEventLoop, group: Group, done: Sequence[Done[Any]]) -> None:
        self._busy = bool(self._waiting)
        if self._busy:
            loop.call_soon(self._begin, loop)
        for (_, tell), outcome in zip(group, done, strict=True):
            tell(outcome)


def _result(future: asyncio.Future[list[Done[Any]]], count: int) -> list[Done[Any]]:
    error = future.exception()
    if error is None:
        return future.result()
    return [Done(error=error if isinstance(error, Exception) else RuntimeError(str(error)))] * count
