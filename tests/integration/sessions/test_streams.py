"""What a stream keeps when writes fail, entities are many, versions change and servers meet."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sqlalchemy

from flyball.core.clock import SystemClock
from flyball.predictions import PredictionLog
from flyball.serving import Served
from flyball.sessions import PastPersonal, SessionsHeld, Stream, TooManyPasts
from flyball.store import Database
from flyball_runtime.bundle import Bundle
from flyball_runtime.errors import FlyballError
from flyball_runtime.windows import LATE, NEW, REPEATED, UNPLACED
from support.looking_back import columns_of, looking_back, tell
from support.stores import Store

BUNDLE = looking_back()


@pytest.fixture
def database(store: Store) -> Iterator[Database]:
    with Database.open(store.url, SystemClock(), folder=store.folder) as opened:
        yield opened


@pytest.fixture
def log(database: Database) -> Iterator[PredictionLog]:
    with PredictionLog(database) as opened:
        yield opened


def row(unit: str | None, cycle: float | None, heat: float = 1.0, mode: str | None = "run") -> dict[str, Any]:
    return {"unit": unit, "cycle": cycle, "heat": heat, "mode": mode}


def run_of(unit: str, first: int, last: int) -> list[dict[str, Any]]:
    return [row(unit, cycle, heat=cycle * 0.1) for cycle in range(first, last + 1)]


def served(stream: Stream, bundle: Bundle = BUNDLE, version: int = 1) -> Served:
    return Served(bundle, "engines", version, "production", stream=stream)


def expected(rows: list[dict[str, Any]], bundle: Bundle = BUNDLE) -> list[float]:
    answers: list[float] = bundle.session().push(columns_of(rows))["prediction"].tolist()
    return answers


def test_an_answer_says_what_it_stands_on(database: Database, log: PredictionLog) -> None:
    bundle = looking_back([{"column": "heat", "aggregate": "mean", "rows": 3}])
    stream = Stream.open(database, bundle, "engines", 1)
    rows = [*run_of("a", 1, 4), row("a", 2), row("a", 4), row("a", None), row(None, 5), row("b", 1)]
    standing = tell(served(stream, bundle), log, rows).standing
    assert standing is not None
    assert standing.status.tolist() == [NEW] * 4 + [LATE, REPEATED, UNPLACED, UNPLACED, NEW]
    assert standing.past.tolist() == [0, 1, 2, 2, 2, 2, 2, 0, 0]
    assert standing.full.tolist() == [False, False, True, True, True, True, True, False, False]


@pytest.mark.parametrize(("cycles", "full"), [(9, False), (10, True), (12, True)])
def test_a_duration_is_complete_once_an_older_row_is_known(
    database: Database, log: PredictionLog, cycles: int, full: bool
) -> None:
    bundle = looking_back([{"column": "heat", "aggregate": "max", "duration": 9}])
    stream = Stream.open(database, bundle, "engines", 1)
    answers = [tell(served(stream, bundle), log, [one]) for one in run_of("a", 1, cycles)]
    standing = answers[-1].standing
    assert standing is not None
    assert standing.full.tolist() == [full]


def test_rows_whose_write_fails_never_happened_nor_do_answers_that_stand_on_them(
    database: Database, log: PredictionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Stream.open(database, BUNDLE, "engines", 1)
    model = served(stream)
    tell(model, log, run_of("a", 1, 5))
    write, begun, fail = Database.write, threading.Event(), threading.Event()

    def failing_once(self: Database, label: str) -> Any:
        if begun.is_set():
            return write(self, label)
        begun.set()
        assert fail.wait(20)
        raise ZeroDivisionError

    monkeypatch.setattr(Database, "write", failing_once)
    waiting = []
    for rows in (run_of("a", 6, 9), run_of("a", 10, 12)):  # the second is answered before the first is known to be lost
        with model.turn():
            answer = model.answer(columns_of(rows), SystemClock())
            waiting.append(log.submit([*answer.records, *answer.beside]))
        assert begun.wait(20)
    fail.set()
    assert isinstance(waiting[0].exception(20), ZeroDivisionError)
    lost = waiting[1].exception(20)
    assert isinstance(lost, FlyballError)
    assert lost.code == "FB-PAST-004"
    answer = tell(model, log, run_of("a", 8, 10))
    assert answer.outputs["prediction"].tolist() == expected([*run_of("a", 1, 5), *run_of("a", 8, 10)])[5:]
    assert log.counts("engines") == {1: 8}


def test_what_is_refused_inside_a_turn_is_taken_back(database: Database, log: PredictionLog) -> None:
    stream = Stream.open(database, BUNDLE, "engines", 1)
    model = served(stream)
    tell(model, log, run_of("a", 1, 5))
    with pytest.raises(KeyError), model.turn():
        model.answer(columns_of([*run_of("a", 6, 9), row("b", 1)]), SystemClock())
        raise KeyError
    assert stream.counts["entities"] == 1
    both = [*run_of("a", 6, 7), row("b", 1)]
    assert tell(model, log, both).outputs["prediction"].tolist() == expected([*run_of("a", 1, 5), *both])[5:]


def test_one_entity_more_than_may_have_a_past_is_refused_and_the_others_go_on(
    database: Database, log: PredictionLog
) -> None:
    stream = Stream.open(database, BUNDLE, "engines", 1, most=2)
    model = served(stream)
    tell(model, log, [row("a", 1), row("b", 1)])
    with pytest.raises(TooManyPasts) as refused:
        tell(model, log, [row("a", 2), row("c", 1)])
    assert refused.value.code == "FB-PAST-003"
    answer = tell(model, log, [row("a", 2)])
    assert answer.standing.status.tolist() == [NEW]  # type: ignore[union-attr]
    assert stream.counts["entities"] == 2


def test_pasts_beyond_the_memory_are_read_again(database: Database, log: PredictionLog) -> None:
    stream = Stream.open(database, BUNDLE, "engines", 1, memory=1)
    model = served(stream)
    units = [f"unit {number}" for number in range(20)]
    rows = [row(unit, cycle, heat=cycle) for cycle in range(1, 5) for unit in units]
    answers = [tell(model, log, [one]).outputs["prediction"][0] for one in rows]
    assert answers == expected(rows)
    counts = stream.counts
    assert counts["held"] <= 3
    assert (counts["evicted"] > 40, counts["loaded"] > 40, counts["entities"]) == (True, True, 20)


def test_what_is_stored_of_an_entity_stays_bounded(database: Database, log: PredictionLog) -> None:
    stream = Stream.open(database, BUNDLE, "engines", 1)
    for begin in range(1, 1000, 100):
        tell(served(stream), log, run_of("a", begin, begin + 99))
    for one in run_of("a", 1001, 1200):
        tell(served(stream), log, [one])
    with database.read() as reader:
        stored = reader.execute(sqlalchemy.text("SELECT count(*), max(number) FROM session_rows")).one()
    assert stored[1] == 1200
    assert 64 <= stored[0] < 64 * 3


def test_a_new_version_begins_with_what_the_old_one_saw_and_back(database: Database, log: PredictionLog) -> None:
    """Each goes on from the rows of both, in their order, whichever of them came to which."""
    longer = looking_back([{"column": "heat", "aggregate": "mean", "rows": 12}])
    rows = run_of("a", 1, 30)
    first = Stream.open(database, BUNDLE, "engines", 1)
    tell(served(first), log, rows[:10])
    first.close()
    second = Stream.open(database, longer, "engines", 2)
    answer = tell(served(second, longer, 2), log, rows[10:15])
    assert answer.outputs["prediction"].tolist() == expected(rows, longer)[10:15]
    assert answer.standing.past.tolist() == [10, 11, 11, 11, 11]  # type: ignore[union-attr]
    second.close()
    second = Stream.open(database, longer, "engines", 2)  # what it began with is its own by now
    assert (
        tell(served(second, longer, 2), log, [rows[15]]).outputs["prediction"].tolist() == expected(rows, longer)[15:16]
    )
    second.close()
    first = Stream.open(database, BUNDLE, "engines", 1)
    assert tell(served(first), log, rows[16:]).outputs["prediction"].tolist() == expected(rows)[16:]
    first.close()
    third = Stream.open(database, looking_back(entity=None), "engines", 3)  # whose past that is, is another matter
    answer = tell(served(third, looking_back(entity=None), 3), log, [row("a", 40)])
    assert answer.standing.past.tolist() == [0]  # type: ignore[union-attr]


def test_rows_without_an_order_come_to_a_new_version_once(database: Database, log: PredictionLog) -> None:
    short = [{"column": "heat", "aggregate": "mean", "rows": 3}]
    long = [{"column": "heat", "aggregate": "mean", "rows": 9}]
    one, two = looking_back(short, order=None), looking_back(long, order=None)
    rows, done = run_of("a", 1, 30), 0
    for version, bundle in ((1, one), (2, two), (1, one), (2, two)):
        stream = Stream.open(database, bundle, "engines", version)
        some = rows[done : done + 5]
        got = tell(served(stream, bundle, version), log, some).outputs["prediction"].tolist()
        assert got == expected(rows, bundle)[done : done + 5]
        done += 5
        stream.close()


def test_streams_of_versions_long_out_of_use_are_removed(database: Database, log: PredictionLog) -> None:
    for rows in range(2, 9):
        bundle = looking_back([{"column": "heat", "aggregate": "mean", "rows": rows}])
        stream = Stream.open(database, bundle, "engines", rows)
        tell(served(stream, bundle, rows), log, [row("a", rows)])
        stream.close()
    with database.read() as reader:
        kept = reader.execute(sqlalchemy.text("SELECT version FROM session_streams ORDER BY version")).scalars().all()
        held = reader.execute(sqlalchemy.text("SELECT count(DISTINCT stream) FROM session_rows")).scalar_one()
    assert (kept, held) == ([5, 6, 7, 8], 4)


def test_a_second_server_of_the_same_version_is_refused_one_of_another_is_not(database: Database, store: Store) -> None:
    stream = Stream.open(database, BUNDLE, "engines", 1)
    with Database.open(store.url, SystemClock(), folder=store.folder) as other:
        with pytest.raises(SessionsHeld) as refused:
            Stream.open(other, BUNDLE, "engines", 1)
        assert refused.value.code == "FB-PAST-001"
        Stream.open(other, looking_back(order=None), "engines", 2).close()
        stream.close()
        Stream.open(other, BUNDLE, "engines", 1).close()


def test_windows_over_personal_columns_are_refused_other_personal_columns_are_not_kept(
    database: Database, log: PredictionLog
) -> None:
    with pytest.raises(PastPersonal, match="heat"):
        Stream.open(database, BUNDLE, "engines", 1, personal={"heat"})
    bundle = looking_back([{"column": "heat", "aggregate": "mean", "rows": 3}])
    personal = frozenset({"mode"})
    stream = Stream.open(database, bundle, "engines", 2, personal=personal)
    tell(Served(bundle, "engines", 2, personal=personal, stream=stream), log, [row("a", 1, mode="secret")])
    with database.read() as reader:
        assert reader.execute(sqlalchemy.text("SELECT row FROM session_rows")).scalars().all() == ['["a",1.0,1.0]']


def test_names_of_any_length_and_script_are_entities(database: Database, log: PredictionLog) -> None:
    names = ["", "a" * 10_000, "a" * 9_999 + "b", "\0", "Ä\n", "None", '"']
    rows = [row(name, cycle, heat=place) for cycle in (1, 2) for place, name in enumerate(names)]
    stream = Stream.open(database, BUNDLE, "engines", 1, memory=1)
    assert [tell(served(stream), log, [one]).outputs["prediction"][0] for one in rows] == expected(rows)


def test_a_model_that_looks_back_is_not_served_without_a_stream() -> None:
    with pytest.raises(FlyballError) as refused:
        Served(BUNDLE, "engines", 1)
    assert refused.value.code == "FB-SERVE-021"


def test_extreme_numbers_come_back_as_they_were(database: Database, log: PredictionLog) -> None:
    bundle = looking_back([{"column": "heat", "aggregate": "lag", "lag": 1}])
    heats = [5e-324, -0.0, 0.1 + 0.2, float("inf"), 1.7e308, 1e149, np.pi]
    rows = [row("a", cycle, heat=heat) for cycle, heat in enumerate(heats)]
    answers = []
    for one in rows:
        stream = Stream.open(database, bundle, "engines", 1)
        answers.append(tell(served(stream, bundle), log, [one]).outputs["prediction"][0])
        stream.close()
    assert answers == expected(rows, bundle)
