"""One column's values in one of the three array forms, or the row that does not fit and why."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball_runtime.errors import BadInput
from flyball_runtime.schema import MISSING_TIME, Field

__all__ = [
    "WrongType",
    "number_converter",
    "text_of",
    "time_of",
    "to_numbers",
    "to_text",
    "to_times",
    "with_nulls",
]

SECONDS = "s"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TRUTH = {"true": 1.0, "false": 0.0}
_LARGEST_TIME = 2**63 - 1


class WrongType(BadInput):
    """A value in a column is not of the column's type."""

    code = "FB-TABLE-004"


def to_numbers(values: NDArray[Any], field: Field) -> NDArray[np.float64]:
    """float64 (rows,), NaN where missing. Text is parsed as a number; "true" and "false" too in a boolean column.

    Durations and times of day are numbers in a column of seconds only, as what reads tables makes of them.
    """
    kind = values.dtype.kind
    if values.dtype == np.float64:
        return values
    if kind in "fiub":
        return values.astype(np.float64)
    if kind == "m" and field.unit == SECONDS:
        return _seconds(values)
    return np.array(_each(values, field, number_converter(field), "a number"), dtype=np.float64)


def to_times(values: NDArray[Any], field: Field) -> NDArray[np.int64]:
    """int64 (rows,) microseconds since 1970 in UTC, MISSING_TIME where missing.

    Takes datetime64, integers (already microseconds), datetimes (UTC unless they say otherwise), dates, ISO text, and
    text in the strptime forms that `field.unit` lists, separated by "|".
    """
    kind = values.dtype.kind
    if values.dtype == np.int64:
        return values
    if kind == "M":
        return _from_datetime64(values, field)
    if kind in "iu" and (values.dtype.itemsize < 8 or not len(values) or values.max() <= _LARGEST_TIME):
        return values.astype(np.int64)
    return np.array(_each(values, field, lambda cell: time_of(cell, field), "a time"), dtype=np.int64)


def to_text(values: NDArray[Any], field: Field) -> NDArray[np.object_]:
    """object (rows,) of str, None where missing. Numbers become their shortest text: 3 and 3.0 both "3"."""
    kind = values.dtype.kind
    if kind == "O" and all(value is None or type(value) is str for value in values):
        return values
    if kind == "U":
        return values.astype(object)
    result = np.empty(len(values), dtype=object)
    result[:] = _each(values, field, text_of, "text")
    return result


def with_nulls(values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[Any]:
    """The values (rows,) with those that are not valid missing, in the form that costs least and rounds nothing."""
    if valid.all():
        return values
    if values.dtype.kind == "f":
        result = values.copy()
        result[~valid] = np.nan
    elif values.dtype.kind in "mM":
        result = values.copy()
        result[~valid] = np.array("NaT", dtype=values.dtype)
    elif values.dtype.kind in "iu" and (values.dtype.itemsize < 8 or not _beyond_float(values[valid])):
        result = values.astype(np.float64)
        result[~valid] = np.nan
    else:
        result = values.astype(object)
        result[~valid] = None
    return result


def _beyond_float(values: NDArray[Any]) -> bool:
    return bool(len(values)) and (int(values.max()) > 2**53 or int(values.min()) < -(2**53))


def _each(values: NDArray[Any], field: Field, convert: Callable[[Any], Any], wanted: str) -> list[Any]:
    cells = list(values) if values.dtype.kind in "mM" else values.tolist()  # tolist() makes bare integers of [ns]
    result = []
    for row, cell in enumerate(cells):
        try:
            result.append(convert(cell))
        except (TypeError, ValueError, ArithmeticError) as error:
            raise _wrong(field, row, cell, wanted) from error
    return result


def _is_missing(cell: Any) -> bool:
    if cell is None:
        return True
    if isinstance(cell, float | np.floating):
        return math.isnan(cell)
    if isinstance(cell, np.datetime64):
        return bool(np.isnat(cell))
    if isinstance(cell, Decimal):
        return cell.is_nan()
    if isinstance(cell, np.timedelta64):
        raise TypeError("a duration")  # numpy counts durations among the integers
    # pandas marks missing cells with singletons of its own; they compare in surprising ways, so go by type.
    return type(cell).__name__ in ("NAType", "NaTType")


def number_converter(field: Field) -> Callable[[Any], float]:
    """The function from one cell of the column to its number; it raises TypeError, ValueError or ArithmeticError."""
    words = _TRUTH if field.logical == "boolean" else {}
    if field.unit == SECONDS:
        return lambda cell: cell if type(cell) is float else _number(_of_clock(cell), words)
    return lambda cell: cell if type(cell) is float else _number(cell, words)


def _seconds(values: NDArray[Any]) -> NDArray[np.float64]:
    """Durations (rows,) as seconds, NaN where missing."""
    return np.where(np.isnat(values), np.nan, values / np.timedelta64(1, "s")).astype(np.float64)


def _of_clock(cell: Any) -> Any:
    """A duration, or a time of day, as seconds; anything else as it is."""
    if isinstance(cell, np.timedelta64):
        return float(_seconds(np.array([cell]))[0])
    if isinstance(cell, timedelta):  # pandas' too; its missing one is of another type
        return cell / timedelta(seconds=1)
    if isinstance(cell, time):
        return 3600.0 * cell.hour + 60.0 * cell.minute + cell.second + cell.microsecond / 1e6
    return cell


def _number(cell: Any, words: Mapping[str, float]) -> float:
    if _is_missing(cell):
        return math.nan
    if isinstance(cell, bytes):
        cell = cell.decode("utf-8")
    if isinstance(cell, str):
        text = cell.strip()
        if not text:
            return math.nan
        if "_" in text:
            raise ValueError("not a number")
        return words[text.lower()] if text.lower() in words else float(text)
    if isinstance(cell, int | float | np.integer | np.floating | np.bool_ | Decimal):
        return float(cell)
    raise TypeError(type(cell).__name__)


def time_of(cell: Any, field: Field) -> int:
    """One cell as microseconds since 1970; raises TypeError, ValueError, ArithmeticError or WrongType."""
    if _is_missing(cell):
        return MISSING_TIME
    if isinstance(cell, bytes):
        cell = cell.decode("utf-8")
    if isinstance(cell, str):
        text = cell.strip()
        if not text:
            return MISSING_TIME
        cell = _written_moment(text, field)
    if isinstance(cell, datetime):
        return _microseconds(cell)
    if isinstance(cell, date):
        return _microseconds(datetime(cell.year, cell.month, cell.day, tzinfo=UTC))
    if isinstance(cell, np.datetime64):
        return int(_from_datetime64(np.array([cell]), field)[0])
    if isinstance(cell, bool | np.bool_) or not isinstance(cell, int | float | np.integer | np.floating):
        raise TypeError(type(cell).__name__)
    if cell != int(cell) or not -_LARGEST_TIME <= cell <= _LARGEST_TIME:
        raise ValueError("not a whole number of microseconds")
    return int(cell)


def _written_moment(text: str, field: Field) -> datetime:
    """ISO 8601 text; else text in one of the forms that the training data had, which the field's unit keeps.

    Raises ValueError, with the ISO complaint, when neither fits.
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        for form in (field.unit or "").split("|"):
            if "%" in form:
                with suppress(ValueError):
                    return datetime.strptime(text, form)  # noqa: DTZ007 - without a zone it is UTC, as everywhere here
        raise


def _microseconds(moment: datetime) -> int:
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return (aware - _EPOCH) // _MICROSECOND


def _from_datetime64(values: NDArray[Any], field: Field) -> NDArray[np.int64]:
    micros = values.astype("datetime64[us]")
    if np.datetime_data(values.dtype)[0] not in ("generic", "us", "ns", "ps", "fs", "as"):
        # numpy wraps around in silence when a coarse unit reaches beyond 290,000 years.
        wrapped = np.flatnonzero((micros.astype(values.dtype) != values) & ~np.isnat(values))
        if len(wrapped):
            raise _wrong(field, int(wrapped[0]), values[wrapped[0]], "a time")
    return micros.astype(np.int64)


def text_of(cell: Any) -> str | None:
    """One cell as text; raises TypeError, ValueError or ArithmeticError."""
    if isinstance(cell, str):
        return str(cell)
    if _is_missing(cell):
        return None
    if isinstance(cell, bytes):
        return cell.decode("utf-8")
    if isinstance(cell, np.datetime64):
        return str(cell)
    if isinstance(cell, date):
        return cell.isoformat()
    return _number_text(cell)


def _number_text(cell: Any) -> str:
    if isinstance(cell, bool | np.bool_):
        return "true" if cell else "false"
    if isinstance(cell, int | np.integer):
        return str(int(cell))
    if isinstance(cell, float | np.floating):
        number = float(cell)
        return str(int(number)) if abs(number) < 1e15 and number.is_integer() else repr(number)
    if isinstance(cell, Decimal):
        # A short text may name a number of a billion digits; spell out only those of a sensible length.
        whole = cell.is_finite() and abs(cell.adjusted()) < 40 and cell == cell.to_integral_value()
        return str(int(cell)) if whole else str(cell.normalize())
    raise TypeError(type(cell).__name__)


def _wrong(field: Field, row: int, cell: Any, wanted: str) -> WrongType:
    shown = repr(cell)
    hint = {
        "a number": "give a number, or None where it is missing",
        "a time": "give a datetime, ISO text such as 2026-01-31T12:00:00Z, or microseconds since 1970 as an integer",
        "text": "give text, or None where it is missing",
    }
    return WrongType(
        f'the column "{field.name}" holds a value that is not {wanted}',
        where=f"row {row}, counting from 0",
        why=shown if len(shown) <= 80 else shown[:77] + "...",
        fix=hint[wanted],
    )
