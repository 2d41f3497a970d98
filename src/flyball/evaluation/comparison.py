"""Two models on the same rows: the difference of each metric, with its interval, its p-value and a verdict in words."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flyball.evaluation.auc import NotEnoughData, paired_auc
from flyball.evaluation.classification import binary_statistics, multiclass_statistics
from flyball.evaluation.degenerate import FEWEST_UNITS, is_degenerate
from flyball.evaluation.evaluate import class_codes
from flyball.evaluation.interval import Interval, from_replicates
from flyball.evaluation.metrics import METRICS, Task, default_metric
from flyball.evaluation.regression import regression_statistics
from flyball.evaluation.resampling import Statistic, label_codes, resample

__all__ = ["Outcome", "Paired", "compare"]

Floats = NDArray[np.float64]
Outputs = Mapping[str, NDArray[Any]]
Classes = NDArray[Any] | list[Any]
Outcome = Literal["better", "worse", "no clear difference", "not enough data"]
_REPLICATES = 2000


@dataclass(frozen=True, slots=True)
class Paired:
    """One metric of two models on the same rows. `difference` is ours minus theirs; `p_value` of no difference."""

    metric: str
    ours: float
    theirs: float
    difference: Interval
    p_value: float
    outcome: Outcome

    def to_dict(self) -> dict[str, Any]:
        return {
            "ours": self.ours, "theirs": self.theirs, "difference": self.difference.to_dict(),
            "p_value": self.p_value if math.isfinite(self.p_value) else None, "outcome": self.outcome,
        }  # fmt: skip


def compare(
    task: Task,
    target: NDArray[Any],
    ours: Outputs,
    theirs: Outputs,
    *,
    classes: Classes | None = None,
    positive: Any = None,
    groups: NDArray[Any] | None = None,
    weights: Floats | None = None,
    level: float = 0.90,
    seed: int = 0,
    replicates: int = _REPLICATES,
) -> dict[str, Paired]:
    """Every metric that both models have on these rows, compared pairwise.

    ours, theirs: outputs of two models for the same rows, with one order of `classes`. Both are resampled together, by
    whole groups, so that rows which are hard for both do not blur the difference; ROC AUC is compared by DeLong's test.
    `outcome` is "better" or "worse" when the interval leaves zero out. Raises NotEnoughData without rows.
    """
    default_metric(task)
    rows = len(target)
    if not rows:
        raise NotEnoughData("there are no rows to compare on", fix="give a table with at least one row")
    row_weights = np.ones(rows) if weights is None else np.asarray(weights, dtype=np.float64)
    units = None if groups is None else label_codes(np.asarray(groups))
    count = rows if units is None else int(units.max()) + 1
    truth = np.asarray(target)
    sides = [_statistics(task, truth, outputs, classes, positive) for outputs in (ours, theirs)]
    values = [{name: one.of(row_weights) for name, one in side.items()} for side in sides]
    shared = [name for name in METRICS if all(math.isfinite(side.get(name, math.nan)) for side in values)]
    both = {f"{place} {name}": sides[place][name] for place in (0, 1) for name in shared}
    drawn = resample(both, row_weights, units, replicates=replicates, rng=np.random.default_rng(seed))
    found = {}
    for name in shared:
        mine, other = values[0][name], values[1][name]
        moved = drawn[f"0 {name}"] - drawn[f"1 {name}"]
        interval, p_value = from_replicates(mine - other, moved, count, level), _p_value(moved, count)
        if mine != other and count < FEWEST_UNITS and is_degenerate(interval):
            interval, p_value = Interval(mine - other, -math.inf, math.inf), math.nan  # so few rows cannot vary
        found[name] = _paired(name, mine, other, interval, p_value)
    if task != "regression":
        with contextlib.suppress(NotEnoughData):
            found["roc_auc"] = _auc(
                task,
                truth,
                (ours, theirs),
                classes=classes,
                positive=positive,
                units=units,
                weights=weights,
                level=level,
            )
    return {name: found[name] for name in METRICS if name in found}


def _statistics(
    task: Task, target: NDArray[Any], outputs: Outputs, classes: Classes | None, positive: Any
) -> dict[str, Statistic]:
    if task == "regression":
        ends = [np.asarray(outputs[end], dtype=np.float64) if end in outputs else None for end in ("low", "high")]
        return regression_statistics(target.astype(np.float64), np.asarray(outputs["prediction"], np.float64), *ends)
    names = _known(classes)
    probability = np.asarray(outputs["probability"], dtype=np.float64)
    truth, called = class_codes(target, names), class_codes(np.asarray(outputs["prediction"]), names)
    if task == "binary":
        code = _positive_code(names, positive)
        return binary_statistics(probability[:, code], truth == code, called == code)
    if truth.max() == len(names):  # a class that the models never saw: they gave it no probability
        probability = np.column_stack([probability, np.zeros(len(target))])
    return multiclass_statistics(probability, truth, called)


def _auc(
    task: Task,
    target: NDArray[Any],
    sides: tuple[Outputs, Outputs],
    *,
    classes: Classes | None,
    positive: Any,
    units: NDArray[np.int64] | None,
    weights: Floats | None,
    level: float,
) -> Paired:
    names = _known(classes)
    codes = [_positive_code(names, positive)] if task == "binary" else list(range(len(names)))
    truth = class_codes(target, names)
    scores = [[np.asarray(side["probability"], np.float64)[:, code] for code in codes] for side in sides]
    mine, other, interval, p_value = paired_auc(
        scores[0], scores[1], [truth == code for code in codes], level=level, units=units, weights=weights
    )
    return _paired("roc_auc", mine, other, interval, p_value)


def _paired(name: str, mine: float, other: float, difference: Interval, p_value: float) -> Paired:
    higher = METRICS[name].better == "higher"
    outcome: Outcome = "no clear difference"
    if not (math.isfinite(difference.low) and math.isfinite(difference.high)):
        outcome = "not enough data"
    elif difference.low > 0 or difference.high < 0:
        outcome = "better" if (difference.low > 0) == higher else "worse"
    return Paired(name, mine, other, difference, p_value, outcome)


def _p_value(drawn: Floats, units: int) -> float:
    """Two-sided p-value of no difference: the level at which the bootstrap interval would just touch zero."""
    known = drawn[np.isfinite(drawn)]
    if units < 2 or len(known) < 20:
        return math.nan
    if not known.any():
        return 1.0
    from scipy.special import ndtri, stdtr

    tail = (min(int((known <= 0).sum()), int((known >= 0).sum())) + 1) / (len(known) + 1)
    quantile = float(ndtri(min(tail, 0.5))) * math.sqrt((units - 1) / units)
    return min(1.0, 2 * float(stdtr(units - 1, quantile)))


def _known(classes: Classes | None) -> Classes:
    if classes is None:
        raise NotEnoughData("classifiers are compared by their classes", fix="pass classes=bundle.classes")
    return classes


def _positive_code(classes: Classes, positive: Any) -> int:
    if positive is None:
        return len(classes) - 1
    return int(class_codes(np.asarray([positive], dtype=object), classes)[0])
