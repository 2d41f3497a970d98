"""Window features for the estimators: of the groups that `fit` is told of, where a column of the table names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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

__all__ = ["group_windows", "keep_windows"]

_SHARE = 0.25  # of the budget, for finding them
_LEAST_BUDGET = 10.0  # seconds; with less there is no time to prove that they help
_LEAST_ROWS = 500


def group_windows(
    table: Table,
    target: NDArray[Any],
    groups: NDArray[Any],
    *,
    task: Task,
    metric: str | None,
    folds: Sequence[Fold],
    seed: int,
    budget: float,
    weights: NDArray[np.float64] | None,
) -> tuple[WindowSpec | None, float, str | None]:
    """The window features that lower the loss on groups unseen, the seconds that it took, and what to say of it.

    groups: (rows,) labels. Nothing is tried unless one column names just these groups and another orders the rows of
    each, and with a budget below 10 s or fewer than 500 rows.
    """
    entity = naming_column(table, groups)
    order = None if entity is None else order_within(table, entity, table.names)
    if entity is None or order is None or budget < _LEAST_BUDGET or table.rows < _LEAST_ROWS:
        return None, 0.0, None
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
    return found.windows, found.seconds, found.why


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


def keep_windows(learned: Learned, windows: WindowSpec | None, table: Table, said: str | None) -> tuple[Learned, Table]:
    """With those window features that the models read, proven on rows as they come; and the table that holds them.

    said: what is to stand first in the notes.
    """
    learned = learned if said is None else replace(learned, notes=[said, *learned.notes])
    kept = set() if windows is None else set(learned.pipeline.schema.names) & set(windows.names)
    if windows is None or not kept:
        return learned, table
    used = windows.only(kept)
    whole = with_windows(table, used)
    check_windows(used, whole)
    return replace(learned, pipeline=replace(learned.pipeline, windows=used)), whole
