"""The local executor: every piece once, errors at once, cancellation between pieces."""

from __future__ import annotations

import threading
import time

import pytest

from flyball.core.executor import LocalExecutor
from flyball.core.progress import Cancellation, Cancelled


def test_every_piece_is_answered_once_with_its_index() -> None:
    answers = dict(LocalExecutor(3).map_unordered(lambda item: item * item, range(50)))
    assert answers == {index: index * index for index in range(50)}


def test_no_more_pieces_run_at_a_time_than_there_are_workers() -> None:
    lock, running, most = threading.Lock(), 0, 0

    def piece(_: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.005)
        with lock:
            running -= 1

    list(LocalExecutor(2).map_unordered(piece, range(12)))
    assert most == 2


def test_the_first_error_is_raised_and_what_has_not_begun_is_dropped() -> None:
    begun: list[int] = []

    def piece(item: int) -> None:
        begun.append(item)
        if item == 1:
            raise RuntimeError("piece 1 failed")

    with pytest.raises(RuntimeError, match="piece 1 failed"):
        list(LocalExecutor(1).map_unordered(piece, range(100)))
    assert begun == [0, 1]


def test_a_raised_cancellation_lets_no_further_piece_begin() -> None:
    cancellation = Cancellation()
    begun: list[int] = []

    def piece(item: int) -> None:
        begun.append(item)
        cancellation.cancel()

    with pytest.raises(Cancelled):
        list(LocalExecutor(1).map_unordered(piece, range(10), cancellation=cancellation))
    assert begun == [0]
