"""What `flyball clean` takes of pasts, under a server and without one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from flyball.predictions import PredictionLog
from flyball.serving import Served
from flyball.sessions import Stream
from flyball.sessions.removal import count_before, forget_before
from flyball.store import Database
from support.asking import HandClock
from support.looking_back import columns_of, looking_back
from support.stores import Store

BUNDLE = looking_back([{"column": "heat", "aggregate": "mean", "rows": 3}])


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def database(store: Store, clock: HandClock) -> Iterator[Database]:
    with Database.open(store.url, clock, folder=store.folder) as opened:
        yield opened


def ask(database: Database, stream: Stream, units: str, cycles: range) -> list[int]:
    """Rows of several units; how many earlier rows the last of each stands on."""
    rows: list[dict[str, Any]] = [
        {"unit": unit, "cycle": cycle, "heat": cycle, "mode": "run"} for unit in units for cycle in cycles
    ]
    served = Served(BUNDLE, "engines", 1, stream=stream)
    with PredictionLog(database) as log:
        with served.turn():
            answer = served.answer(columns_of(rows), database.clock)
            written = log.submit([*answer.records, *answer.beside])
        written.result()
    assert answer.standing is not None
    past: list[int] = answer.standing.past.tolist()
    return past[len(cycles) - 1 :: len(cycles)]


def test_silent_entities_are_forgotten_and_busy_ones_go_on(database: Database, clock: HandClock, store: Store) -> None:
    stream = Stream.open(database, BUNDLE, "engines", 1)
    ask(database, stream, "ab", range(1, 201))
    stream.close()
    clock.forward(days=10)
    limit = clock.now() - timedelta(days=5)
    stream = Stream.open(database, BUNDLE, "engines", 1)
    ask(database, stream, "b", range(201, 203))
    stream.close()
    counted = count_before(database, limit)
    assert (counted.entities, counted.bytes > 0) == (1, True)
    assert forget_before(database, limit) == counted
    assert count_before(database, limit).bytes == 0
    assert store.rows("SELECT entity, count(*) FROM session_rows GROUP BY entity") == [('"b"', 2)]
    stream = Stream.open(database, BUNDLE, "engines", 1)
    assert stream.counts["entities"] == 1
    assert ask(database, stream, "ab", range(203, 204)) == [0, 2]
    stream.close()


def test_under_a_server_it_goes_on_and_the_next_one_begins_anew(database: Database, clock: HandClock) -> None:
    stream = Stream.open(database, BUNDLE, "engines", 1)
    ask(database, stream, "a", range(1, 6))
    clock.forward(days=10)
    assert forget_before(database, clock.now() - timedelta(days=5)).entities == 1
    assert ask(database, stream, "a", range(6, 7)) == [2]
    ask(database, stream, "a", range(7, 200))  # its state goes to rest again
    stream.close()
    stream = Stream.open(database, BUNDLE, "engines", 1)
    assert ask(database, stream, "a", range(200, 201)) == [2]
    clock.forward(days=10)
    assert forget_before(database, clock.now() - timedelta(days=5)).entities == 1
    stream.close()
    stream = Stream.open(database, BUNDLE, "engines", 1)
    assert stream.counts["entities"] == 0
    assert ask(database, stream, "a", range(201, 202)) == [0]
    stream.close()
