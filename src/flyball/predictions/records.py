"""One row that was asked and answered, and what turned out to be true of it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.core.clock import Clock
from flyball.core.ids import new_id
from flyball_runtime.schema import MISSING_TIME, Schema

__all__ = ["Logged", "Outcome", "Prediction", "Value", "cells_of", "records_of"]

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Prediction:
    """One scored row.

    `inputs` maps raw column to value: numbers as float (infinities as the texts "Infinity" and "-Infinity"), times as
    microseconds since 1970 in UTC, missing as None. `outputs` maps `prediction`, `probability`, `low`, `high` to
    values. `content_hash` names the exact graph that answered; `request` is the id that the client gave, if any.
    """

    id: str
    time: datetime
    model: str
    version: int | None
    alias: str | None
    content_hash: str
    inputs: Mapping[str, Value]
    outputs: Mapping[str, Any]
    request: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was true of a prediction: `time` is when it became true, `recorded` when it was told, `source` by whom."""

    prediction_id: str
    value: Value
    time: datetime
    source: str
    recorded: datetime


@dataclass(frozen=True, slots=True)
class Logged:
    """A prediction with its newest outcome, if one is known."""

    prediction: Prediction
    outcome: Outcome | None


def records_of(
    columns: Mapping[str, NDArray[Any]],
    outputs: Mapping[str, NDArray[Any]],
    *,
    schema: Schema,
    model: str,
    version: int | None,
    alias: str | None,
    content_hash: str,
    clock: Clock,
    personal: Collection[str] = (),
    request: str | None = None,
) -> list[Prediction]:
    """One Prediction per row of normalised `columns` (rows,) and `outputs` (rows,) or (rows, classes).

    Columns named in `personal` are left out, so that they never reach the store.
    """
    kept = {
        field.name: cells_of(columns[field.name], field.kind) for field in schema.fields if field.name not in personal
    }
    answered = {name: values.tolist() for name, values in outputs.items()}
    now = clock.now()
    rows = len(next(iter(answered.values())))
    return [
        Prediction(
            id=new_id("pred", clock),
            time=now,
            model=model,
            version=version,
            alias=alias,
            content_hash=content_hash,
            inputs={name: cells[row] for name, cells in kept.items()},
            outputs={name: values[row] for name, values in answered.items()},
            request=request,
        )
        for row in range(rows)
    ]


def cells_of(values: NDArray[Any], kind: str) -> list[Any]:
    """A normalised column (rows,) as values for JSON; see `Prediction.inputs`."""
    if kind == "number":
        return [value if math.isfinite(value) else _not_finite(value) for value in values.tolist()]
    if kind == "time":
        return [None if value == MISSING_TIME else value for value in np.asarray(values, dtype=np.int64).tolist()]
    return list(values)


def _not_finite(value: float) -> str | None:
    if math.isnan(value):
        return None
    return "Infinity" if value > 0 else "-Infinity"
