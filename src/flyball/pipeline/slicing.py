"""The slices of the evidence: weak segments found by search, and every level of the columns that the user named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.data import Table
from flyball.evaluation import (
    Search,
    Segment,
    SplitPlan,
    Task,
    evaluate,
    levels,
    row_loss,
    search_slices,
)
from flyball.pipeline.examine import Examined
from flyball.pipeline.settings import LoopSettings
from flyball_runtime.schema import Field

__all__ = ["Scored", "level_slices", "slice_evidence"]

_ROW_ORDER = Field("order of rows", "number")


class Scored:
    """Test rows with their truth and a model's outputs: what slices are cut from."""

    def __init__(
        self,
        task: Task,
        table: Table,
        truth: NDArray[Any],
        outputs: Mapping[str, NDArray[Any]],
        *,
        metric: str,
        classes: NDArray[Any] | None,
        positive: Any,
        units: NDArray[Any] | None,
        weights: NDArray[np.float64] | None,
        seed: int,
    ) -> None:
        self.task, self.table, self.truth, self.outputs = task, table, truth, outputs
        self.metric, self.classes, self.positive = metric, classes, positive
        self.units, self.weights, self.seed = units, weights, seed

    def measure(self, rows: NDArray[np.intp]) -> dict[str, float | None] | None:
        """The metric with its interval on some of the rows; None where they leave it undefined."""
        if not len(rows):
            return None
        found = evaluate(
            self.task, self.truth[rows], {name: values[rows] for name, values in self.outputs.items()},
            classes=self.classes, positive=self.positive, seed=self.seed,
            groups=None if self.units is None else self.units[rows],
            weights=None if self.weights is None else self.weights[rows],
        )  # fmt: skip
        return found[self.metric].to_dict() if self.metric in found else None


def slice_evidence(
    scored: Scored, examined: Examined, settings: LoopSettings, *, telling: Sequence[str] = ()
) -> dict[str, Any]:
    """The evidence's `slices`. `telling`: columns in the order of their importance; the search begins with them.

    No value of a column marked personal is looked at or shown, nor of one that gives the target away.
    """
    leaking = {leak["column"] for leak in examined.leaks if leak["column"] and leak["column"] not in examined.used}
    apart = {settings.target, settings.weight, *examined.personal, *leaking}
    order = dict.fromkeys([*settings.slices, *telling, *examined.table.names])
    columns = [(scored.table.schema[name], scored.table[name]) for name in order if name in scored.table]
    columns = [(field, values) for field, values in columns if field.name not in apart]
    columns += _order_of(examined.plan)
    loss = row_loss(scored.task, scored.truth, scored.outputs, classes=scored.classes)
    common: dict[str, Any] = {"weights": scored.weights, "groups": scored.units, "seed": settings.seed}
    weak = search_slices(columns, loss.value, stated=loss.stated, **common)
    hard = search_slices(columns, loss.value, **common) if scored.task != "regression" else None
    whole = np.arange(len(scored.truth))
    shown = [name for name in settings.slices if name not in examined.personal]
    return {
        "metric": scored.metric,
        "overall": scored.measure(whole),
        "loss": {"name": loss.name, "overall": weak.overall},
        "status": weak.status,
        "why": weak.why,
        "searched": {
            "segments": weak.searched, "columns": [field.name for field, _ in columns], "rows": len(weak.kept),
            "units": weak.units, "unit": examined.plan.unit,
        },
        "rate": {
            "value": weak.rate,
            "meaning": f"on data without a weak segment, at most {weak.rate:.0%} of searches name one; "
            "so no more than that share of the findings is false",
        },
        "findable": weak.findable,
        "found": [_found(one, weak, scored) for one in weak.found],
        "hard": [] if hard is None else [_found(one, hard, scored) for one in hard.found],
        "named": [level_slices(scored, name) for name in shown],
        "skipped": {
            "personal": sorted(name for name in examined.personal if name in scored.table),
            "leaks": sorted(leaking),
        },
    }  # fmt: skip


def level_slices(scored: Scored, column: str) -> dict[str, Any]:
    """Every level (or range) of a column, with the metric, its interval and its rows, weak or not."""
    found = []
    for one in levels(scored.table.schema[column], scored.table[column]):
        rows = np.flatnonzero(one.rows)
        measured = scored.measure(rows)
        found.append({"text": one.text, "condition": one.condition, "rows": len(rows), "metric": measured})
    return {"column": column, "metric": scored.metric, "levels": found}


def _found(segment: Segment, search: Search, scored: Scored) -> dict[str, Any]:
    return {
        "text": segment.text,
        "conditions": [part.condition for part in segment.parts],
        "rows": segment.count,
        "share": segment.share,
        "excess": segment.excess.to_dict(),
        "p_value": segment.p_value,
        "metric": scored.measure(search.kept[segment.rows]),
    }


def _order_of(plan: SplitPlan) -> list[tuple[Field, NDArray[Any]]]:
    """The order of rows as a column of its own, where it is what the split went by."""
    if plan.kind != "time" or plan.by not in (None, "row_order"):
        return []
    return [(_ROW_ORDER, np.asarray(plan.test, dtype=np.float64))]
