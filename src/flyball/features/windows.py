"""Window features of a table: the runtime's kernel, run over all rows at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flyball.data import Table
from flyball_runtime.schema import MISSING_TIME, Schema
from flyball_runtime.windows import WindowSpec, window_features

__all__ = ["in_order", "stretches", "with_windows"]

_STRETCH = 48  # rows of one entity


def with_windows(table: Table, spec: WindowSpec) -> Table:
    """The table with each window feature as a number column at its end, also where there was one of that name.

    Each row sees itself and the rows of its entity before it, never a later one. Raises KeyError for a column it lacks.
    """
    features = window_features(spec, {name: table[name] for name in spec.schema.names})
    made = {name: np.ascontiguousarray(features[:, position]) for position, name in enumerate(spec.names)}
    kept = [field for field in table.schema if field.name not in made]
    columns = {**{field.name: table[field.name] for field in kept}, **made}
    return Table(Schema((*kept, *spec.fields)), columns)


def in_order(spec: WindowSpec, table: Table) -> NDArray[np.intp]:
    """Positions of the rows as they would come: by the order, equal moments as they stand. (rows,)"""
    if spec.order is None:
        return np.arange(table.rows)
    values = table[spec.order]
    late = np.iinfo(np.int64).max if values.dtype.kind == "i" else np.inf
    gone = values == MISSING_TIME if values.dtype.kind == "i" else np.isnan(values)
    return np.argsort(np.where(gone, late, values), kind="stable")


def stretches(spec: WindowSpec, table: Table, rows: int) -> NDArray[np.intp]:
    """Positions of at most `rows` rows, in the order they would come: the first ones of as many entities as fit."""
    came = in_order(spec, table)
    if spec.entity is None:
        return came[:rows]
    seen: dict[object, int] = {}
    chosen = []
    for position, name in zip(came.tolist(), table[spec.entity][came].tolist(), strict=True):
        if name is None or name != name:  # noqa: PLR0124 - NaN
            continue
        if name not in seen and (len(seen) + 1) * _STRETCH > max(rows, _STRETCH):
            continue
        seen[name] = seen.get(name, 0) + 1
        if seen[name] <= _STRETCH:
            chosen.append(position)
    return np.array(chosen[:rows], dtype=np.intp)
