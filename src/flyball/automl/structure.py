"""How the rows that an estimator is given hang together, where its user did not say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flyball.automl.pipeline import Task
from flyball.data import Table
from flyball.data.look import look
from flyball_runtime.schema import Field

__all__ = ["RowStructure", "rows_as_found"]

_LEAST_ROWS = 200
_LEAST_BUDGET = 5.0  # seconds; a look takes about one
_UNUSED = frozenset({"identifier", "group identifier"})  # what names a row, or its group, says nothing of those to come
_TARGET = "target of the fit"


@dataclass(frozen=True, slots=True)
class RowStructure:
    """`split`: how rows are validated, those of a group together; `order`: (rows,) row positions in time order, None where
    they stand so already; `groups`: (rows,) labels, where groups decide.

    `unused`: columns to leave out; `notes`: what was found and by what evidence.
    """

    split: Literal["random", "time"] = "random"
    order: NDArray[np.intp] | None = None
    groups: NDArray[Any] | None = None
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def rows_as_found(table: Table, target: NDArray[np.generic], *, task: Task, seed: int, budget: float) -> RowStructure:
    """Time order or groups that the table shows; rows at random where it shows neither, or is too small to tell.

    table: named columns without the target; target: (rows,) labels or numbers.
    """
    if table.rows < _LEAST_ROWS or budget < _LEAST_BUDGET or _TARGET in table:
        return RowStructure()
    found = look(_with_target(table, target, task), _TARGET, task=task, seed=seed)
    structure, by = found.structure, found.structure.by
    unused = tuple(
        finding.column
        for finding in found.columns
        if finding.column and finding.action == "leave out" and finding.kind in _UNUSED
    )
    notes = tuple(f"{name} is left out: it names rows or groups, and those to come have other names" for name in unused)
    if len(unused) == len(table.names):
        return RowStructure()
    if structure.kind == "group" and by is not None:
        said = f'validated by the groups of "{by}", which were found: {structure.why}'
        return RowStructure(groups=table[by], unused=unused, notes=(said, *notes))
    if structure.kind == "time":
        order = None if by is None or by not in table else np.argsort(table[by], kind="stable")
        said = f"validated in the order of time, which was found: {structure.why}"
        return RowStructure("time", order=order, unused=unused, notes=(said, *notes))
    return RowStructure(unused=unused, notes=notes)


def _with_target(table: Table, target: NDArray[np.generic], task: Task) -> Table:
    if task == "regression":
        return table.with_column(Field(_TARGET, "number"), np.asarray(target, dtype=np.float64))
    return table.with_column(Field(_TARGET, "text"), np.array([str(label) for label in target], dtype=object))
