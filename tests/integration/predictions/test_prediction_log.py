"""The prediction log over a real store."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy

from flyball.core.clock import SystemClock
from flyball.predictions import Prediction, PredictionLog, records_of
from flyball.predictions.log import BadOutcome, Told, UnknownPrediction
from flyball.predictions.stretch import Place, count_rows, read_stretch, versions_since
from flyball.predictions.tables import METADATA
from flyball.predictions.writer import WriterClosed
from flyball.store.database import Database
from flyball_runtime.schema import MISSING_TIME, Field, Schema
from support.stores import Store

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SCHEMA = Schema((Field("age", "number"), Field("ts", "time"), Field("name", "text")))


class FixedClock:
    def now(self) -> datetime:
        return NOON


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with all its tables, made once: the migrations take longer than most tests."""
    folder = tmp_path_factory.mktemp("empty")
    Database.open("sqlite:///flyball.db", SystemClock(), folder=folder).close()
    return folder


@pytest.fixture
def filled(store: Store, empty_store: Path) -> Store:
    """A store with its tables."""
    if store.kind == "sqlite":
        shutil.copytree(empty_store, store.folder, dirs_exist_ok=True)
    return store


@pytest.fixture
def database(filled: Store) -> Iterator[Database]:
    with Database.open(filled.url, FixedClock(), folder=filled.folder) as opened:
        yield opened


@pytest.fixture
def log(database: Database) -> Iterator[PredictionLog]:
    with PredictionLog(database) as opened:
        yield opened


def prediction(number: int, *, version: int = 1, at: datetime = NOON, model: str = "m") -> Prediction:
    return Prediction(
        f"pred_{number:04d}", at, model, version, "production", "ab" * 32, {"x": 1.5}, {"prediction": 2.0}
    )


def test_what_was_appended_is_read_back_exactly_oldest_first(log):
    made = [prediction(i, at=NOON + timedelta(microseconds=i)) for i in range(3)]
    log.append([made[2], made[0]])
    log.append([made[1]])
    assert [item.prediction for item in log.read("m")] == made
    assert log.read("another") == []


def test_reading_keeps_to_the_window_the_version_and_the_limit(log):
    log.append([prediction(i, version=1 + i % 2, at=NOON + timedelta(hours=i)) for i in range(6)])
    window = log.read("m", start=NOON + timedelta(hours=1), end=NOON + timedelta(hours=4))
    assert [item.prediction.id for item in window] == ["pred_0001", "pred_0002", "pred_0003"]
    assert [item.prediction.version for item in log.read("m", version=2)] == [2, 2, 2]
    assert [item.prediction.id for item in log.read("m", limit=2)] == ["pred_0004", "pred_0005"]
    assert log.counts("m") == {1: 3, 2: 3}


def test_the_newest_outcome_counts_and_older_ones_are_kept(log, database):
    log.append([prediction(1), prediction(2)])
    log.outcome("pred_0001", "no", source="phone")
    told = log.outcome("pred_0001", "yes", NOON - timedelta(days=3), "inspection")
    found = log.find(["pred_0001", "pred_0002", "pred_9999"])
    assert found["pred_0001"].outcome == told
    assert found["pred_0002"].outcome is None
    assert set(found) == {"pred_0001", "pred_0002"}
    assert [item.prediction.id for item in log.read("m", with_outcome=True)] == ["pred_0001"]
    with database.read() as reader:
        assert reader.execute(sqlalchemy.text("SELECT count(*) FROM outcomes")).scalar_one() == 2


def test_an_outcome_for_an_unknown_id_is_refused_and_nothing_of_its_batch_is_written(log):
    log.append([prediction(1)])
    with pytest.raises(UnknownPrediction, match="pred_0009") as refusal:
        log.record([Told("pred_0001", 1), Told("pred_0009", 1)])
    assert refusal.value.code == "FB-PREDICT-003"
    assert log.find(["pred_0001"])["pred_0001"].outcome is None


def test_values_of_every_kind_come_back_as_they_were(log):
    log.append([prediction(i) for i in range(5)])
    values = ["Ä\ud800\n", 3, 2.5, True, None]
    log.record([Told(f"pred_{i:04d}", value) for i, value in enumerate(values)])
    found = log.find(f"pred_{i:04d}" for i in range(5))
    assert [found[f"pred_{i:04d}"].outcome.value for i in range(5)] == values


def test_personal_columns_never_reach_the_records():
    columns = {
        "age": np.array([1.0, np.nan, np.inf]),
        "ts": np.array([5, MISSING_TIME, -7]),
        "name": np.array(["Ada", None, "Bob"], dtype=object),
    }
    outputs = {"prediction": np.array([1, 0, 1]), "probability": np.array([[0.2, 0.8], [0.9, 0.1], [0.5, 0.5]])}
    made = records_of(
        columns, outputs, schema=SCHEMA, model="m", version=1, alias=None, content_hash="", clock=SystemClock(),
        personal={"name"},
    )  # fmt: skip
    assert [dict(item.inputs) for item in made] == [
        {"age": 1.0, "ts": 5},
        {"age": None, "ts": None},
        {"age": "Infinity", "ts": -7},
    ]
    assert made[0].outputs == {"prediction": 1, "probability": [0.2, 0.8]}
    assert len({item.id for item in made}) == 3


def test_rows_of_many_threads_share_transactions_and_none_is_lost(log, database, monkeypatch):
    transactions = []
    write = database.write
    monkeypatch.setattr(database, "write", lambda label: transactions.append(label) or write(label))
    barrier = threading.Barrier(16)

    def work(base: int) -> None:
        barrier.wait()
        for i in range(10):
            log.append([prediction(base * 100 + i)])
            assert f"pred_{base * 100 + i:04d}" in log.find([f"pred_{base * 100 + i:04d}"])

    threads = [threading.Thread(target=work, args=(base,)) for base in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.counts("m") == {1: 160}
    assert len(transactions) < 160


def test_a_failed_write_reaches_the_caller_and_the_log_goes_on(log):
    log.append([prediction(1)])
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        log.append([prediction(1)])
    log.append([prediction(2)])
    assert log.counts("m") == {1: 2}


def test_closing_writes_what_waits_and_then_refuses(database):
    log = PredictionLog(database)
    futures = [log.submit([prediction(i)]) for i in range(50)]
    log.close()
    assert all(future.done() and future.exception() is None for future in futures)
    assert log.counts("m") == {1: 50}
    with pytest.raises(WriterClosed):
        log.append([prediction(99)])


def test_the_migration_makes_the_tables_that_the_code_expects(database):
    expected = METADATA.tables
    with database.read() as reader:
        inspector = sqlalchemy.inspect(reader)
        for name, table in expected.items():
            found = {column["name"]: column for column in inspector.get_columns(name)}
            assert list(found) == [column.name for column in table.columns]
            assert {n: c["nullable"] for n, c in found.items()} == {c.name: c.nullable for c in table.columns}
            assert {item["name"] for item in inspector.get_indexes(name)} == {index.name for index in table.indexes}


_CHILD = """
import sys
from pathlib import Path
from flyball.core.clock import SystemClock
from flyball.predictions import Prediction, PredictionLog
from flyball.store.database import Database
database = Database.open(sys.argv[2], SystemClock(), folder=Path(sys.argv[1]))
with PredictionLog(database) as log:
    for i in range(3):
        log.append([Prediction(f"pred_{i}", SystemClock().now(), "m", 1, None, "", {}, {})])
        print(i, flush=True)
    log.outcome("pred_0", 1)
    print("told", flush=True)
"""


@pytest.mark.parametrize(
    ("failpoint", "acknowledged", "kept", "outcomes"),
    [
        ("predictions.append:before-commit#2", ["0"], 1, 0),
        ("predictions.append:after-commit#2", ["0"], 2, 0),
        ("predictions.outcome:before-commit", ["0", "1", "2"], 3, 0),
        ("predictions.outcome:after-commit", ["0", "1", "2"], 3, 1),
    ],
)
def test_a_kill_at_a_write_loses_nothing_that_was_acknowledged(filled, failpoint, acknowledged, kept, outcomes):
    environment = {**os.environ, "FLYBALL_FAILPOINT": failpoint}
    child = subprocess.run(
        [sys.executable, "-c", _CHILD, str(filled.folder), filled.url],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == -9, child.stderr
    assert child.stdout.split() == acknowledged
    with (
        Database.open(filled.url, SystemClock(), folder=filled.folder) as database,
        PredictionLog(database) as log,
    ):
        assert log.counts("m") == {1: kept}
        assert len(log.read("m", with_outcome=True)) == outcomes


@pytest.mark.parametrize(
    "told",
    [
        {"time": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))},
        {"time": datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-2)))},
        {"time": datetime(2026, 1, 1)},  # noqa: DTZ001 - without a time zone
        {"source": "\ud800"},
        {"value": [1]},
        {"value": 10**5000},
    ],
)
def test_what_could_not_be_read_back_is_not_written(log: PredictionLog, told: dict[str, object]) -> None:
    log.append([prediction(1), prediction(2)])
    one, two = (prediction(number).id for number in (1, 2))
    with pytest.raises(BadOutcome):
        log.record([Told(one, 1), Told(**{"prediction_id": two, "value": 1, **told})])
    assert [logged.outcome for logged in log.find([one, two]).values()] == [None, None]


def test_a_stretch_goes_on_where_the_last_one_ended_also_among_rows_of_one_moment(log, database):
    log.append([prediction(i, at=NOON + timedelta(seconds=i // 4)) for i in range(10)])
    log.append([prediction(90 + i, version=2) for i in range(3)])
    place, seen = Place(0), []
    while (stretch := read_stretch(database, "m", 1, after=place, before=2**62, limit=3)).rows:
        assert count_rows(database, "m", 1, after=place, before=2**62) == 10 - len(seen)
        seen += [stretch.last]
        place = stretch.place
        seen += [""] * (stretch.rows - 1)
    assert [name for name in seen if name] == ["pred_0002", "pred_0005", "pred_0008", "pred_0009"]
    assert versions_since(database, "m", 0) == [1, 2]
    assert versions_since(database, "m", place.time + 1) == []


def test_of_a_long_stretch_one_in_so_many_rows_is_read(log, database):
    log.append([prediction(i, at=NOON + timedelta(seconds=i)) for i in range(20)])
    thin = read_stretch(database, "m", 1, after=Place(0), before=2**62, limit=100, one_in=4)
    assert thin.rows == 5
    assert np.all(np.diff(thin.times) == 4_000_000)


def test_logged_rows_come_back_as_the_columns_that_were_asked(log, database):
    moment = 1_767_355_200_000_000
    columns = {
        "age": np.array([41.5, np.nan, np.inf]),
        "ts": np.array([moment, MISSING_TIME, moment + 1]),
        "name": np.array(["ß", None, ""], dtype=object),
    }
    outputs = {"prediction": np.array([1.0, 2.0, 3.0])}
    log.append(
        records_of(
            columns, outputs, schema=SCHEMA, model="m", version=1, alias=None, content_hash="ab" * 32,
            clock=FixedClock(),
        )
    )  # fmt: skip
    stretch = read_stretch(database, "m", 1, after=Place(0), before=2**62, limit=9)
    read = stretch.columns(SCHEMA)
    order = np.argsort(np.array(stretch.outputs_of("prediction")))
    for name, values in columns.items():
        np.testing.assert_array_equal(read[name][order], values)
    assert stretch.outputs_of("probability") is None
