"""Any table as named columns, and any column in its schema's array form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball_runtime.cells import WrongType, to_numbers, to_text, to_times, with_nulls
from flyball_runtime.errors import BadInput, near_miss
from flyball_runtime.schema import Field, Schema

__all__ = ["MissingColumn", "RaggedTable", "UnreadableTable", "WrongType", "normalise", "read_columns"]


class UnreadableTable(BadInput):
    """What was passed as a table is none: not a mapping of columns, a data frame, rows, or an Arrow stream."""

    code = "FB-TABLE-001"


class MissingColumn(BadInput):
    """The table lacks a column that the model was trained on."""

    code = "FB-TABLE-002"


class RaggedTable(BadInput):
    """The columns of a table have different lengths, or one is not a plain list of values."""

    code = "FB-TABLE-003"


def read_columns(table: Any) -> dict[str, Any]:
    """The columns of a table by name, each a list or array with one value a row, as it came.

    table: a mapping from name to list or 1-d array; a pandas or Polars data frame; anything with
    `__arrow_c_stream__` (a DuckDB relation, a PyArrow table); a list of rows that are mappings; a numpy structured array.
    """
    if isinstance(table, Mapping):
        return dict(table)
    if isinstance(getattr(table, "columns", None), Mapping):
        return dict(table.columns)
    if type(table).__module__.partition(".")[0] == "pandas":
        return _from_pandas(table)
    if hasattr(table, "__arrow_c_stream__"):
        from flyball_runtime.arrow import read_arrow_stream

        return dict(read_arrow_stream(table))
    if isinstance(table, np.ndarray) and table.dtype.names:
        return {name: table[name] for name in table.dtype.names}
    if (
        isinstance(table, Sequence)
        and not isinstance(table, str | bytes)
        and all(isinstance(r, Mapping) for r in table)
    ):
        names = list(dict.fromkeys(name for row in table for name in row))
        return {name: [row.get(name) for row in table] for name in names}
    raise UnreadableTable(
        f"a table cannot be a {type(table).__name__}",
        fix='pass {"column": [values]}, a pandas or Polars data frame, an Arrow table, or a list of rows',
    )


def normalise(columns: Mapping[str, Any], schema: Schema) -> dict[str, NDArray[Any]]:
    """The schema's columns in their array forms, (rows,) each, in schema order; other columns are left out.

    An array that already has the right form is returned as it is, not copied. Missing are None, NaN, NaT, empty text
    in a number or time column, and the schema's own forms. Raises MissingColumn, WrongType or RaggedTable.

    >>> from flyball_runtime.schema import Field, Schema
    >>> normalise({"age": ["41", None], "id": [1, 2]}, Schema((Field("age", "number"),)))
    {'age': array([41., nan])}
    """
    result: dict[str, NDArray[Any]] = {}
    rows, first = -1, ""
    for field in schema:
        if field.name not in columns:
            raise _missing(field.name, columns, schema)
        values = _to_kind(field, columns[field.name])
        if rows < 0:
            rows, first = len(values), field.name
        elif len(values) != rows:
            raise RaggedTable(
                "the columns have different lengths",
                where=f'column "{field.name}"',
                why=f'"{first}" has {rows} rows, "{field.name}" has {len(values)}',
                fix="give every column one value a row; use None where a value is missing",
            )
        result[field.name] = values
    return result


def _to_kind(field: Field, values: Any) -> NDArray[Any]:
    array = _to_array(field.name, values)
    if field.kind == "number":
        return to_numbers(array, field)
    return to_times(array, field) if field.kind == "time" else to_text(array, field)


def _to_array(name: str, values: Any) -> NDArray[Any]:
    """(rows,) without changing a value: a list stays a list of its own objects unless all are numbers."""
    if isinstance(values, np.ma.MaskedArray):
        values = with_nulls(np.asarray(values.data), ~np.ma.getmaskarray(values))
    if isinstance(values, np.ndarray):
        array: NDArray[Any] = values
    elif isinstance(values, list | tuple):
        array = _from_list(values)
    elif isinstance(values, str | bytes | Mapping) or not hasattr(values, "__len__"):
        raise RaggedTable(
            f'the column "{name}" is a single {type(values).__name__}, not a list of values',
            fix=f'pass {{"{name}": [value]}} for one row',
        )
    else:
        array = _from_list(list(values)) if not hasattr(values, "__array__") else np.asarray(values)
    if array.ndim != 1:
        raise RaggedTable(f'the column "{name}" has {array.ndim} dimensions, not one', fix="pass one value a row")
    return array


def _from_list(values: Sequence[Any]) -> NDArray[Any]:
    kinds = set(map(type, values))
    if kinds <= {float, int} or kinds == {bool}:
        try:
            return np.array(values, dtype=np.float64 if float in kinds else None)
        except OverflowError:
            pass  # an integer beyond float64; its row is named when the cells are converted one by one
    array = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        array[row] = value
    return array


def _from_pandas(table: Any) -> dict[str, Any]:
    # pandas needs PyArrow for its Arrow stream, so its columns are asked for their arrays instead.
    if not hasattr(table, "columns"):
        raise UnreadableTable("a pandas Series is one column, not a table", fix="pass series.to_frame()")
    result: dict[str, Any] = {}
    for position, name in enumerate(table.columns):
        if str(name) in result:
            raise UnreadableTable(f'the column "{name}" stands twice in the table')
        column = table.iloc[:, position]
        if str(column.dtype).startswith("datetime64["):
            result[str(name)] = column.to_numpy(dtype="datetime64[us]")
        else:
            result[str(name)] = column.to_numpy()
    return result


def _missing(name: str, columns: Mapping[str, Any], schema: Schema) -> MissingColumn:
    absent = [other for other in schema.names if other not in columns]
    also = f" (and {len(absent) - 1} more: {', '.join(absent[1:6])})" if len(absent) > 1 else ""
    spare = [str(given) for given in columns if given not in schema]
    return MissingColumn(
        f'the table lacks the column "{name}"{also}',
        why=near_miss(name, spare) or "the columns given are: " + ", ".join(map(str, list(columns)[:12])),
        fix="add the column; give it None where the value is not known",
    )
