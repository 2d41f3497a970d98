"""Ctrl-C during a run: once for the best so far, twice to end at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flyball.core.progress import Cancellation, Progress

__all__ = ["ending_early"]


@contextmanager
def ending_early(progress: Progress) -> Iterator[Cancellation]:
    """A cancellation that the first SIGINT hurries; the second raises KeyboardInterrupt, as without this."""
    cancellation = Cancellation()
    if threading.current_thread() is not threading.main_thread():
        yield cancellation  # only the main thread may set handlers
        return
    before = signal.getsignal(signal.SIGINT)

    def interrupted(number: int, frame: Any) -> None:
        if cancellation.hurried:
            signal.signal(signal.SIGINT, before)
            signal.default_int_handler(number, frame)
        cancellation.hurry()
        progress.update("train", None, "ending with the best so far; Ctrl-C again ends at once")

    signal.signal(signal.SIGINT, interrupted)
    try:
        yield cancellation
    finally:
        signal.signal(signal.SIGINT, before)
