"""Pasts from a table: what a stream would know, had its rows come one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flyball_runtime.schema import MISSING_TIME
from flyball_runtime.windows import LATE, NEW, REPEATED

if TYPE_CHECKING:
    from flyball.predictions.log import PredictionLog
    from flyball.sessions.stream import Stream

__all__ = ["Seeded", "seed"]

_BATCH = 20_000  # rows between two tellings, and in one transaction


@dataclass(frozen=True, slots=True)
class Seeded:
    """How many `rows` a table held; how many were `new`, known `already` (late or repeated), or could not be placed."""

    rows: int
    new: int
    already: int
    unplaced: int


def seed(
    stream: Stream,
    log: PredictionLog,
    columns: Mapping[str, NDArray[Any]],
    on_progress: Callable[[float], None] | None = None,
) -> Seeded:
    """Take the rows of a table, normalised and in any order, for the past. Durable when it returns.

    What a stream knows already changes nothing, so that the same table may be given again. Rows without an order are taken
    only of entities that have no past. Raises TooManyPasts and the store's errors; the batches before stay.
    """
    spec = stream.spec
    rows = len(next(iter(columns.values())))
    place = np.arange(rows)
    if spec.order is not None:
        place = np.argsort(_sortable(columns[spec.order]), kind="stable")
    else:
        place = place[_without_past(stream, columns)]
    counts = np.zeros(4, dtype=np.int64)
    for begin in range(0, len(place), _BATCH):
        chosen = place[begin : begin + _BATCH]
        with stream.turn():
            taken = stream.push({name: values[chosen] for name, values in columns.items()})
            written = log.submit([taken.beside])
        written.result()
        counts += np.bincount(taken.standing.status, minlength=4)
        if on_progress is not None:
            on_progress(min(1.0, (begin + _BATCH) / len(place)))
    already = int(counts[LATE] + counts[REPEATED]) + rows - len(place)
    return Seeded(rows, int(counts[NEW]), already, int(counts.sum() - counts[NEW] - counts[LATE] - counts[REPEATED]))


def _without_past(stream: Stream, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    names = stream.names(columns)
    with stream.turn():
        unknown = stream.unknown(names)
    return np.array([name in unknown for name in names], dtype=np.bool_)


def _sortable(values: NDArray[Any]) -> NDArray[Any]:
    """Missing moments last, as numbers are sorted."""
    return np.where(values == MISSING_TIME, np.iinfo(np.int64).max, values) if values.dtype.kind == "i" else values
