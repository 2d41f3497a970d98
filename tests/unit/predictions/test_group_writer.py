"""Group commit without a database."""

from __future__ import annotations

import threading

import pytest

from flyball.predictions.writer import BatchTooLarge, GroupWriter, WriterBusy, WriterClosed


def test_what_gathers_during_a_write_goes_out_as_one_group_in_order():
    groups: list[list[int]] = []
    entered, release = threading.Event(), threading.Event()

    def write(items):
        groups.append(list(items))
        entered.set()
        release.wait(10)

    writer = GroupWriter(write, capacity=100)
    first = writer.submit([1])
    assert entered.wait(10)
    later = [writer.submit([2, 3]), writer.submit([]), writer.submit([4])]
    assert later[1].done() and not later[0].done()
    release.set()
    for future in (first, *later):
        future.result(10)
    writer.close()
    assert groups == [[1], [2, 3, 4]]


def test_a_full_queue_refuses_and_recovers():
    entered, release = threading.Event(), threading.Event()
    written: list[int] = []

    def write(items):
        entered.set()
        release.wait(10)
        written.extend(items)

    writer = GroupWriter(write, capacity=3)
    futures = [writer.submit([0])]
    assert entered.wait(10)
    futures += [writer.submit([1, 2]), writer.submit([3])]
    with pytest.raises(WriterBusy):
        writer.submit([4])
    release.set()
    for future in futures:
        future.result(10)
    with pytest.raises(BatchTooLarge, match="at most 3"):
        writer.submit([5, 6, 7, 8])  # alone, but larger than the capacity
    writer.close()
    assert written == [0, 1, 2, 3]


def test_one_failing_group_fails_its_own_callers_only():
    def write(items):
        if 13 in items:
            raise OSError("disk")

    writer = GroupWriter(write, capacity=10)
    with pytest.raises(OSError, match="disk"):
        writer.submit([13]).result(10)
    writer.submit([1]).result(10)
    writer.close()
    writer.close()
    with pytest.raises(WriterClosed):
        writer.submit([1])


def test_a_caller_that_stopped_waiting_does_not_lose_its_rows():
    entered, release = threading.Event(), threading.Event()
    written: list[int] = []

    def write(items):
        entered.set()
        release.wait(10)
        written.extend(items)

    writer = GroupWriter(write, capacity=10)
    writer.submit([1])
    assert entered.wait(10)
    gone = writer.submit([2])
    assert gone.cancel()
    release.set()
    writer.submit([3]).result(10)
    writer.close()
    assert written == [1, 2, 3]
