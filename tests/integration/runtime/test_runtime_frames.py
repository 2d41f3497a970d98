"""Data frames of other libraries give the columns that they hold, without PyArrow."""

from __future__ import annotations

import math
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import nanoarrow
import numpy as np
import pandas as pd
import polars as pl
import pytest

from flyball_runtime.arrow import ArrowUnreadable, read_arrow_stream
from flyball_runtime.schema import MISSING_TIME, Field, Schema
from flyball_runtime.table import UnreadableTable, WrongType, normalise, read_columns

YEAR_2020 = 1_577_836_800_000_000
LONG = "a text that is too long to lie within a view, é"


def normalised(table: Any, kind: Any, name: str = "x") -> list[Any]:
    return normalise(read_columns(table), Schema((Field(name, kind),)))[name].tolist()


@pytest.mark.parametrize(
    "dtype",
    [pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Float32, pl.Float64],
)
def test_polars_numbers_with_and_without_nulls(dtype: Any) -> None:
    assert normalised(pl.DataFrame({"x": pl.Series([1, 2, 3], dtype=dtype)}), "number") == [1, 2, 3]
    gaps = normalised(pl.DataFrame({"x": pl.Series([1, None, 3], dtype=dtype)}), "number")
    assert gaps[::2] == [1, 3]
    assert math.isnan(gaps[1])


def test_polars_booleans_decimals_and_columns_of_nothing() -> None:
    booleans = [True, None, False] * 7
    decoded = normalised(pl.DataFrame({"x": booleans}), "number")
    np.testing.assert_array_equal(decoded, [1, math.nan, 0] * 7)
    decimals = pl.DataFrame({"x": pl.Series([Decimal("1.25"), None, Decimal("-0.01")], dtype=pl.Decimal(20, 2))})
    np.testing.assert_array_equal(normalised(decimals, "number"), [1.25, math.nan, -0.01])
    nothing = pl.DataFrame({"x": [None, None]})
    assert normalised(nothing, "text") == [None, None]
    assert normalised(nothing, "time") == [MISSING_TIME] * 2
    assert all(math.isnan(cell) for cell in normalised(nothing, "number"))


def test_polars_text_short_long_missing_and_categorical() -> None:
    cells = ["a", None, LONG, "", "twelve bytes", "thirteen byte", "é" * 6]
    assert normalised(pl.DataFrame({"x": cells}), "text") == cells
    assert normalised(pl.DataFrame({"x": pl.Series(cells, dtype=pl.Categorical)}), "text") == cells
    assert normalised(pl.DataFrame({"x": pl.Series(["b", None], dtype=pl.Enum(["a", "b"]))}), "text") == ["b", None]


def test_a_slice_of_a_frame_gives_its_own_rows() -> None:
    frame = pl.DataFrame({"x": [LONG, None, "c", "d"], "n": [1, None, 3, 4], "b": [True, None, False, True]})
    part = frame.slice(1, 2)
    assert normalised(part, "text") == [None, "c"]
    np.testing.assert_array_equal(normalised(part, "number", "n"), [math.nan, 3])
    np.testing.assert_array_equal(normalised(part, "number", "b"), [math.nan, 0])


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Europe/Paris"])
def test_polars_times_of_every_unit_and_zone(unit: Any, zone: str | None) -> None:
    moments = [datetime.fromisoformat("2020-01-01"), None, datetime.fromisoformat("1969-12-31 23:59:59")]
    series = pl.Series(moments, dtype=pl.Datetime(unit, "UTC" if zone else None))
    if zone:
        series = series.dt.convert_time_zone(zone)
    assert normalised(pl.DataFrame({"x": series}), "time") == [YEAR_2020, MISSING_TIME, -1_000_000]


def test_polars_dates() -> None:
    assert normalised(pl.DataFrame({"x": [date(2020, 1, 1), None]}), "time") == [YEAR_2020, MISSING_TIME]


def test_integers_beyond_what_a_float_holds_keep_their_digits_as_text() -> None:
    frame = pl.DataFrame({"x": [2**60 + 1, None]})
    assert normalised(frame, "text") == [str(2**60 + 1), None]


def test_a_frame_in_several_chunks_and_one_without_rows() -> None:
    parts = pl.concat([pl.DataFrame({"x": ["a", None]}), pl.DataFrame({"x": ["b"]})], rechunk=False)
    assert normalised(parts, "text") == ["a", None, "b"]
    empty = parts.clear()
    assert normalised(empty, "text") == []
    assert normalised(pl.DataFrame({"x": pl.Series([], dtype=pl.Datetime)}), "time") == []


@pytest.mark.parametrize(
    "series",
    [pl.Series([[1], [2]]), pl.Series([{"a": 1}, None]), pl.Series([b"12", b"3"]).cast(pl.List(pl.UInt8))],
)
def test_types_that_no_model_takes_are_passed_over_and_refused_where_they_are_asked_for(series: pl.Series) -> None:
    frame = pl.DataFrame({"strange": series, "x": [1.0, 2.0]})
    assert normalised(frame, "number") == [1, 2]
    with pytest.raises(WrongType, match='"strange"') as caught:
        normalised(frame, "number", "strange")
    assert "Arrow type" in str(caught.value.why)


def test_bytes_that_are_no_text_are_refused_by_column() -> None:
    with pytest.raises(ArrowUnreadable, match='"strange"'):
        read_columns(pl.DataFrame({"strange": pl.Series([b"\xff"])}))


@pytest.mark.parametrize(
    "series",
    [
        pl.Series([timedelta(seconds=1.5), None], dtype=pl.Duration(unit)) for unit in ("ms", "us", "ns")
    ] + [pl.Series([time(0, 0, 1, 500_000), None])],
)  # fmt: skip
def test_durations_and_times_of_day_are_seconds_where_the_column_is_of_seconds(series: pl.Series) -> None:
    frame = pl.DataFrame({"x": series})
    seconds = Schema((Field("x", "number", "float", unit="s"),))
    for table in (frame, {"x": series.to_list()}, {"x": np.array([1_500, "NaT"], dtype="timedelta64[ms]")}):
        np.testing.assert_array_equal(normalise(read_columns(table), seconds)["x"], [1.5, math.nan])
    with pytest.raises(WrongType):
        normalised(frame, "number")


def test_a_duckdb_relation_is_a_table() -> None:
    relation = duckdb.sql(
        """select * from (values
             (1, 1.5::decimal(9,2), 'a', true, timestamp '2020-01-01', timestamptz '2020-01-01 01:00:00+01', date '2020-01-01'),
             (null, null, null, null, null, null, null)) as t(i, d, s, b, t, z, y)"""
    )
    fields = {"i": "number", "d": "number", "s": "text", "b": "number", "t": "time", "z": "time", "y": "time"}
    columns = normalise(read_columns(relation), Schema(tuple(Field(name, kind) for name, kind in fields.items())))
    for name in "idb":
        assert columns[name][0] == {"i": 1, "d": 1.5, "b": 1}[name]
        assert math.isnan(columns[name][1])
    assert columns["s"].tolist() == ["a", None]
    assert [columns[name].tolist() for name in "tzy"] == [[YEAR_2020, MISSING_TIME]] * 3


def test_a_duckdb_relation_of_many_batches_keeps_every_row_in_order() -> None:
    relation = duckdb.sql("select range as n, 'row ' || range as s from range(300000)")
    columns = read_columns(relation)
    np.testing.assert_array_equal(columns["n"], np.arange(300_000))
    assert columns["s"][[0, 123_456, 299_999]].tolist() == ["row 0", "row 123456", "row 299999"]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (nanoarrow.c_array(["a", None, "é"], nanoarrow.large_string()), "text", ["a", None, "é"]),
        (nanoarrow.c_array(["a", None], nanoarrow.string_view()), "text", ["a", None]),
        (nanoarrow.c_array([b"a", b"b"], nanoarrow.binary()), "text", ["a", "b"]),
        (nanoarrow.c_array([0.5, 2.0], nanoarrow.float16()), "number", [0.5, 2.0]),
        (nanoarrow.c_array([1577836800, None], nanoarrow.timestamp("s")), "time", [YEAR_2020, MISSING_TIME]),
        (nanoarrow.c_array([1577836800000], nanoarrow.date64()), "time", [YEAR_2020]),
    ],
)
def test_the_rarer_arrow_types(values: Any, kind: str, expected: list[Any]) -> None:
    struct = nanoarrow.c_array_from_buffers(
        nanoarrow.struct({"x": values.schema}), len(values), buffers=[None], children=[values]
    )
    assert normalised(nanoarrow.ArrayStream(struct), kind) == expected


def test_a_stream_that_is_one_array_is_no_table() -> None:
    with pytest.raises(ArrowUnreadable, match="not a table"):
        read_arrow_stream(pl.Series([1, 2]))


def test_pandas_columns_of_every_dtype() -> None:
    frame = pd.DataFrame(
        {
            "i": pd.array([1, None], dtype="Int64"),
            "f": [1.5, None],
            "b": pd.array([True, None], dtype="boolean"),
            "s": pd.Series(["a", None]),
            "c": pd.Categorical(["a", None]),
            "t": pd.to_datetime(["2020-01-01", None]),
            "z": pd.to_datetime(["2020-01-01T01:00:00+01:00", None], utc=True).tz_convert("Europe/Paris"),
            "o": pd.Series([pd.Timestamp("2020-01-01"), pd.NaT], dtype=object),
            7: [1, 2],
        }
    )
    kinds = {
        "i": "number",
        "f": "number",
        "b": "number",
        "s": "text",
        "c": "text",
        "t": "time",
        "z": "time",
        "o": "time",
    }
    columns = normalise(read_columns(frame), Schema(tuple(Field(name, kind) for name, kind in kinds.items())))
    for name, first in {"i": 1, "f": 1.5, "b": 1}.items():
        np.testing.assert_array_equal(columns[name], [first, math.nan])
    assert columns["s"].tolist() == columns["c"].tolist() == ["a", None]
    assert [columns[name].tolist() for name in "tzo"] == [[YEAR_2020, MISSING_TIME]] * 3
    assert "7" in read_columns(frame)


def test_pandas_series_and_doubled_names_are_refused() -> None:
    with pytest.raises(UnreadableTable, match="one column"):
        read_columns(pd.Series([1]))
    with pytest.raises(UnreadableTable, match='"a" stands twice'):
        read_columns(pd.DataFrame([[1, 2]], columns=["a", "a"]))


def test_single_columns_of_other_libraries_serve_in_a_mapping() -> None:
    assert normalised({"x": pd.Series([1, None])}, "number")[0] == 1
    assert normalised({"x": pl.Series(["a", None])}, "text") == ["a", None]
    assert normalised({"x": pl.Series([datetime(2020, 1, 1, tzinfo=UTC)])}, "time") == [YEAR_2020]


def test_reading_frames_leaks_no_memory_and_frees_each_stream() -> None:
    program = """
import resource, polars as pl
from flyball_runtime.table import read_columns
frame = pl.DataFrame({"n": list(range(20_000)), "s": ["text %d" % i for i in range(20_000)]})
def peak():
    for _ in range(20):
        read_columns(frame)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
peak(); first = peak()
for _ in range(4):
    last = peak()
print((last - first) / 1024)
"""
    grown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert float(grown) < 20  # MB, where 80 more readings of about 2 MB each would be 160
