"""Values that stand for a missing one, such as -200: taken as missing by numpy and by the graph alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flyball_runtime.schema import MISSING_TIME

if TYPE_CHECKING:
    from flyball.graph import GraphBuilder

__all__ = ["blanked", "emit_blanked"]


def blanked(values: NDArray[Any], kind: str, absent: Sequence[Any]) -> NDArray[Any]:
    """A normalised column, (rows,), with every value that means missing missing.

    >>> blanked(np.array([3.0, -200.0]), "number", [-200.0])
    array([ 3., nan])
    """
    if not absent:
        return values
    if kind == "text":
        known = np.empty(len(values), dtype=object)
        known[:] = [None if value in absent else value for value in values.tolist()]
        return known
    return np.where(np.isin(values, list(absent)), np.nan if kind == "number" else MISSING_TIME, values)


def emit_blanked(builder: GraphBuilder, value: str, absent: Sequence[Sequence[Any]], blank: float | int) -> str:
    """The graph's twin, for all columns of one kind at once: [N, k] float64 or int64; `absent`: the k columns' values."""
    dtype = np.float64 if isinstance(blank, float) else np.int64
    for turn in range(max((len(values) for values in absent), default=0)):
        # a column without so many is compared with what is missing anyhow
        row = np.array([[values[turn] if turn < len(values) else blank for values in absent]], dtype=dtype)
        hit = builder.node("Equal", value, builder.constant(row, "absent"))
        value = builder.node("Where", hit, builder.constant(np.array(blank, dtype=dtype), "blank"), value)
    return value
