"""Segments of a table in words: a category, a missing value, a range of a number, a part of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.charts import number
from flyball_runtime.schema import Field, missing_mask

__all__ = ["Literal", "levels", "literals"]

Mask = NDArray[np.bool_]
_FEW = 8  # a number with no more different values than this is taken for categories
_MOST_LEVELS = 20
_MOST_LISTED = 50
_DAY = 86_400_000_000  # microseconds
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Literal:
    """A condition on one column, and the rows that meet it (rows,). `broad`: worth joining with one on another column.

    `condition` is the same as JSON: `{"column", "is"}`, `{"column", "missing"}`, `{"column", "above", "to"}` and so on.
    """

    text: str
    condition: dict[str, Any]
    rows: Mask
    broad: bool = False

    @property
    def column(self) -> str:
        return str(self.condition["column"])


def literals(field: Field, values: NDArray[Any], *, fewest: int) -> list[Literal]:
    """Conditions on one column that at least `fewest` and not nearly all rows meet; chosen without any look at errors."""
    rows = len(values)
    missing = missing_mask(values, field.kind)
    made = [Literal(f"{field.name} is missing", {"column": field.name, "missing": True}, missing, True)]
    if field.kind == "text" or (field.kind == "number" and len(np.unique(values[~missing])) <= _FEW):
        made += [_level(field, values, level) for level in _frequent(values[~missing], _MOST_LEVELS)]
    elif not missing.all():
        made += _ranges(field, values, missing)
    if field.kind == "time":
        made += _times_of_day(field, values, missing)
    return [one for one in made if fewest <= int(one.rows.sum()) <= 0.7 * rows]


def levels(field: Field, values: NDArray[Any], *, most: int = _MOST_LISTED) -> list[Literal]:
    """A column's rows, all of them, in disjoint parts: its levels (beyond `most` the rest together), or five ranges."""
    missing = missing_mask(values, field.kind)
    known = values[~missing]
    made: list[Literal] = []
    if field.kind == "text" or (field.kind == "number" and len(np.unique(known)) <= 12):
        shown = _frequent(known, most)
        made += [_level(field, values, level) for level in sorted(shown, key=_sort_key)]
        rest = ~missing & ~np.logical_or.reduce([one.rows for one in made], initial=False)
        if rest.any():
            text = f"{field.name} is another of its levels"
            made.append(Literal(text, {"column": field.name, "other": True}, np.broadcast_to(rest, len(values))))
    elif len(known):
        edges = np.unique(np.quantile(known, [0.2, 0.4, 0.6, 0.8], method="nearest"))
        ends = [None, *edges.tolist(), None]
        made += [_range(field, values, missing, low, high) for low, high in pairwise(ends)]
    made = [one for one in made if one.rows.any()]
    if missing.any():
        made.append(Literal(f"{field.name} is missing", {"column": field.name, "missing": True}, missing))
    return made


def _frequent(known: NDArray[Any], most: int) -> list[Any]:
    if known.dtype == object:
        counts: dict[Any, int] = {}
        for value in known:
            counts[value] = counts.get(value, 0) + 1
        return sorted(counts, key=lambda value: (-counts[value], value))[:most]
    distinct, rows = np.unique(known, return_counts=True)
    return [distinct[place].item() for place in np.argsort(-rows, kind="stable")[:most]]


def _level(field: Field, values: NDArray[Any], level: Any) -> Literal:
    shown: Any = level
    if field.kind == "number":
        shown = bool(level) if field.logical == "boolean" else int(level) if float(level).is_integer() else level
    name = f'"{shown}"' if field.kind == "text" else _said(field, shown)
    return Literal(f"{field.name} is {name}", {"column": field.name, "is": shown}, np.asarray(values == level), True)


def _ranges(field: Field, values: NDArray[Any], missing: Mask) -> list[Literal]:
    """Both sides of each tenth, each inner tenth and fifth; quarters and halves are broad."""
    known = values[~missing]
    tenths: list[Any] = np.quantile(known, np.linspace(0.1, 0.9, 9), method="nearest").tolist()
    made = [_range(field, values, missing, None, edge) for edge in tenths]
    made += [_range(field, values, missing, edge, None) for edge in tenths]
    made += [_range(field, values, missing, low, high) for low, high in pairwise(tenths)]
    made += [_range(field, values, missing, tenths[at], tenths[at + 2]) for at in (1, 3, 5)]
    quarters = np.quantile(known, [0.25, 0.5, 0.75], method="nearest").tolist()
    sides = [(None, quarters[0]), (None, quarters[1]), (quarters[1], None), (quarters[2], None)]
    made += [_range(field, values, missing, low, high, broad=True) for low, high in sides]
    unlike: dict[tuple[Any, Any], Literal] = {}
    for one in made:  # ties make some ranges equal
        key = one.condition.get("above"), one.condition.get("to")
        if key not in unlike or one.broad:
            unlike[key] = one
    return list(unlike.values())


def _range(field: Field, values: NDArray[Any], missing: Mask, low: Any, high: Any, *, broad: bool = False) -> Literal:
    """Rows above `low` up to and with `high`; None: no end on that side."""
    rows = ~missing
    condition: dict[str, Any] = {"column": field.name}
    if low is not None:
        rows = rows & (values > low)
        condition["above"] = _plain(field, low)
    if high is not None:
        rows = rows & (values <= high)
        condition["to"] = _plain(field, high)
    until = "until" if field.kind == "time" else "at most"
    over = "after" if field.kind == "time" else "above"
    words = [f"{over} {_said(field, low)}"] if low is not None else []
    words += [f"{until} {_said(field, high)}"] if high is not None else []
    text = f"{field.name} {' and '.join(words)}" if words else f"{field.name} is known"
    return Literal(text, condition, np.asarray(rows), broad)


def _times_of_day(field: Field, values: NDArray[Any], missing: Mask) -> Iterator[Literal]:
    """Quarters of the day where times differ in the hour, days of the week where they span two weeks."""
    known = values[~missing]
    if not len(known):
        return
    hour = np.where(missing, -1, values % _DAY // (_DAY // 24))
    if len(np.unique(hour[~missing])) > 1:
        for begin in (0, 6, 12, 18):
            text = f"{field.name} between {begin:02}:00 and {begin + 6:02}:00 UTC"
            rows = (hour >= begin) & (hour < begin + 6)
            yield Literal(text, {"column": field.name, "hours": [begin, begin + 6]}, rows, True)
    if int(known.max()) - int(known.min()) >= 14 * _DAY:
        weekday = np.where(missing, -1, (values // _DAY + 3) % 7)  # 1 January 1970 was a Thursday
        for day, name in enumerate(_WEEKDAYS):
            yield Literal(f"{field.name} is a {name}", {"column": field.name, "weekday": name}, weekday == day, True)


def _plain(field: Field, value: Any) -> Any:
    return _moment(value) if field.kind == "time" else value


def _said(field: Field, value: Any) -> str:
    if field.kind == "time":
        return _moment(value)
    return str(value).lower() if isinstance(value, bool) else number(value, 4)


def _moment(microseconds: int) -> str:
    moment = datetime.fromtimestamp(microseconds / 1e6, UTC)
    shown = moment.isoformat(timespec="seconds").removesuffix("+00:00")
    return shown.removesuffix("T00:00:00")


def _sort_key(level: Any) -> tuple[bool, Any]:
    return isinstance(level, str), level


def joined(parts: Sequence[Literal]) -> str:
    """The conditions of a segment in words.

    >>> joined([Literal('Type is "L"', {"column": "Type"}, np.ones(1, bool))])
    'Type is "L"'
    """
    return " and ".join(part.text for part in parts)
