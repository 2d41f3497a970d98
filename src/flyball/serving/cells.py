"""Values out of a JSON body, as the arrays that scoring takes; what cannot be one is refused by column and row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball_runtime.errors import BadInput
from flyball_runtime.schema import Field

__all__ = ["BadValue", "column_array", "first_other", "number_array", "text_array"]

_SCALARS = frozenset({str, int, float, bool, type(None)})
_LARGEST = int(np.finfo(np.float64).max)
_NUMBERS = frozenset({int, float, bool, type(None)})


class BadValue(BadInput):
    """A value in a request cannot stand in its column."""

    code = "FB-SERVE-005"


def column_array(values: Sequence[Any], field: Field) -> NDArray[Any]:
    """JSON values of one raw column, for the runtime to normalise: (rows,). null is missing."""
    types = set(map(type, values))
    if not types <= _SCALARS:
        row = first_other(values, lambda value: type(value) in _SCALARS)
        raise BadValue(
            f'column "{field.name}", row {row}: a single value is expected',
            why=f"it is {'a list' if isinstance(values[row], list) else 'an object'}",
            fix="send numbers, texts, true, false or null",
        )
    if field.kind == "number" and types <= _NUMBERS:
        return number_array(values, field.name)
    # Mixed values ("3" beside 4) go to the runtime as they are; only integers beyond 64 bits would overflow there.
    huge = [row for row, value in enumerate(values) if type(value) is int and not -(2**63) <= value < 2**63]
    if huge:
        raise BadValue(f'column "{field.name}", row {huge[0]}: the number is too large', fix="send a smaller one")
    return text_array(values)


def number_array(values: Sequence[Any], name: str) -> NDArray[np.float64]:
    """Numbers, true/false and null as float64 with NaN for null: (rows,)."""
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:
        row = first_other(values, lambda value: type(value) is not int or abs(value) <= _LARGEST)
        raise BadValue(f'column "{name}", row {row}: the number is too large', fix="send at most 1.7e308") from None


def text_array(values: Sequence[Any]) -> NDArray[np.object_]:
    """Scalars as objects, unchanged: (rows,)."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def first_other(values: Sequence[Any], expected: Callable[[Any], bool]) -> int:
    """The first row, from 0, whose value is not as expected; one is known to exist."""
    return next(row for row, value in enumerate(values) if not expected(value))
