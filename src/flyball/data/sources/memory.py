"""Tables that are already in memory: their types come from the values themselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.data.sources.staging import SourceDamaged, check_names, named_columns
from flyball.data.sources.trouble import Note, Trouble
from flyball.data.table import Table
from flyball_runtime.cells import SECONDS
from flyball_runtime.schema import MISSING_TIME, Field, Schema
from flyball_runtime.table import normalise, read_columns

__all__ = ["read_memory"]

_EXACT = 2**53
_ODD_SHARE = 0.01
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII)


def read_memory(source: Any, known: Schema | None = None) -> tuple[Table, list[str]]:
    """A table from a data frame, an Arrow stream, a mapping, rows, a 2-d array or a Table; with notes.

    known: numbers in this schema are read as such where at least half of their cells are.

    Raises DuplicateColumns here, and the coded errors of `flyball_runtime.table` for what is no table.
    """
    if isinstance(source, Table):
        return source, []
    if isinstance(source, np.ndarray) and source.ndim == 2:
        source = {f"x{index}": source[:, index] for index in range(source.shape[1])}
    if type(source).__name__ == "LazyFrame" and hasattr(source, "collect"):
        source = source.collect()
    names: Any = getattr(source, "columns", None)
    if isinstance(names, Sequence) or type(names).__name__.endswith("Index"):
        check_names([str(name) for name in names], "the table")
    given = read_columns(source)
    notes: list[str] = []
    if any(not isinstance(name, str) for name in given):
        check_names([str(name) for name in given], "the table")
        notes.append("columns that were named by numbers are named by their text")
    names_of = _names([str(name) for name in given], notes)
    arrays = {name: _array(values) for name, values in zip(names_of, given.values(), strict=True)}
    fields, kept = [], {}
    for name, values in arrays.items():
        number = known is not None and name in known and known[name].kind == "number"
        field, ready = _infer(name, values, notes, number=number)
        if field is None:
            notes.append(f'"{name}" is left out: its values are lists or objects')
        else:
            fields.append(field)
            kept[name] = ready
    schema = Schema(tuple(fields))
    columns = normalise(kept, schema)
    for field in fields:
        if field.kind == "number" and np.isinf(columns[field.name]).any():
            count = int(np.isinf(columns[field.name]).sum())
            notes.append(f'"{field.name}" holds {count:,} infinite values: kept as they are')
        if field.kind == "text":
            columns[field.name] = _blank_is_missing(field.name, columns[field.name])
    return Table(schema, columns), notes


def _names(given: list[str], notes: list[str]) -> list[str]:
    """The columns' names, a blank one named by its position. Raises DuplicateColumns, SourceDamaged."""
    names, unnamed = named_columns(given, "the table")
    if unnamed:
        notes.append(f"the table gives no name to {', '.join(unnamed[:5])}; named by position")
    return names


def _array(values: Any) -> NDArray[Any]:
    """A 1-d array that keeps each value as it is: numpy would turn [1, "a"] into two texts."""
    if isinstance(values, np.ma.MaskedArray):
        values = [None if cell is np.ma.masked else cell for cell in values]
    if isinstance(values, np.ndarray):
        return values
    if hasattr(values, "__array__") and not isinstance(values, (list, tuple)):
        return np.asarray(values)
    out = np.empty(len(values), dtype=object)
    for row, cell in enumerate(values):
        out[row] = cell
    return out


def _infer(
    name: str, values: NDArray[Any], notes: list[str], *, number: bool = False
) -> tuple[Field | None, NDArray[Any]]:
    kind = values.dtype.kind
    if kind == "b":
        return Field(name, "number", "boolean"), values
    if kind in "iu":
        if len(values) and max(abs(int(values.min())), abs(int(values.max()))) >= _EXACT:
            notes.append(f'"{name}" holds whole numbers beyond 2^53, which lose digits as numbers: read as text')
            return Field(name, "text", "text"), values
        return Field(name, "number", "integer"), values
    if kind == "f":
        return Field(name, "number", "float"), values
    if kind == "M":
        return Field(name, "time", "datetime"), values
    if kind == "m":
        return _in_seconds(name, notes), values
    return _infer_objects(name, values.astype(object), notes, number=number)


def _in_seconds(name: str, notes: list[str]) -> Field:
    notes.append(f'"{name}" holds times of day or durations: read as seconds')
    return Field(name, "number", "float", unit=SECONDS)


def _infer_objects(
    name: str, values: NDArray[Any], notes: list[str], *, number: bool = False
) -> tuple[Field | None, NDArray[Any]]:
    cells = [None if _missing(cell) else cell for cell in values.tolist()]
    values = np.empty(len(cells), dtype=object)
    values[:] = cells
    present = [cell for cell in cells if cell is not None]
    if not present:
        return Field(name, "number", "float"), np.full(len(cells), np.nan)
    if all(isinstance(cell, str) for cell in present):
        return _infer_text(name, values, present)
    if all(isinstance(cell, (bool, np.bool_)) for cell in present):
        return Field(name, "number", "boolean"), values
    if all(isinstance(cell, (Real, Decimal)) for cell in present):
        return _infer_numbers(name, values, present, notes)
    if all(isinstance(cell, (date, np.datetime64)) for cell in present):
        clock = any(isinstance(cell, (datetime, np.datetime64)) for cell in present)
        return Field(name, "time", "datetime" if clock else "date"), values
    if all(isinstance(cell, (time, timedelta, np.timedelta64)) for cell in present):
        return _in_seconds(name, notes), values
    if any(isinstance(cell, (list, tuple, dict, set, np.ndarray)) for cell in present):
        return None, values
    return _infer_mixed(name, values, present, notes, most=0.5 if number else _ODD_SHARE)


def _infer_mixed(
    name: str, values: NDArray[Any], present: list[Any], notes: list[str], *, most: float
) -> tuple[Field | None, NDArray[Any]]:
    """Values of several types: numbers with at most that share of accidents among them, else text; objects are no
    column."""
    if not all(isinstance(cell, str | bytes | Real | Decimal | date | np.datetime64 | np.bool_) for cell in present):
        return None, values
    numbers = [isinstance(cell, Real | Decimal) and not isinstance(cell, bool | np.bool_) for cell in present]
    odd = len(present) - sum(numbers)
    if odd <= most * len(present):
        return _mostly_numbers(name, values, odd, notes)
    first = type(present[0]).__name__
    cells = values.tolist()
    row = next((row for row, cell in enumerate(cells) if cell is not None and type(cell).__name__ != first), 0)
    mixed = f'"{name}" mixes types: row {row} holds a {type(cells[row]).__name__}'
    shown = f"{cells[row]!r}"[:60]
    notes.append(Note(f"{mixed}, {shown}: read as text", column=name, plain=f"{mixed}: read as text"))
    return Field(name, "text", "text"), values


def _infer_numbers(
    name: str, values: NDArray[Any], present: list[Any], notes: list[str]
) -> tuple[Field | None, NDArray[Any]]:
    whole = all(isinstance(cell, Integral) for cell in present)
    if whole and max(abs(int(cell)) for cell in present) >= _EXACT:
        notes.append(f'"{name}" holds whole numbers beyond 2^53, which lose digits as numbers: read as text')
        return Field(name, "text", "text"), values
    numbers = np.array([np.nan if cell is None else float(cell) for cell in values], dtype=np.float64)
    return Field(name, "number", "integer" if whole else "float"), numbers


def _mostly_numbers(name: str, values: NDArray[Any], odd: int, notes: list[str]) -> tuple[Field | None, NDArray[Any]]:
    """Numbers with so few other values that those count as accidents: they become missing, and are said."""
    cells = [
        (row, cell)
        for row, cell in enumerate(values)
        if cell is not None and (isinstance(cell, bool | np.bool_) or not isinstance(cell, Real | Decimal))
    ]
    total = sum(cell is not None for cell in values)
    trouble = Trouble(name, 0, "numbers", odd, total, True, tuple(str(cell) for _, cell in cells[:3]))
    notes.append(trouble.at([f"row {row}" for row, _ in cells[:3]]).note())
    kept = values.copy()
    kept[[row for row, _ in cells]] = None
    return _infer_numbers(name, kept, [cell for cell in kept if cell is not None], notes)


def _infer_text(name: str, values: NDArray[Any], present: list[str]) -> tuple[Field, NDArray[Any]]:
    """Text, or time when every text is an ISO 8601 date: files and frames then give the same column."""
    if all(_ISO.fullmatch(cell) for cell in present):
        try:
            distinct = {cell: datetime.fromisoformat(cell) for cell in set(present)}
        except ValueError:
            return Field(name, "text", "text"), values
        moments = _each(values, lambda cell: distinct[cell])
        return Field(name, "time", "datetime" if any(":" in cell for cell in distinct) else "date"), moments
    return Field(name, "text", "text"), values


def _each(values: NDArray[Any], function: Callable[[Any], Any]) -> NDArray[Any]:
    out = np.empty(len(values), dtype=object)
    out[:] = [None if cell is None else function(cell) for cell in values]
    return out


def _blank_is_missing(name: str, values: NDArray[Any]) -> NDArray[Any]:
    seen: dict[Any, Any] = {}
    out = np.empty(len(values), dtype=object)
    out[:] = [None if cell is None or not cell.strip() else seen.setdefault(cell, cell) for cell in values.tolist()]
    try:
        "".join(seen).encode()
    except UnicodeEncodeError as error:
        row = next(
            row for row, cell in enumerate(out) if cell is not None and any("\ud800" <= c <= "\udfff" for c in cell)
        )
        raise SourceDamaged(
            f'the column "{name}" holds text that is not Unicode',
            where=f"row {row}, counting from 0",
            why="it has half of a surrogate pair, as text has that was decoded with surrogateescape",
            fix='decode it anew, for example with errors="replace"',
        ) from error
    return out


def _missing(cell: Any) -> bool:
    """None, NaN, NaT, pandas' NA and the schema's own missing time."""
    if cell is None or cell is MISSING_TIME:
        return True
    if isinstance(cell, (float, np.floating, np.datetime64, np.timedelta64, Decimal)):
        return bool(cell != cell)  # noqa: PLR0124 - only a missing value differs from itself
    return type(cell).__name__ in {"NAType", "NaTType"}
