"""Single raw values, as JSON and as people read them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from flyball_runtime.schema import MISSING_TIME, Field

__all__ = ["json_cell", "moment", "plain_number", "shown_cell", "shown_moment"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def json_cell(cell: Any, field: Field) -> Any:
    """A value as JSON: null when missing, true or false, a number, ISO 8601 text, or text. Infinities become text."""
    if field.kind == "text":
        return None if cell is None else str(cell)
    if field.kind == "time":
        return None if cell == MISSING_TIME else moment(int(cell), field)
    value = float(cell)
    if math.isnan(value):
        return None
    if math.isinf(value):
        return str(value)
    if field.logical == "boolean" and value in (0.0, 1.0):
        return bool(value)
    return int(value) if field.logical == "integer" and value.is_integer() else value


def shown_cell(cell: Any, field: Field, longest: int = 40) -> str:
    """A value in at most `longest` characters, with its unit; "missing" when it is."""
    value = json_cell(cell, field)
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return plain_number(value) + (f" {field.unit}" if field.unit else "")
    text = " ".join(str(value).split())
    if field.kind == "time":
        text = shown_moment(text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def plain_number(value: float) -> str:
    """A number to at most six significant digits, as it could be typed.

    >>> plain_number(1280.0), plain_number(0.1 + 0.2), plain_number(1234567)
    ('1280', '0.3', '1234567')
    """
    if float(value).is_integer() and abs(value) < 1e12:
        return str(int(value))
    return f"{value:.6g}"


def shown_moment(text: str, *, day_only: bool = False) -> str:
    """ISO 8601 text to the second or minute that says something.

    >>> shown_moment("2021-08-09T03:54:20.240946Z"), shown_moment("2021-08-09T00:00:00Z")
    ('2021-08-09 03:54:20', '2021-08-09')
    """
    day, separator, time = text.partition("T")
    if not separator or day_only:
        return day
    clock = time.rstrip("Z").partition(".")[0].removesuffix(":00")
    return day if clock == "00:00" else f"{day} {clock}"


def moment(microseconds: int, field: Field) -> str:
    """ISO 8601 text of a time; years that Python's calendar lacks are given in microseconds."""
    try:
        time = _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return f"{microseconds} µs"
    if field.logical == "date" and time.time() == _EPOCH.time():
        return time.date().isoformat()
    return time.isoformat().replace("+00:00", "Z")
