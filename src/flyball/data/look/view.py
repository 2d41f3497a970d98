"""A table as numbers for the tests of a look: every column one float64 array, the target coded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flyball.data.table import Table
from flyball_runtime.schema import Field, missing_mask

__all__ = ["Floats", "TargetTask", "View", "make_view"]

Floats = NDArray[np.float64]
TargetTask = Literal["binary", "multiclass", "regression"]
_FEW_LEVELS = 20


@dataclass(frozen=True, slots=True)
class View:
    """The rows that have a target, in their order.

    `columns`: each (rows,), missing as NaN; texts are codes, the most frequent level being 0, ties by name. `levels`
    counts each column's different values. `target`: (rows,), class numbers or the value. `rows`: positions in the table.
    """

    table: Table
    fields: tuple[Field, ...]
    columns: Mapping[str, Floats]
    levels: Mapping[str, int]
    target: Floats
    task: TargetTask
    classes: int
    rows: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.target)

    def without(self, names: set[str]) -> View:
        """The same rows without some columns."""
        fields = tuple(field for field in self.fields if field.name not in names)
        columns = {field.name: self.columns[field.name] for field in fields}
        return View(self.table, fields, columns, self.levels, self.target, self.task, self.classes, self.rows)

    def sample(self, rows: int, rng: np.random.Generator) -> View:
        """At most that many rows, drawn at random and kept in order."""
        if len(self) <= rows:
            return self
        chosen = np.sort(rng.choice(len(self), rows, replace=False))
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return View(
            self.table,
            self.fields,
            columns,
            self.levels,
            self.target[chosen],
            self.task,
            self.classes,
            self.rows[chosen],
        )

    def matrix(self) -> Floats:
        """All columns side by side: (rows, columns)."""
        return (
            np.column_stack([self.columns[field.name] for field in self.fields])
            if self.fields
            else np.empty((len(self), 0))
        )


def make_view(table: Table, target: str, task: str | None, *, missing: Sequence[Any] = ()) -> View:
    """The view of a table; rows whose target is missing, infinite or one of the `missing` values are left out."""
    target_field = table.schema[target]
    values = table[target]
    usable = ~missing_mask(values, target_field.kind)
    if target_field.kind == "number":
        usable &= np.isfinite(values)
    for value in missing:
        usable &= values != value
    rows = np.flatnonzero(usable)
    decided = _task(task, target_field, values[rows])
    coded, classes = _coded_target(values[rows], decided, target_field)
    fields = tuple(field for field in table.schema if field.name != target)
    columns, levels = {}, {}
    for field in fields:
        columns[field.name], levels[field.name] = as_numbers(table[field.name][rows], field)
    return View(table, fields, columns, levels, coded, decided, classes, rows)


def _task(task: str | None, field: Field, values: NDArray[Any]) -> TargetTask:
    if task in {"binary", "multiclass", "regression"}:
        return task  # type: ignore[return-value]
    distinct = len(set(values.tolist()))
    if distinct <= 2:
        return "binary"
    few = field.logical != "float" and distinct <= _FEW_LEVELS
    return "multiclass" if field.kind == "text" or few else "regression"


def _coded_target(values: NDArray[Any], task: TargetTask, field: Field) -> tuple[Floats, int]:
    if task == "regression":
        if field.kind == "text":
            return as_numbers(values, field)[0], 0
        return values.astype(np.float64), 0
    levels = sorted(set(values.tolist()))
    code = {level: float(index) for index, level in enumerate(levels)}
    return np.array([code[value] for value in values.tolist()], dtype=np.float64), len(levels)


def as_numbers(values: NDArray[Any], field: Field) -> tuple[Floats, int]:
    """A normalised column as float64 (rows,), and its number of levels."""
    if field.kind == "text":
        counts = Counter(values.tolist())
        counts.pop(None, None)
        order = sorted(counts, key=lambda level: (-counts[level], level))
        code: dict[Any, float] = {level: float(index) for index, level in enumerate(order)}
        code[None] = np.nan
        return np.array([code[value] for value in values.tolist()], dtype=np.float64), len(order)
    if field.kind == "time":
        numbers = np.where(missing_mask(values, "time"), np.nan, values.astype(np.float64))
    else:
        numbers = values.astype(np.float64)
    return numbers, len(np.unique(numbers[~np.isnan(numbers)]))
