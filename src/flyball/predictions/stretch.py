"""Rows of the log in the order in which they were asked, as columns: what a monitor reads, a window at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, and_, func, or_, select

from flyball.predictions.tables import predictions
from flyball.store import Database, StoreDamaged
from flyball_runtime.schema import MISSING_TIME, Schema

__all__ = ["Place", "Stretch", "column_of", "count_rows", "read_stretch", "versions_since"]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in the log: just after the row `id` at `time` (microseconds); an empty id is before all of that time."""

    time: int
    id: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Rows of one version, oldest first: `times` (rows,) in microseconds, `inputs` and `outputs` as they were logged."""

    times: NDArray[np.int64]
    last: str
    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]

    @property
    def rows(self) -> int:
        return len(self.times)

    @property
    def place(self) -> Place:
        """Just after the last row."""
        return Place(int(self.times[-1]), self.last)

    def columns(self, schema: Schema) -> dict[str, NDArray[Any]]:
        """The input columns of `schema` in their normalised form, (rows,) each; what was not logged is missing.

        Raises StoreDamaged when a value is not of its column's kind: no server logs such a one.
        """
        try:
            return {field.name: column_of([row.get(field.name) for row in self.inputs], field.kind) for field in schema}
        except (ValueError, TypeError, OverflowError) as error:
            raise _damaged(None) from error

    def outputs_of(self, name: str) -> list[Any] | None:
        """One output, (rows,) or (rows, classes); None when some row lacks it."""
        return [row[name] for row in self.outputs] if all(name in row for row in self.outputs) else None


def read_stretch(
    database: Database, model: str, version: int, *, after: Place, before: int, limit: int, one_in: int = 1
) -> Stretch:
    """At most `limit` rows after a place and before a time, or one in so many of them, spread evenly.

    Only these are parsed, and only the log between the two is looked at, by its index.
    """
    query = (
        select(predictions.c.time, predictions.c.id, predictions.c.inputs, predictions.c.outputs)
        .where(*_of(model, version), _beyond(after), predictions.c.time < before)
        .order_by(predictions.c.time, predictions.c.id)
    )
    if one_in > 1:
        place = func.row_number().over(order_by=(predictions.c.time, predictions.c.id)).label("place")
        numbered = query.add_columns(place).order_by(None).subquery()
        query = (
            select(numbered.c.time, numbered.c.id, numbered.c.inputs, numbered.c.outputs)
            .where(numbered.c.place % one_in == 0)
            .order_by(numbered.c.time, numbered.c.id)
        )
    with database.read() as reader:
        rows = reader.execute(query.limit(limit)).all()
    times = np.array([row.time for row in rows], dtype=np.int64)
    inputs, outputs = _parse(rows, "inputs"), _parse(rows, "outputs")
    return Stretch(times, rows[-1].id if rows else "", inputs, outputs)


def count_rows(database: Database, model: str, version: int, *, after: Place, before: int) -> int:
    """How many rows lie after a place and before a time."""
    query = select(func.count()).where(*_of(model, version), _beyond(after), predictions.c.time < before)
    with database.read() as reader:
        return int(reader.execute(query).scalar_one())


def versions_since(database: Database, model: str, since: int) -> list[int]:
    """The numbered versions of a model that answered since a time, in order."""
    query = (
        select(predictions.c.version)
        .where(predictions.c.model == model, predictions.c.version.is_not(None), predictions.c.time >= since)
        .distinct()
    )
    with database.read() as reader:
        return sorted(reader.execute(query).scalars())


def _of(model: str, version: int) -> tuple[ColumnElement[bool], ...]:
    return predictions.c.model == model, predictions.c.version == version


def _beyond(place: Place) -> ColumnElement[bool]:
    at = predictions.c.time
    # The first bound is implied by the rest; it is what the index on (model, time) can use.
    return and_(at >= place.time, or_(at > place.time, predictions.c.id > place.id))


def _parse(rows: Sequence[Any], name: str) -> list[dict[str, Any]]:
    """The objects that one column of the rows read holds. Raises StoreDamaged, which names the row."""
    try:
        parsed: list[dict[str, Any]] = json.loads("[" + ",".join(getattr(row, name) for row in rows) + "]")
    except ValueError:
        parsed = []
    if len(parsed) == len(rows) and all(type(each) is dict for each in parsed):
        return parsed
    raise _damaged(next((row.id for row in rows if not _is_object(getattr(row, name))), None))


def _is_object(text: str) -> bool:
    try:
        return type(json.loads(text)) is dict
    except ValueError:
        return False


def _damaged(identity: str | None) -> StoreDamaged:
    return StoreDamaged(
        "a row of the prediction log is damaged", where=identity and f"prediction {identity}",
        fix="restore a backup; `flyball doctor` tells whether the database file is whole",
    )  # fmt: skip


def column_of(values: list[Any], kind: str) -> NDArray[Any]:
    """The normalised column (rows,) of values as they were logged. Raises ValueError, TypeError or OverflowError."""
    if kind == "number":
        return np.array(values, dtype=np.float64)  # None becomes NaN, "Infinity" the number
    if kind == "time":
        return np.array([MISSING_TIME if value is None else value for value in values], dtype=np.int64)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
