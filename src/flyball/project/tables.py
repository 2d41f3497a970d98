"""Columns of plain values as a file that anything reads: CSV or Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flyball.core.files import write_atomic
from flyball.data import Table, to_parquet_bytes
from flyball.data.csv import to_csv_bytes
from flyball.project.scoring import DestinationUnfit, check_destination
from flyball_runtime.schema import MISSING_TIME, Field, Schema

__all__ = ["write_columns"]

_TIMES = ("started", "ended", "timestamp")
_LARGEST_MS = 2**62 // 1000


def write_columns(columns: Mapping[str, Sequence[Any]], destination: Path) -> None:
    """Write columns to a .csv or .parquet file, which appears whole or not at all.

    Columns of times hold milliseconds since 1970. Raises DestinationUnfit, CannotWrite.
    """
    check_destination(destination)
    if not columns:
        raise DestinationUnfit("there is nothing to write", why="no column was found")
    made = {name: _normalised(name, values) for name, values in columns.items()}
    table = Table(Schema(tuple(field for field, _ in made.values())), {name: one for name, (_, one) in made.items()})
    data = to_parquet_bytes(table) if destination.suffix.lower() == ".parquet" else to_csv_bytes(table)
    write_atomic(destination, data, label="runs.write")


def _normalised(name: str, values: Sequence[Any]) -> tuple[Field, Any]:
    if name in _TIMES:
        micros = [
            MISSING_TIME if value is None else max(-_LARGEST_MS, min(_LARGEST_MS, value)) * 1000 for value in values
        ]
        return Field(name, "time"), np.array(micros, dtype=np.int64)
    if name.startswith("metrics.") or name in ("experiment", "step", "value"):
        numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        return Field(name, "number", "integer" if name in ("experiment", "step") else ""), numbers
    texts = np.empty(len(values), dtype=object)
    texts[:] = list(values)
    return Field(name, "text"), texts
