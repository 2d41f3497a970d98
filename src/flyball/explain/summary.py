"""What matters over many rows: mean shares with intervals, and how a column's share follows its value."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flyball.evaluation.interval import from_replicates
from flyball.explain.attribution import explain
from flyball.explain.cells import moment, plain_number, shown_moment
from flyball.explain.explanation import Explanation
from flyball_runtime.errors import BadInput, near_miss
from flyball_runtime.schema import Field, missing_mask

if TYPE_CHECKING:
    from flyball.automl.pipeline import FittedPipeline
    from flyball.data import Table

__all__ = [
    "ColumnImportance",
    "HiddenColumn",
    "UnknownColumn",
    "effects",
    "effects_of",
    "global_importance",
    "importance_of",
]

_REPLICATES = 1000
_BLOCK = 100
_DAYS_ALONE = 14 * 86_400_000_000  # microseconds from which on the hour of a time says little


class UnknownColumn(BadInput):
    """An explanation was asked for a column that the model does not read."""

    code = "FB-EXPLAIN-002"


class HiddenColumn(BadInput):
    """How a column's share follows its value was asked for a column whose values must not be shown."""

    code = "FB-EXPLAIN-003"


@dataclass(frozen=True, slots=True)
class ColumnImportance:
    """A column's mean absolute share in the score, with its interval over rows; `low <= value <= high`."""

    column: str
    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, str | float | None]:
        """As JSON; an end that too few rows leave open is null."""
        return {
            "column": self.column,
            "value": self.value,
            "low": self.low,
            "high": self.high if math.isfinite(self.high) else None,
        }


def global_importance(
    pipeline: FittedPipeline, table: Table | Mapping[str, Any] | Any, *, seed: int = 0, level: float = 0.90
) -> list[ColumnImportance]:
    """Mean absolute share of every raw column over a table's rows, largest first, with bootstrap intervals.

    For multiclass the shares in the predicted class's logit. Explain once and ask `Explanation.importance` when the
    rows' reasons are wanted as well.
    """
    return explain(pipeline, table).importance(seed=seed, level=level)


def effects(
    pipeline: FittedPipeline,
    table: Table | Mapping[str, Any] | Any,
    column: str,
    *,
    bins: int = 8,
) -> list[dict[str, Any]]:
    """Mean share of one column in the score by its value: [{"label", "value", "rows"}], in the order of the values.

    Numbers and times are cut at quantiles into at most `bins` groups, texts into their most frequent levels; missing
    values come last. Raises UnknownColumn. For several columns, explain once and ask `Explanation.effects`.
    """
    return explain(pipeline, table).effects(column, bins=bins)


def importance_of(explanation: Explanation, *, seed: int, level: float) -> list[ColumnImportance]:
    """`global_importance` of rows that are already explained."""
    sizes = np.abs(explanation.decisive)
    rows = len(sizes)
    if not rows:
        return [ColumnImportance(name, 0.0, 0.0, math.inf) for name in explanation.columns]
    means = _resampled_means(sizes, np.random.default_rng(seed))
    found = []
    for place, name in enumerate(explanation.columns):
        interval = from_replicates(float(sizes[:, place].mean()), means[:, place], rows, level)
        found.append(ColumnImportance(name, interval.value, max(0.0, interval.low), interval.high))
    return sorted(found, key=lambda one: (-one.value, one.column))


def effects_of(explanation: Explanation, column: str, *, bins: int) -> list[dict[str, Any]]:
    """`effects` of rows that are already explained."""
    if column not in explanation.columns:
        raise UnknownColumn(
            f'the model does not read a column "{column}"',
            why=near_miss(column, explanation.columns),
            fix="its columns are: " + ", ".join(explanation.columns),
        )
    if column in explanation.hidden:
        raise HiddenColumn(
            f'the values of "{column}" are hidden',
            why="the column is marked personal",
            fix="its importance can still be seen",
        )
    field, values = explanation.schema[column], explanation.data[column]
    missing = missing_mask(values, field.kind)
    if field.kind == "text":
        group, labels = _levels(values, missing, bins)
    else:
        group, labels = _ranges(values, missing, field, bins)
    group = np.where(missing, len(labels), group)
    shares = explanation.decisive[:, explanation.columns.index(column)]
    counts = np.bincount(group, minlength=len(labels) + 1)
    totals = np.bincount(group, weights=shares, minlength=len(labels) + 1)
    return [
        {"label": label, "value": float(total / count), "rows": int(count)}
        for label, total, count in zip([*labels, "missing"], totals, counts, strict=True)
        if count
    ]


def _resampled_means(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Column means of bootstrap resamples of the rows: (rows, columns) -> (replicates, columns)."""
    rows = len(values)
    means = np.empty((_REPLICATES, values.shape[1]))
    for start in range(0, _REPLICATES, _BLOCK):
        drawn = rng.integers(0, rows, size=(_BLOCK, rows)) + np.arange(_BLOCK)[:, None] * rows
        times = np.bincount(drawn.ravel(), minlength=_BLOCK * rows).reshape(_BLOCK, rows)
        means[start : start + _BLOCK] = times.astype(np.float64) @ values / rows
    return means


def _levels(values: NDArray[Any], missing: NDArray[np.bool_], bins: int) -> tuple[NDArray[np.intp], Sequence[str]]:
    """Group of each row and the groups' labels: the most frequent texts, then all others."""
    frequency = Counter(values[~missing].tolist())
    names = sorted(frequency, key=lambda name: (-frequency[name], name))
    shown = names if len(names) <= bins else names[: bins - 1]
    place = {name: number for number, name in enumerate(shown)}
    group = np.array([place.get(value, len(shown)) for value in values], dtype=np.intp)
    rest = len(names) - len(shown)
    return group, [*shown, f"{rest} others"] if rest else shown


def _ranges(
    values: NDArray[Any], missing: NDArray[np.bool_], field: Field, bins: int
) -> tuple[NDArray[np.intp], Sequence[str]]:
    """Group of each row and the groups' labels: single values when they are few, else ranges between quantiles."""
    known = np.unique(values[~missing])
    if len(known) <= bins:
        return np.searchsorted(known, values), [_label(value, field) for value in known]
    ordered = np.sort(values[~missing])
    inside = ordered[np.arange(1, bins) * len(ordered) // bins]
    edges = np.unique(inside[inside > known[0]])
    # rows of a group share `edge <= value < next edge`; the label shows the values that really occur in it
    first = [known[0], *edges]
    last = [*known[np.searchsorted(known, edges) - 1], known[-1]]
    day_only = field.kind == "time" and bool(known[-1] - known[0] > _DAYS_ALONE)
    labels = [
        _range_label(_label(low, field, day_only), _label(high, field, day_only))
        for low, high in zip(first, last, strict=True)
    ]
    return np.searchsorted(edges, values, side="right"), labels


def _range_label(low: str, high: str) -> str:
    return low if low == high else f"{low} – {high}"


def _label(value: Any, field: Field, day_only: bool = False) -> str:
    if field.kind == "time":
        return shown_moment(moment(int(value), field), day_only=day_only)
    if field.logical == "boolean" and value in (0.0, 1.0):
        return "true" if value else "false"
    return plain_number(value if float(value).is_integer() else float(f"{value:.4g}"))
