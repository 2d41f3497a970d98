"""Which window features are worth a trial, from what a table's columns are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.data import Table
from flyball_runtime.schema import missing_mask
from flyball_runtime.windows import WindowSpec

__all__ = ["order_within", "proposed_windows"]

_MOST_COLUMNS = 30
_MOST_EVENTS = 4
# On turbines that wear out (NASA C-MAPSS), means over doubling windows up to a whole life with slopes over long ones
# have a tenth less error than means, spreads and slopes over four windows alike: slopes over short ones are noise.
_MEANS, _SLOPES, _SPREADS = (5, 10, 20, 40, 80), (40, 80), (20,)
_WHOLE_LIFE = 400  # rows: all of the past that is carried


def order_within(table: Table, entity: str, among: Sequence[str]) -> str | None:
    """The column that orders the rows of each entity: a time, else whole numbers; no two rows of one share a value.

    Of several the one with the fewest gaps, the first where they tie; None where there is none.
    """
    codes = np.unique(_text(table[entity]), return_inverse=True)[1]
    found: list[tuple[int, float, int, str]] = []
    for place, name in enumerate(among):
        field, values = table.schema[name], table[name]
        if name == entity or field.kind == "text" or missing_mask(values, field.kind).any():
            continue
        moments = values.astype(np.float64)
        if field.kind == "number" and not _whole(moments):
            continue
        order = np.lexsort((moments, codes))
        inside = codes[order][1:] == codes[order][:-1]
        steps = np.diff(moments[order])[inside]
        if len(steps) < 10 or (steps <= 0).mean() > 0.02:
            continue
        found.append((0 if field.kind == "time" else 1, float((steps != np.median(steps)).mean()), place, name))
    return min(found)[3] if found else None


def proposed_windows(
    table: Table,
    *,
    entity: str | None,
    order: str | None,
    columns: Sequence[str],
    missing: Mapping[str, Sequence[Any]] | None = None,
) -> WindowSpec | None:
    """Candidates over the columns that vary: windows of numbers from a few rows to a whole life, and rare events.

    What happened of late: means, slopes and spreads of each number; for a text that is nearly always the same or missing,
    how long ago it last was not. `missing` tells, by column, values that mean missing: one of them is hidden from
    windows, a column with several is left alone. None: nothing to try.
    """
    hidden = missing or {}
    usable = [name for name in columns if name not in (entity, order) and len(hidden.get(name, ())) <= 1]
    numbers = [name for name in usable if table.schema[name].kind == "number" and _varies(table[name])]
    longest = _usual_length(table, entity)
    features: list[dict[str, Any]] = []
    for name in numbers[:_MOST_COLUMNS]:
        known = [{"column": name, "operator": "!=", "value": float(value)} for value in hidden.get(name, ())]
        features += [{**asked, "where": known[0]} if known else asked for asked in _of_number(name, longest)]
    if order is not None and table.schema[order].kind == "time":
        features += _events(table, usable)
    if not features:
        return None
    return WindowSpec.from_dict({"entity": entity, "order": order, "features": features}, table.schema)


def _of_number(name: str, longest: float) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for kind, widths in (("mean", _MEANS), ("slope", _SLOPES), ("std", _SPREADS)):
        made += [{"column": name, "aggregate": kind, "rows": width} for width in widths if width <= longest]
    if longest >= 0.4 * _WHOLE_LIFE:
        made += [{"column": name, "aggregate": kind, "rows": _WHOLE_LIFE} for kind in ("mean", "slope")]
    return made


def _events(table: Table, columns: Sequence[str]) -> list[dict[str, Any]]:
    """How long ago a column last departed from what it holds in nearly every row."""
    made: list[dict[str, Any]] = []
    for name in columns:
        field, values = table.schema[name], table[name]
        if field.kind != "text" or len(made) >= _MOST_EVENTS:
            continue
        known = values[~missing_mask(values, "text")]
        if not len(known):
            continue
        levels, counts = np.unique(_text(known), return_counts=True)
        usual = str(levels[counts.argmax()])
        if len(known) < 0.1 * len(values):  # mostly missing: any value is an event
            made.append({"aggregate": "since_event", "where": {"column": name, "operator": "!=", "value": ""}})
        elif counts.max() > 0.9 * len(known) and len(levels) > 1:
            made.append({"aggregate": "since_event", "where": {"column": name, "operator": "!=", "value": usual}})
    return made


def _usual_length(table: Table, entity: str | None) -> float:
    """How many rows an entity usually has."""
    if entity is None:
        return float(table.rows)
    return float(np.median(np.unique(_text(table[entity]), return_counts=True)[1]))


def _varies(values: NDArray[np.float64]) -> bool:
    known = values[np.isfinite(values)]
    return len(known) >= 0.5 * len(values) and len(known) > 1 and bool(known.min() < known.max())


def _whole(values: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(values).all() and not (values % 1).any())


def _text(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(str) if values.dtype.kind == "O" else values
