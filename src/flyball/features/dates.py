"""Time columns: calendar parts by whole-number arithmetic that is right before 1970 as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from flyball_runtime.schema import MISSING_TIME

if TYPE_CHECKING:
    from flyball.graph import GraphBuilder

__all__ = ["CATEGORY_SIZES", "PARTS", "DateEncoder", "emit_dates", "fit_date"]

PARTS = ("year", "month", "day", "weekday", "hour", "minute", "day_of_year")
ELAPSED = "elapsed_days"
# Parts that a linear model takes as categories: first value and number of values.
CATEGORY_SIZES = {"month": (1, 12), "weekday": (0, 7), "hour": (0, 24)}

_DAY = 86_400_000_000
_EPOCH = 719_468  # days from 0000-03-01, where the count below begins, to 1970-01-01
_EARLIEST = -62_135_596_800_000_000  # 0001-01-01
_LATEST = 253_402_300_799_999_999  # 9999-12-31T23:59:59.999999


class WholeNumbers(Protocol):
    """What the calendar asks of its numbers: numpy's int64 arrays give it, and so do the graph's values."""

    def __add__(self, other: Any, /) -> Any: ...
    def __sub__(self, other: Any, /) -> Any: ...
    def __mul__(self, other: Any, /) -> Any: ...
    def __floordiv__(self, other: Any, /) -> Any: ...


Whole = TypeVar("Whole", bound=WholeNumbers)


def calendar_parts(moment: Whole) -> dict[str, Whole]:
    """Calendar parts of microseconds since 1970, from the year 1 to 9999; weekday 0 is Monday, day_of_year begins at 1.

    Only sums, products and divisions of numbers >= 0, so truncating and flooring division agree and one text serves
    numpy and the graph. Years begin in March: Howard Hinnant, "chrono-compatible low-level date algorithms".
    """
    shifted = moment + _EPOCH * _DAY
    day = shifted // _DAY
    minute_of_day = (shifted - day * _DAY) // 60_000_000
    hour = minute_of_day // 60
    era = day // 146_097
    of_era = day - era * 146_097
    year_of_era = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (year_of_era * 365 + year_of_era // 4 - year_of_era // 100)
    march_month = (of_year * 5 + 2) // 153
    turned = march_month // 10  # 1 in January and February, which close the March year
    month = march_month + 3 - turned * 12
    year = year_of_era + era * 400 + turned
    last = year - 1
    new_year = last * 365 + last // 4 - last // 100 + last // 400 + 306
    return {
        "year": year,
        "month": month,
        "day": of_year - (march_month * 153 + 2) // 5 + 1,
        "weekday": (day + 2) - (day + 2) // 7 * 7,
        "hour": hour,
        "minute": minute_of_day - hour * 60,
        "day_of_year": day - new_year + 1,
    }


@dataclass(frozen=True, slots=True)
class DateEncoder:
    """The calendar parts in use, then the days since `origin` (microseconds since 1970); a missing time gives NaN."""

    column: str
    parts: tuple[str, ...]
    origin: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{self.column}: {part.replace('_', ' ')}" for part in (*self.parts, ELAPSED))

    def apply(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """(rows,) int64 -> (rows, parts + 1) float32."""
        moment = np.clip(values, _EARLIEST, _LATEST)
        parts = calendar_parts(moment)
        columns = [parts[name].astype(np.float32) for name in self.parts]
        columns.append(((moment - self.origin).astype(np.float64) / _DAY).astype(np.float32))
        matrix = np.stack(columns, axis=1)
        matrix[values == MISSING_TIME] = np.nan
        return matrix

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "time", "column": self.column, "parts": list(self.parts), "origin": self.origin}


def fit_date(column: str, values: NDArray[np.int64]) -> DateEncoder:
    """Keep the parts that differ between rows; count days from before the earliest time.

    The origin stands in the graph, so it is no value of the column: the day before the month of the earliest time.
    """
    known = np.clip(values[values != MISSING_TIME], _EARLIEST, _LATEST)
    parts = calendar_parts(known)
    used = tuple(name for name in PARTS if known.size and parts[name].min() != parts[name].max())
    return DateEncoder(column, used, _before(int(known.min())) if known.size else 0)


def _before(moment: int) -> int:
    """The day before the month of a moment, in microseconds since 1970."""
    parts = {name: int(part) for name, part in calendar_parts(np.array(moment, dtype=np.int64)).items()}
    midnight = (moment + _EPOCH * _DAY) // _DAY * _DAY - _EPOCH * _DAY
    return midnight - parts["day"] * _DAY


class _GraphWhole:
    """int64 values of a graph under construction, with the operators that the calendar needs."""

    def __init__(self, builder: GraphBuilder, value: str) -> None:
        self.builder = builder
        self.value = value

    def _join(self, op: str, other: Any) -> _GraphWhole:
        if not isinstance(other, _GraphWhole):
            other = _GraphWhole(self.builder, self.builder.constant(np.array(other, dtype=np.int64), "whole"))
        return _GraphWhole(self.builder, self.builder.node(op, self.value, other.value))

    def __add__(self, other: Any) -> _GraphWhole:
        return self._join("Add", other)

    def __sub__(self, other: Any) -> _GraphWhole:
        return self._join("Sub", other)

    def __mul__(self, other: Any) -> _GraphWhole:
        return self._join("Mul", other)

    def __floordiv__(self, other: Any) -> _GraphWhole:
        return self._join("Div", other)


def emit_dates(builder: GraphBuilder, times: str, encoders: Sequence[DateEncoder]) -> str:
    """The graph's twin of `apply`, for all time columns at once: int64 [N, t] -> float32 [N, features]."""
    count = len(encoders)
    earliest, latest = (builder.constant(np.array(limit, dtype=np.int64), "limit") for limit in (_EARLIEST, _LATEST))
    moment = builder.node("Max", builder.node("Min", times, latest), earliest)
    missing = builder.node("Equal", times, builder.constant(np.array(MISSING_TIME, dtype=np.int64), "missing"))
    origins = builder.constant(np.array([[encoder.origin for encoder in encoders]], dtype=np.int64), "origin")
    passed = builder.cast(builder.node("Sub", moment, origins), np.float64)
    elapsed = builder.cast(builder.node("Div", passed, builder.constant(np.array(float(_DAY)), "day")), np.float32)
    used = [name for name in PARTS if any(name in encoder.parts for encoder in encoders)]
    blocks = []
    if used:
        parts = calendar_parts(_GraphWhole(builder, moment))
        blocks = [builder.cast(parts[name].value, np.float32) for name in used]
    blocks.append(elapsed)
    unknown = builder.constant(np.array(np.nan, dtype=np.float32), "unknown")
    blocks = [builder.node("Where", missing, unknown, block) for block in blocks]
    wide = builder.node("Concat", *blocks, axis=1) if len(blocks) > 1 else blocks[0]
    wanted = [
        (used.index(part) if part != ELAPSED else len(used)) * count + position
        for position, encoder in enumerate(encoders)
        for part in (*encoder.parts, ELAPSED)
    ]
    if wanted == list(range(len(blocks) * count)):
        return wide
    return builder.node("Gather", wide, builder.constant(np.array(wanted, dtype=np.int64), "parts"), axis=1)
