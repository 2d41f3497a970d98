"""Window features for the estimators: of the groups that `fit` is told of, where a column of the table names them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl.discovery import discover_windows
from flyball.automl.parity import check_windows
from flyball.automl.pipeline import Task
from flyball.automl.problem import Fold
from flyball.automl.search import Learned
from flyball.automl.task import encode_target
from flyball.data import Table
from flyball.features import order_within, with_windows
from flyball_runtime.windows import WindowSpec

__all__ = ["GroupWindows", "group_windows", "keep_windows"]

_SHARE = 0.25  # of the budget, for finding them
_LEAST_BUDGET = 10.0  # seconds; with less there is no time to prove that they help
_LEAST_ROWS = 500


@dataclass(frozen=True, slots=True)
class GroupWindows:
    """What was found: `table` holds the raw columns and the features, `learned` names those to learn from, `seconds` tells
    what it took, and `why` what to say of it (None: nothing was tried)."""

    windows: WindowSpec | None
    table: Table
    learned: tuple[str, ...]
    seconds: float
    why: str | None


def group_windows(
    table: Table,
    target: NDArray[Any],
    groups: NDArray[Any] | None,
    *,
    task: Task,
    metric: str | None,
    folds: Sequence[Fold],
    seed: int,
    budget: float,
    weights: NDArray[np.float64] | None,
    monotonic: Callable[[], float] = time.monotonic,
) -> GroupWindows:
    """The window features that lower the loss on groups unseen.

    groups: (rows,) labels. Nothing is tried unless one column names just these groups and another orders the rows of
    each, and with a budget below 10 s or fewer than 500 rows.
    """
    entity = None if groups is None else naming_column(table, groups)
    order = None if entity is None else order_within(table, entity, table.names)
    nothing = GroupWindows(None, table, table.names, 0.0, None)
    if groups is None or order is None or budget < _LEAST_BUDGET or table.rows < _LEAST_ROWS:
        return nothing
    found = discover_windows(
        table,
        encode_target(target, task),
        task=task,
        metric=metric,
        folds=folds,
        units=np.unique(groups, return_inverse=True)[1],
        columns=[name for name in table.names if name != entity],
        entity=entity,
        order=order,
        seed=seed,
        seconds=_SHARE * budget,
        weights=weights,
    )
    if found.windows is None:
        return replace(nothing, seconds=found.seconds, why=found.why)
    began = monotonic()
    whole = with_windows(table, found.windows)
    # the groups to come have other names, so none is learned from
    learned = tuple(name for name in whole.names if name != entity)
    return GroupWindows(found.windows, whole, learned, found.seconds + monotonic() - began, found.why)


def naming_column(table: Table, groups: NDArray[Any]) -> str | None:
    """The first number or text column that is equal where the groups are, and nowhere else."""
    codes = np.unique(groups, return_inverse=True)[1]
    count = int(codes.max()) + 1
    for field in table.schema:
        if field.kind == "time":
            continue
        values = table[field.name]
        names = values.astype(str) if field.kind == "text" else values
        own = np.unique(names, return_inverse=True)[1]
        if own.max() + 1 == count and len(np.unique(own.astype(np.int64) * count + codes)) == count:
            return field.name
    return None


def keep_windows(learned: Learned, found: GroupWindows) -> Learned:
    """With those window features that the models read, proven on rows as they come; the notes say first how it went."""
    learned = learned if found.why is None else replace(learned, notes=[found.why, *learned.notes])
    kept = set() if found.windows is None else set(learned.pipeline.schema.names) & set(found.windows.names)
    if found.windows is None or not kept:
        return learned
    used = found.windows.only(kept)
    check_windows(used, found.table)
    return replace(learned, pipeline=replace(learned.pipeline, windows=used))
