"""The frame gives the same float32 bits in numpy and in ONNX Runtime, whatever the table holds."""

from __future__ import annotations

import datetime as dt

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flyball.data import Table
from flyball.features import Frame, fit_frame
from flyball.features.absent import blanked
from flyball.features.dates import PARTS, calendar_parts
from flyball.graph import GraphBuilder
from flyball_runtime.schema import MISSING_TIME, Field, Schema

NUMBERS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([1e308, -1e308, 1e-45, 0.0, -0.0, 1.7e9, 2.0**60]),
    st.integers(-(10**6), 10**6).map(float),
)
TIMES = st.one_of(
    st.just(MISSING_TIME),
    st.integers(MISSING_TIME, np.iinfo(np.int64).max),
    st.integers(-(2**52), 2**52),
)
TEXTS = st.one_of(
    st.none(), st.sampled_from(["a", "b", "c", ""]), st.text(max_size=3).filter(lambda text: "\x00" not in text)
)


def run_graph(frame: Frame, table: Table) -> np.ndarray:
    builder = GraphBuilder()
    emitted = frame.emit(builder)
    builder.output("matrix", emitted.matrix, np.dtype(np.float32), len(frame.names))
    session = onnxruntime.InferenceSession(builder.build("test"), providers=["CPUExecutionProvider"])
    feed = {}
    for name, kind in (("numbers", "number"), ("times", "time"), ("texts", "text")):
        names = frame.schema.of_kind(kind)
        if names:
            feed[name] = np.stack([table[column] for column in names], axis=1)
    if "texts" in feed:
        feed["texts"][feed["texts"] == None] = "\ue000"  # noqa: E711
    return session.run(["matrix"], feed)[0]


def assert_same_bits(left: np.ndarray, right: np.ndarray) -> None:
    assert left.dtype == right.dtype == np.float32
    assert left.shape == right.shape
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    assert same.all(), (left[~same], right[~same])


def texts(values: list[str | None]) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


@st.composite
def tables(draw: st.DrawFn) -> tuple[Table, Table]:
    rows = draw(st.integers(2, 12))
    schema = Schema((Field("n", "number"), Field("t", "time"), Field("m", "number"), Field("s", "text")))
    made = []
    for count in (rows, 8):
        columns = {
            "n": np.array(draw(st.lists(NUMBERS, min_size=count, max_size=count))),
            "m": np.array(draw(st.lists(NUMBERS, min_size=count, max_size=count))),
            "t": np.array(draw(st.lists(TIMES, min_size=count, max_size=count)), dtype=np.int64),
            "s": texts(draw(st.lists(TEXTS, min_size=count, max_size=count))),
        }
        made.append(Table(schema, columns))
    return made[0], made[1]


@settings(max_examples=60, deadline=None)
@given(tables())
def test_numpy_and_the_graph_agree_bit_for_bit_on_seen_and_unseen_rows(pair: tuple[Table, Table]) -> None:
    fitted, other = pair
    frame = fit_frame(fitted)
    for table in (fitted, other):
        assert_same_bits(frame.apply(table.columns), run_graph(frame, table))


@settings(max_examples=40, deadline=None)
@given(tables(), st.data())
def test_values_that_mean_missing_are_missing_in_numpy_and_in_the_graph(
    pair: tuple[Table, Table], data: st.DataObject
) -> None:
    fitted, other = pair
    known = {name: [value for value in fitted[name].tolist() if value is not None] for name in ("n", "t", "s")}
    known["n"] = [value for value in known["n"] if np.isfinite(value)]
    absent = {
        name: tuple(data.draw(st.lists(st.sampled_from(values), max_size=3)))
        for name, values in known.items()
        if values
    }
    frame = Frame.from_dict(fit_frame(fitted, absent).to_dict())
    blank = {name: blanked(other[name], other.schema[name].kind, absent.get(name, ())) for name in other.names}
    assert_same_bits(frame.apply(other.columns), frame.apply(blank))
    for table in (fitted, other):
        assert_same_bits(frame.apply(table.columns), run_graph(frame, table))


@given(st.datetimes(timezones=st.just(dt.UTC)))
def test_calendar_parts_are_those_of_the_standard_library_in_every_year(moment: dt.datetime) -> None:
    elapsed = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    micros = (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds
    parts = calendar_parts(np.array([micros], dtype=np.int64))
    expected = {
        "year": moment.year,
        "month": moment.month,
        "day": moment.day,
        "weekday": moment.weekday(),
        "hour": moment.hour,
        "minute": moment.minute,
        "day_of_year": moment.timetuple().tm_yday,
    }
    assert {name: int(parts[name][0]) for name in PARTS} == expected


@given(tables())
@settings(max_examples=30, deadline=None)
def test_a_frame_survives_its_own_json(pair: tuple[Table, Table]) -> None:
    frame = fit_frame(pair[0])
    again = Frame.from_dict(frame.to_dict())
    assert again.names == frame.names
    assert_same_bits(again.apply(pair[1].columns), frame.apply(pair[1].columns))


@pytest.mark.parametrize("center", [0.0, 1.7e9, 1e15])
def test_values_that_differ_a_little_far_from_zero_stay_apart(center: float) -> None:
    values = center + np.arange(64) * max(0.5, abs(center) * 1e-12)
    frame = fit_frame(Table(Schema((Field("x", "number"),)), {"x": values}))
    assert len(np.unique(frame.apply({"x": values}))) == 64
