"""Tables of runs and of points, by column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Columns", "joined", "points_table", "runs_table"]

_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Columns:
    """Lists of equal length by name; None where a row has no value. `pandas.DataFrame(table.columns)` and Polars take it.

    >>> len(Columns({"id": ["a", "b"], "metrics.auc": [0.8, None]}, 2))
    2
    """

    columns: Mapping[str, list[Any]]
    rows: int

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, name: str) -> list[Any]:
        return self.columns[name]


def runs_table(page: Mapping[str, Any]) -> Columns:
    """A page of runs: the run's own fields, then `metrics.KEY`, `params.KEY`, `tags.KEY`. Times: milliseconds since 1970."""
    rows = int(page["rows"])
    columns: dict[str, list[Any]] = dict(page["run"])
    for kind in ("metrics", "params", "tags"):
        for key, given in page[kind].items():
            column = given if isinstance(given, list) else _filled(given["at"], given["values"], rows)
            columns[f"{kind}.{key}"] = _numbers(column) if kind == "metrics" else column
    return Columns(columns, rows)


def points_table(page: Mapping[str, Any]) -> Columns:
    """A page of points: `run`, `key`, `step`, `timestamp` (milliseconds since 1970), `value`."""
    runs, keys = page["runs"], page["keys"]
    return Columns(
        {
            "run": [runs[place] for place in page["run"]],
            "key": [keys[place] for place in page["key"]],
            "step": page["step"],
            "timestamp": page["timestamp"],
            "value": _numbers(page["value"]),
        },
        len(page["run"]),
    )


def joined(tables: Iterable[Columns]) -> Columns:
    """The rows of tables one after the other; a column that one of them lacks is None there."""
    columns: dict[str, list[Any]] = {}
    rows = 0
    for table in tables:
        for name, values in table.columns.items():
            columns.setdefault(name, [None] * rows).extend(values)
        rows += table.rows
        for column in columns.values():
            column.extend([None] * (rows - len(column)))
    return Columns(columns, rows)


def _filled(at: Iterable[int], values: Iterable[Any], rows: int) -> list[Any]:
    column: list[Any] = [None] * rows
    for place, value in zip(at, values, strict=True):
        column[place] = value
    return column


def _numbers(column: list[Any]) -> list[Any]:
    return [_NAN if value == "NaN" else value for value in column] if "NaN" in column else column
