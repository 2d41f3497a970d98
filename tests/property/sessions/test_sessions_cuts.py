"""However rows are divided into requests, and however often the server begins anew, the answers are those of the whole table."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flyball.core.clock import SystemClock
from flyball.predictions import PredictionLog
from flyball.serving import Served
from flyball.sessions import Stream, seed
from flyball.store.database import Database
from flyball_runtime.table import normalise
from support.looking_back import columns_of, looking_back, rows_of, tell

BUNDLES = {
    "units in cycles": looking_back(),
    "units in the order they come": looking_back(entity="unit", order=None),
    "one stream": looking_back(entity=None),
    "short windows": looking_back([{"column": "heat", "aggregate": "mean", "rows": 3}]),
}
_NAMES = count()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with Database.open("sqlite:///s.db", SystemClock(), folder=tmp_path_factory.mktemp("store")) as opened:
        yield opened


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(sorted(BUNDLES)),
    number=st.integers(0, 2**32 - 1),
    requests=st.lists(st.integers(1, 60), min_size=1, max_size=25),
    restarts=st.sets(st.integers(0, 24), max_size=4),
    memory=st.sampled_from([1, 5_000, 2**28]),
    units=st.sampled_from([1, 5]),
)
def test_requests_and_restarts_leave_every_bit_as_one_pass_has_it(
    database: Database, kind: str, number: int, requests: list[int], restarts: set[int], memory: int, units: int
) -> None:
    bundle, model = BUNDLES[kind], f"engines {next(_NAMES)}"
    rows = rows_of(number, sum(requests), units=units)
    session = bundle.session()
    expected = session.push(columns_of(rows))["prediction"]
    answers: list[np.ndarray] = []
    arrivals: list[np.ndarray] = []
    stream = log = None
    begin = 0
    try:
        for place, size in enumerate([*requests, len(rows)]):
            if stream is None or log is None or place in restarts:
                if stream is not None and log is not None:
                    log.close()
                    stream.close()
                stream = Stream.open(database, bundle, model, 1, memory=memory)
                log = PredictionLog(database)
            some, begin = rows[begin : begin + size], begin + size
            if some:
                answer = tell(Served(bundle, model, 1, stream=stream), log, some)
                answers.append(answer.outputs["prediction"])
                assert answer.standing is not None
                arrivals.append(answer.standing.status)
    finally:
        assert stream is not None
        assert log is not None
        log.close()
        stream.close()
    got = np.concatenate(answers)
    assert np.array_equal(got.view(np.int64), expected.view(np.int64))
    late, repeated, unplaced = np.bincount(np.concatenate(arrivals), minlength=4)[1:].tolist()
    assert session.counts == {"rows": len(rows), "late": late, "repeated": repeated, "unplaced": unplaced}


@settings(max_examples=15, deadline=None)
@given(number=st.integers(0, 2**32 - 1), known=st.integers(0, 600), kind=st.sampled_from(sorted(BUNDLES)))
def test_a_past_from_a_table_is_the_past_of_its_rows_one_by_one(
    database: Database, number: int, known: int, kind: str
) -> None:
    """Given twice, the table changes nothing the second time; the rows that follow are answered as in one pass."""
    bundle, model = BUNDLES[kind], f"engines {next(_NAMES)}"
    rows = [row for row in rows_of(number, 700) if row["cycle"] is not None and row["unit"] is not None]
    order = bundle.windowed.spec.order if bundle.windowed else None
    past, later = rows[:known], rows[known:]
    if order is not None:
        past = sorted(past, key=lambda row: row["cycle"])  # as a table is brought into order
    expected = bundle.session().push(columns_of([*past, *later]))["prediction"][len(past) :]
    stream, log = Stream.open(database, bundle, model, 1), PredictionLog(database)
    try:
        if past:
            columns = normalise(columns_of(past), bundle.inputs)
            first = seed(stream, log, columns)
            again = seed(stream, log, columns)
            assert first.rows == first.new + first.already == len(past)
            assert (again.new, again.already) == (0, len(past))
        got = tell(Served(bundle, model, 1, stream=stream), log, later).outputs["prediction"]
    finally:
        log.close()
        stream.close()
    assert np.array_equal(got.view(np.int64), expected.view(np.int64))
