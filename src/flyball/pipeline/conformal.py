"""What the intervals and class sets promised, against what the test rows show: the evidence's part `conformal`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl import FittedPipeline
from flyball.charts import number
from flyball.evaluation import class_codes, coverage_parts
from flyball.evaluation.classification import equal_mass_bins
from flyball.pipeline.examine import Examined
from flyball.pipeline.personal import class_names
from flyball_runtime.schema import MISSING_TIME
from flyball_runtime.score import class_label

__all__ = ["conformal_evidence"]

_STRETCHES = 6
_FEW_GROUPS = 12
_SHOWN_GROUPS = 5  # of the least and of the most covered, where there are many
_LEAST_ROWS = 10  # of a group, to be among them
_TARGETS = {
    "random": "new rows like the training's",
    "group": "rows of groups that the training did not hold",
    "time": "rows that come after the training's",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Outputs = Mapping[str, NDArray[Any]]


def conformal_evidence(
    pipeline: FittedPipeline, examined: Examined, outputs: Outputs, truth: NDArray[Any], measured: Mapping[str, Any]
) -> dict[str, Any] | None:
    """JSON values, None for a model without interval or sets.

    outputs, truth: of the plan's test rows; measured: their metrics, of which the coverage with its interval is one.
    No name of a group, no moment and no end of the target is told when its column is marked personal.
    """
    if pipeline.interval is None and pipeline.sets is None:
        return None
    weights = None if examined.weights is None else examined.weights[examined.plan.test]
    if pipeline.interval is not None:
        promised = pipeline.interval.level
        low, high = outputs["low"], outputs["high"]
        covered, size = (low <= truth) & (truth <= high), high - low
        kind = {"kind": "interval", **_widths(pipeline, size, weights)}
        if examined.target.field.name in examined.personal:
            kind["bounds"] = None  # they are values that rows have
        first = _by_prediction(outputs["prediction"])
    else:
        assert pipeline.sets is not None
        assert pipeline.class_values is not None
        promised = pipeline.sets.level
        codes = class_codes(truth, pipeline.class_values)
        known = codes < len(pipeline.class_values)
        covered = known & outputs["in_set"][np.arange(len(codes)), np.where(known, codes, 0)]
        size = outputs["in_set"].sum(axis=1).astype(np.float64)
        kind = {"kind": "set", **_sizes(size, covered, outputs["prediction"] == truth, weights)}
        hidden = examined.target.field.name in examined.personal
        labels = class_names([class_label(value) for value in pipeline.class_values], hidden=hidden)
        first = ("class", codes, labels)
    plan = examined.plan
    coverage = measured.get("interval_coverage" if pipeline.interval else "set_coverage")
    units = plan.units_of(plan.test)
    parts: list[dict[str, Any]] = []
    for by, codes, names in (first, *_by_structure(examined, covered)):
        found = coverage_parts(covered, size, codes, names, units=units, weights=weights)
        parts.append({"by": by, "parts": sorted(found, key=lambda one: one["value"]) if by == "group" else found})
    return {
        **kind,
        "level": promised,
        "target": _TARGETS[plan.kind],
        "unit": plan.unit,
        "rows": len(covered),
        "coverage": coverage,
        "held": _held(coverage, promised),
        "by": parts,
    }


def _held(coverage: Mapping[str, Any] | None, promised: float) -> bool | None:
    """Whether the promise lies within the interval of what was seen; None where the rows cannot tell."""
    if not coverage or coverage.get("low") is None or coverage.get("high") is None:
        return None
    return bool(coverage["low"] <= promised <= coverage["high"])


def _widths(
    pipeline: FittedPipeline, width: NDArray[np.float64], weights: NDArray[np.float64] | None
) -> dict[str, Any]:
    interval = pipeline.interval
    assert interval is not None
    ends = [0.1, 0.5, 0.9]
    narrow, middle, wide = (
        np.quantile(width, ends)
        if weights is None
        else np.quantile(width, ends, weights=weights, method="inverted_cdf")
    )
    return {
        "method": "constant" if interval.spread is None else "follows the row",
        "width": {
            "mean": float(np.average(width, weights=weights)), "low": float(narrow), "median": float(middle), "high": float(wide),
        },
        "bounds": {"floor": interval.floor, "ceiling": interval.ceiling},
    }  # fmt: skip


def _sizes(
    size: NDArray[np.float64],
    covered: NDArray[np.bool_],
    right: NDArray[np.bool_],
    weights: NDArray[np.float64] | None,
) -> dict[str, Any]:
    """`filled`: the coverage when an empty set is taken to hold the predicted class, as a reader would."""
    weight = np.ones(len(size)) if weights is None else weights
    empty, single = size == 0, size == 1
    return {
        "method": "per class",
        "size": {
            "mean": float(np.average(size, weights=weight)),
            "empty": float(np.average(empty, weights=weight)),
            "single": float(np.average(single, weights=weight)),
            "several": float(np.average(size > 1, weights=weight)),
            "single_right": float(weight[single] @ covered[single] / weight[single].sum())
            if weight[single].any()
            else None,
        },
        "filled": float(np.average(covered | (empty & right), weights=weight)),
    }


def _by_prediction(prediction: NDArray[np.float64]) -> tuple[str, NDArray[np.int64], list[str]]:
    """Tenths of the rows by the prediction."""
    codes = equal_mass_bins(prediction)
    ends = [(prediction[codes == code].min(), prediction[codes == code].max()) for code in range(int(codes.max()) + 1)]
    return "prediction", codes, [f"{number(low, 4)} to {number(high, 4)}" for low, high in ends]


def _by_structure(examined: Examined, covered: NDArray[np.bool_]) -> list[tuple[str, NDArray[np.int64], list[str]]]:
    """The groups, or the stretches of time, that the split follows."""
    plan = examined.plan
    column = plan.by if plan.by in examined.table.names else None
    values = None if column is None else examined.table[column][plan.test]
    hidden = column is None or column in examined.personal
    if plan.kind == "group":
        units = plan.units_of(plan.test)
        return [] if units is None else [_by_group(units, None if hidden else values, covered)]
    if plan.kind == "time":
        return [_by_time(values if values is not None and values.dtype != object else plan.test, values, hidden)]
    return []


def _by_group(
    units: NDArray[np.int64], values: NDArray[Any] | None, covered: NDArray[np.bool_]
) -> tuple[str, NDArray[np.int64], list[str]]:
    _, first, codes = np.unique(units, return_index=True, return_inverse=True)
    rows = np.bincount(codes)
    shown = np.arange(len(rows))
    if len(rows) > _FEW_GROUPS:
        known = np.flatnonzero(rows >= min(_LEAST_ROWS, int(np.median(rows))))
        order = known[np.argsort((np.bincount(codes, covered) / rows)[known], kind="stable")]
        shown = np.unique(np.concatenate([order[:_SHOWN_GROUPS], order[-_SHOWN_GROUPS:]]))
    place = np.full(len(rows), len(shown), dtype=np.int64)
    place[shown] = np.arange(len(shown))
    names = [f"group {code + 1}" if values is None else _said(values[first[code]]) for code in shown]
    return "group", place[codes], names


def _by_time(
    moments: NDArray[Any], values: NDArray[Any] | None, hidden: bool
) -> tuple[str, NDArray[np.int64], list[str]]:
    """Equally many rows each, in the order of time; named by their first moment, or by their number."""
    order = np.argsort(moments, kind="stable")
    codes = np.empty(len(moments), dtype=np.int64)
    codes[order] = np.arange(len(moments)) * _STRETCHES // len(moments)
    firsts = [order[np.flatnonzero(codes[order] == code)[:1]] for code in range(_STRETCHES)]
    named = values is not None and not hidden and values.dtype == np.int64
    names = [
        _moment(int(values[first[0]])) if named and values is not None and len(first) else f"stretch {code + 1}"
        for code, first in enumerate(firsts)
    ]
    return "time", codes, names


def _said(value: Any) -> str:
    return "missing" if value is None or value != value else class_label(value)  # noqa: PLR0124 - NaN


def _moment(microseconds: int) -> str:
    if microseconds == MISSING_TIME:
        return "without a time"
    try:
        return f"from {(_EPOCH + timedelta(microseconds=microseconds)):%Y-%m-%d %H:%M}"
    except OverflowError:
        return "far away in time"
