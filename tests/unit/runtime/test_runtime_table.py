"""Any table becomes the schema's three array forms, or an error that names the column and the row."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest

from flyball_runtime.schema import MISSING_TIME, Field, Schema
from flyball_runtime.table import MissingColumn, RaggedTable, UnreadableTable, WrongType, normalise, read_columns

NUMBER = Schema((Field("x", "number", "float"),))
BOOLEAN = Schema((Field("x", "number", "boolean"),))
TIME = Schema((Field("x", "time", "datetime"),))
TEXT = Schema((Field("x", "text"),))
YEAR_2020 = 1_577_836_800_000_000
NAIVE = datetime.fromisoformat("2020-01-01")


def only(values: object, schema: Schema) -> np.ndarray:
    return normalise({"x": values}, schema)["x"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2.5, 3], [1, 2.5, 3]),
        ([True, False], [1, 0]),
        ([1, None, float("nan")], [1, math.nan, math.nan]),
        (["1.5", " 2e3 ", "", "-inf"], [1.5, 2000, math.nan, -math.inf]),
        ([Decimal("1.25"), np.float32(0.5), np.int8(3), np.True_], [1.25, 0.5, 3, 1]),
        ([float("inf"), -math.inf], [math.inf, -math.inf]),
        (np.array([1, 2], dtype=np.uint8), [1, 2]),
        (np.array(["1", "2"]), [1, 2]),
        (np.array([b"1", b"2"]), [1, 2]),
        (np.array([0.5], dtype=np.float16), [0.5]),
        (np.ma.array([1, 2, 3], mask=[0, 1, 0]), [1, math.nan, 3]),
        (np.ma.array([1.0, 2.0], mask=[1, 0]), [math.nan, 2]),
        ((1, 2), [1, 2]),
        (range(3), [0, 1, 2]),
        ([2**70], [float(2**70)]),
        ([], []),
    ],
)
def test_numbers_of_every_form_become_float64(values: object, expected: list[float]) -> None:
    result = only(values, NUMBER)
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, np.array(expected, dtype=np.float64))


def test_true_and_false_are_numbers_in_a_boolean_column_only() -> None:
    np.testing.assert_array_equal(only(["true", "FALSE", None], BOOLEAN), [1, 0, math.nan])
    with pytest.raises(WrongType):
        only(["true"], NUMBER)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([NAIVE, NAIVE.replace(tzinfo=UTC)], [YEAR_2020, YEAR_2020]),
        ([datetime(2020, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))], [YEAR_2020]),
        ([date(2020, 1, 1), None], [YEAR_2020, MISSING_TIME]),
        (["2020-01-01", "2020-01-01T00:00:00Z", "2020-01-01 01:00:00+01:00", " "], [YEAR_2020] * 3 + [MISSING_TIME]),
        (["1969-12-31T23:59:59.999999"], [-1]),
        (np.array(["2020-01-01", "NaT"], dtype="datetime64[D]"), [YEAR_2020, MISSING_TIME]),
        (np.array(["2020-01-01", "NaT"], dtype="datetime64[ns]"), [YEAR_2020, MISSING_TIME]),
        (np.ma.array(np.array(["2020-01-01"] * 2, dtype="datetime64[ns]"), mask=[0, 1]), [YEAR_2020, MISSING_TIME]),
        ([np.datetime64("2020-01-01", "ns"), np.datetime64("NaT")], [YEAR_2020, MISSING_TIME]),
        ([YEAR_2020, None], [YEAR_2020, MISSING_TIME]),
        (np.array([YEAR_2020], dtype=np.uint64), [YEAR_2020]),
        (np.array([1.0, np.nan]), [1, MISSING_TIME]),
        (np.array(["2020-01-01"]), [YEAR_2020]),
    ],
)
def test_times_of_every_form_become_microseconds_in_utc(values: object, expected: list[int]) -> None:
    result = only(values, TIME)
    assert result.dtype == np.int64
    assert result.tolist() == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["a", None, ""], ["a", None, ""]),
        ([3, 3.0, 3.5, -0.0, math.nan], ["3", "3", "3.5", "0", None]),
        (np.array([1, 2]), ["1", "2"]),
        (np.array([1.0, np.nan]), ["1", None]),
        ([True, np.False_], ["true", "false"]),
        (np.array(["é", "b"]), ["é", "b"]),
        (np.array([b"a"]), ["a"]),
        ([Decimal("2.50"), 2**60, 1e300], ["2.5", str(2**60), "1e+300"]),
        ([date(2020, 1, 1), np.datetime64("2020-01-01"), np.datetime64("NaT")], ["2020-01-01", "2020-01-01", None]),
        (np.array(["2020-01-01"], dtype="datetime64[ns]"), ["2020-01-01T00:00:00.000000000"]),
        (np.array(["a", "b"], dtype=np.dtypes.StringDType()), ["a", "b"]),
    ],
)
def test_text_of_every_form_becomes_str_or_none(values: object, expected: list[str | None]) -> None:
    result = only(values, TEXT)
    assert result.dtype == object
    assert result.tolist() == expected
    assert all(type(cell) in (str, type(None)) for cell in result)


@pytest.mark.parametrize(
    ("schema", "values"),
    [
        (NUMBER, np.array([1.0, np.nan])),
        (TIME, np.array([1, MISSING_TIME])),
        (TEXT, np.array(["a", None], dtype=object)),
    ],
)
def test_an_array_already_in_its_form_is_not_copied(schema: Schema, values: np.ndarray) -> None:
    assert only(values, schema) is values


@pytest.mark.parametrize(
    ("schema", "values", "row"),
    [
        (NUMBER, [1, 2, "many", "more"], 2),
        (NUMBER, ["1_000"], 0),
        (NUMBER, np.array(["1", "1_0"]), 1),
        (NUMBER, [NAIVE], 0),
        (NUMBER, [1, [2]], 1),
        (NUMBER, [10**400], 0),
        (NUMBER, [b"\xff"], 0),
        (NUMBER, np.array(["2020-01-01"], dtype="datetime64[D]"), 0),
        (NUMBER, np.array([1 + 2j]), 0),
        (TIME, [None, "yesterday"], 1),
        (TIME, [True], 0),
        (TIME, [0.5], 0),
        (TIME, [1e300], 0),
        (TIME, [2**63], 0),
        (TIME, np.array([2**63], dtype=np.uint64), 0),
        (TIME, np.array([10**9], dtype="datetime64[Y]"), 0),
        (TIME, np.array([1], dtype="timedelta64[s]"), 0),
        (TEXT, ["a", {"b": 1}], 1),
        (TEXT, [b"\xff"], 0),
        (TEXT, np.array([1], dtype="timedelta64[ns]"), 0),
    ],
)
def test_a_value_of_the_wrong_type_is_named_by_column_and_row(schema: Schema, values: object, row: int) -> None:
    with pytest.raises(WrongType) as caught:
        only(values, schema)
    assert '"x"' in caught.value.what
    assert caught.value.where == f"row {row}, counting from 0"
    assert caught.value.exit_code == 2
    assert caught.value.why
    assert caught.value.fix


def test_a_missing_column_is_named_with_its_near_miss_and_the_others_absent() -> None:
    schema = Schema((Field("income", "number"), Field("age", "number")))
    with pytest.raises(MissingColumn) as caught:
        normalise({"incme": [1]}, schema)
    assert '"income"' in caught.value.what
    assert "1 more: age" in caught.value.what
    assert caught.value.why == 'did you mean "incme"?'


def test_columns_that_the_schema_does_not_name_are_passed_over_whatever_they_hold() -> None:
    assert list(normalise({"x": [1], "other": object(), "long": [1, 2, 3]}, NUMBER)) == ["x"]


def test_columns_of_different_lengths_are_refused_by_name() -> None:
    schema = Schema((Field("a", "number"), Field("b", "number")))
    with pytest.raises(RaggedTable, match="different lengths") as caught:
        normalise({"a": [1, 2], "b": [1]}, schema)
    assert caught.value.where == 'column "b"'


@pytest.mark.parametrize("values", [3.0, "abc", b"abc", {"a": 1}, None, np.array(3.0), np.array([[1.0]]), iter([1])])
def test_a_column_that_is_no_list_of_values_is_refused(values: object) -> None:
    with pytest.raises(RaggedTable):
        only(values, NUMBER)


def test_rows_and_structured_arrays_are_tables_too() -> None:
    assert read_columns([{"a": 1}, {"b": "x"}]) == {"a": [1, None], "b": [None, "x"]}
    records = np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")])
    assert {name: values.tolist() for name, values in read_columns(records).items()} == {"a": [1], "b": [2.5]}


def test_an_object_whose_columns_are_a_mapping_is_a_table() -> None:
    class Table:
        columns = {"a": [1]}  # noqa: RUF012

    assert read_columns(Table()) == {"a": [1]}


@pytest.mark.parametrize("table", [3, "a.csv", None, np.zeros((2, 2)), [1, 2], b"x"])
def test_what_is_no_table_is_refused_with_what_would_be(table: object) -> None:
    with pytest.raises(UnreadableTable) as caught:
        read_columns(table)
    assert "data frame" in (caught.value.fix or "")


def test_dates_are_read_in_the_forms_that_training_had_and_in_no_others() -> None:
    schema = Schema((Field("seen", "time", "date", unit="%m/%d/%Y|%d.%m.%y"),))
    given = {"seen": ["1/31/2011", "31.01.11", "2011-01-31", None]}
    expected = np.datetime64("2011-01-31", "us").astype(np.int64)
    assert normalise(given, schema)["seen"].tolist() == [expected, expected, expected, MISSING_TIME]
    with pytest.raises(WrongType, match="seen"):
        normalise({"seen": ["31/1/2011"]}, schema)
