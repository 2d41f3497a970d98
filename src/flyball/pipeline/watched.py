"""What the monitor needs of a version beside its bundle: its training rows by number, its scores of the test rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl import FittedPipeline
from flyball.monitoring.watched import Watched, score_columns
from flyball.pipeline.examine import Examined
from flyball.pipeline.personal import class_names
from flyball_runtime.score import class_label

__all__ = ["in_their_order", "watched"]


def watched(examined: Examined, pipeline: FittedPipeline, outputs: Mapping[str, NDArray[Any]]) -> Watched:
    """outputs: what the model answers for the test rows, in the order of the plan."""
    plan = examined.plan
    hidden = examined.target.field.name in examined.personal  # the evidence calls the classes the same
    named = None if pipeline.classes is None else [class_label(value) for value in pipeline.classes]
    labels = None if named is None else class_names(named, hidden=hidden)
    positive = labels[1] if labels is not None and len(labels) == 2 else None
    order = in_their_order(examined, plan.test)
    scores = {name: values[order] for name, values in score_columns(outputs, labels, positive).items()}
    train = plan.train[in_their_order(examined, plan.train)]
    return Watched(examined.target.rows_kept[train], plan.kind in ("time", "group"), scores)


def in_their_order(examined: Examined, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Positions within `rows` in the order of time, or with the rows of a group together: (rows,)."""
    plan = examined.plan
    if plan.kind == "time" and plan.by in examined.table:
        return np.argsort(examined.table[str(plan.by)][rows], kind="stable")
    if plan.kind == "group" and plan.units is not None:
        return np.argsort(plan.units[rows], kind="stable")
    return np.arange(len(rows), dtype=np.intp)
