"""The table: normalised columns under a schema, and its address by content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.core.canonical import canonical_json
from flyball.core.counting import counted
from flyball_runtime.schema import Field, Schema

__all__ = ["Table", "content_digest"]

_DTYPES: Mapping[str, np.dtype[Any]] = {
    "number": np.dtype(np.float64),
    "time": np.dtype(np.int64),
    "text": np.dtype(object),
}


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length, one normalised array per field of the schema: each (rows,).

    Arrays are shared, never copied, and must not be written to. Raises ValueError when arrays and schema disagree.

    >>> schema = Schema((Field("speed", "number"), Field("site", "text")))
    >>> Table(schema, {"speed": np.array([1.0, np.nan]), "site": np.array(["a", None], dtype=object)}).rows
    2
    """

    schema: Schema
    columns: Mapping[str, NDArray[Any]]

    def __post_init__(self) -> None:
        if len(set(self.schema.names)) != len(self.schema) or set(self.schema.names) != set(self.columns):
            raise ValueError("the columns are not those of the schema")
        if len({len(values) for values in self.columns.values()}) > 1:
            raise ValueError("the columns differ in length")
        for field in self.schema:
            values = self.columns[field.name]
            if values.ndim != 1 or values.dtype != _DTYPES[field.kind]:
                raise ValueError(f"column {field.name!r} is not a normalised {field.kind} column")

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    @property
    def names(self) -> tuple[str, ...]:
        return self.schema.names

    def column(self, name: str) -> NDArray[Any]:
        """One column's values, (rows,). Raises KeyError."""
        return self.columns[name]

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __len__(self) -> int:
        return self.rows

    def take(self, indices: NDArray[Any] | slice) -> Table:
        """The rows at these positions, in this order (also a boolean mask or a slice)."""
        return Table(self.schema, {name: values[indices] for name, values in self.columns.items()})

    def head(self, rows: int = 5) -> Table:
        """The first rows."""
        return self.take(slice(0, rows))

    def select(self, names: Sequence[str]) -> Table:
        """These columns only, in this order. Raises KeyError."""
        return Table(self.schema.select(list(names)), {name: self.columns[name] for name in names})

    def drop(self, names: Sequence[str]) -> Table:
        """All columns but these; names that are absent are ignored."""
        return self.select([name for name in self.schema.names if name not in names])

    def with_column(self, field: Field, values: NDArray[Any]) -> Table:
        """This table with a column added at the end, or replaced in its place."""
        fields = [field if old.name == field.name else old for old in self.schema]
        if field.name not in self.schema:
            fields.append(field)
        return Table(Schema(tuple(fields)), {**self.columns, field.name: values})

    def __repr__(self) -> str:
        return f"Table({counted(self.rows, 'row')} × {counted(len(self.schema), 'column')})"


def content_digest(table: Table) -> str:
    """SHA-256 of schema and values, as hexadecimal: equal for equal content, however it was stored.

    The order of rows and columns counts. Every missing number is one NaN; -0.0 and 0.0 differ.
    """
    head = {"v": 1, "rows": table.rows, "schema": table.schema.to_list()}
    digest = hashlib.sha256(canonical_json(head))
    for field in table.schema:
        digest.update(_column_digest(table.columns[field.name], field.kind))
    return digest.hexdigest()


def _column_digest(values: NDArray[Any], kind: str) -> bytes:
    """Digest of one column's little-endian bytes; texts as lengths (-1: missing), then UTF-8."""
    if kind == "number":
        plain = np.where(np.isnan(values), np.nan, values)
        return hashlib.sha256(plain.astype("<f8").tobytes()).digest()
    if kind == "time":
        return hashlib.sha256(values.astype("<i8").tobytes()).digest()
    encoded = [None if value is None else value.encode("utf-8", "surrogatepass") for value in values]
    lengths = np.array([-1 if value is None else len(value) for value in encoded], dtype="<i8")
    digest = hashlib.sha256(lengths.tobytes())
    digest.update(b"".join(value for value in encoded if value is not None))
    return digest.digest()
