"""Every metric of a model on a table, with intervals over the honest unit; and what guessing would reach."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.evaluation.auc import NotEnoughData, auc_interval
from flyball.evaluation.classification import binary_statistics, multiclass_statistics
from flyball.evaluation.interval import Interval, from_replicates, wilson
from flyball.evaluation.metrics import METRICS, Task, default_metric
from flyball.evaluation.regression import regression_statistics
from flyball.evaluation.resampling import label_codes, resample

__all__ = ["baseline", "class_codes", "evaluate"]

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], float]
_PROPORTIONS = ("accuracy", "precision", "recall", "interval_coverage")


def evaluate(
    task: Task,
    target: NDArray[Any],
    outputs: Mapping[str, NDArray[Any]],
    *,
    classes: NDArray[Any] | list[Any] | None = None,
    positive: Any = None,
    groups: NDArray[Any] | None = None,
    blocks: NDArray[Any] | None = None,
    weights: Floats | None = None,
    level: float = 0.90,
    seed: int = 0,
    replicates: int | None = None,
) -> dict[str, Interval]:
    """Metrics of a model's outputs (`prediction`, `probability`, `low`, `high`: as `bundle.score` gives them).

    target: (rows,) in the type of `classes`; positive: the class of interest (default: the last of two). Rows that
    share a label in `groups` (or `blocks`, of time) are resampled together. A metric that the rows leave undefined
    (ROC AUC with one class, say) is absent. Raises NotEnoughData without rows. O(replicates x rows).
    """
    default_metric(task)
    target = np.asarray(target)
    rows = len(target)
    if not rows:
        raise NotEnoughData("there are no rows to measure on", fix="give a table with at least one row")
    statistics = _statistics(task, target, outputs, classes, positive)
    labels = groups if groups is not None else blocks
    units = None if labels is None else label_codes(np.asarray(labels))
    row_weights = np.ones(rows) if weights is None else np.asarray(weights, dtype=np.float64)
    values = {name: statistic(row_weights) for name, statistic in statistics.items()}
    statistics = {name: item for name, item in statistics.items() if math.isfinite(values[name])}
    intervals: dict[str, Interval] = {}
    if task == "binary" and units is None and weights is None and "roc_auc" in statistics:
        intervals |= _delong(np.asarray(outputs["probability"]), target, classes, positive, level)
    resampled = {name: item for name, item in statistics.items() if name not in intervals}
    if replicates is None:
        width = len(classes) if classes is not None and task == "multiclass" else 1
        replicates = int(np.clip(4e6 / (rows * width), 200, 1000))
    drawn = resample(resampled, row_weights, units, replicates=replicates, rng=np.random.default_rng(seed))
    truth, called = _positives(task, target, outputs, classes, positive)
    for name in resampled:
        concerned = {"recall": truth, "precision": called}.get(name)
        intervals[name] = _interval(name, values[name], drawn[name], _units_of(units, rows, concerned), level)
    return {name: intervals[name] for name in METRICS if name in intervals}


def baseline(
    task: Task,
    target_train: NDArray[Any],
    target_test: NDArray[Any],
    *,
    classes: NDArray[Any] | list[Any] | None = None,
    positive: Any = None,
    groups: NDArray[Any] | None = None,
    blocks: NDArray[Any] | None = None,
    weights: Floats | None = None,
    level: float = 0.90,
    seed: int = 0,
) -> dict[str, Interval]:
    """Metrics on the test rows of a model that looks at no column: the training rows' class shares, or their mean."""
    rows = len(target_test)
    outputs: dict[str, NDArray[Any]]
    if task == "regression":
        known = np.asarray(target_train, dtype=np.float64)
        low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
        outputs = {"prediction": np.full(rows, known.mean()), "low": np.full(rows, low), "high": np.full(rows, high)}
    else:
        names = np.unique(np.asarray(target_train)) if classes is None else np.asarray(classes)
        codes = class_codes(np.asarray(target_train), names)
        shares = np.bincount(codes[codes < len(names)], minlength=len(names)) / max(1, len(codes))
        outputs = {"probability": np.tile(shares, (rows, 1)), "prediction": np.repeat(names[[shares.argmax()]], rows)}
        classes = names
    return evaluate(
        task, target_test, outputs,
        classes=classes, positive=positive, groups=groups, blocks=blocks, weights=weights, level=level, seed=seed,
    )  # fmt: skip


def class_codes(values: NDArray[Any], classes: NDArray[Any] | list[Any]) -> NDArray[np.int64]:
    """Position of each value among the classes: (rows,) -> (rows,). A value of no class gets `len(classes)`.

    Compares as Python does, so that True, 1 and 1.0 are one class.
    """
    position = {_plain(name): code for code, name in enumerate(classes)}
    unknown = len(position)
    return np.fromiter((position.get(_plain(value), unknown) for value in values), dtype=np.int64, count=len(values))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _statistics(
    task: Task,
    target: NDArray[Any],
    outputs: Mapping[str, NDArray[Any]],
    classes: NDArray[Any] | list[Any] | None,
    positive: Any,
) -> dict[str, Statistic]:
    if task == "regression":
        ends = [np.asarray(outputs[end], dtype=np.float64) if end in outputs else None for end in ("low", "high")]
        prediction = np.asarray(outputs["prediction"], dtype=np.float64)
        return regression_statistics(np.asarray(target, dtype=np.float64), prediction, *ends)
    if classes is None:
        raise NotEnoughData("a classifier is measured against its classes", fix="pass classes=bundle.classes")
    probability = np.asarray(outputs["probability"], dtype=np.float64)
    truth, called = class_codes(target, classes), class_codes(np.asarray(outputs["prediction"]), classes)
    if task == "binary":
        code = _positive_code(classes, positive)
        return binary_statistics(probability[:, code], truth == code, called == code)
    if truth.max() == len(classes):  # a class the model never saw: it gave it no probability
        probability = np.column_stack([probability, np.zeros(len(target))])
    return multiclass_statistics(probability, truth, called)


def _positives(
    task: Task,
    target: NDArray[Any],
    outputs: Mapping[str, NDArray[Any]],
    classes: NDArray[Any] | list[Any] | None,
    positive: Any,
) -> tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None]:
    """Which rows are positive, and which are called so: the trials of recall and of precision."""
    if task != "binary" or classes is None:
        return None, None
    code = _positive_code(classes, positive)
    return class_codes(target, classes) == code, class_codes(np.asarray(outputs["prediction"]), classes) == code


def _units_of(units: NDArray[np.int64] | None, rows: int, concerned: NDArray[np.bool_] | None) -> int:
    if concerned is None:
        return rows if units is None else int(units.max()) + 1
    return int(concerned.sum()) if units is None else len(np.unique(units[concerned]))


def _positive_code(classes: NDArray[Any] | list[Any], positive: Any) -> int:
    return len(classes) - 1 if positive is None else int(class_codes(np.asarray([positive], dtype=object), classes)[0])


def _delong(
    probability: Floats, target: NDArray[Any], classes: NDArray[Any] | list[Any] | None, positive: Any, level: float
) -> dict[str, Interval]:
    assert classes is not None
    code = _positive_code(classes, positive)
    truth = class_codes(target, classes) == code
    if min(truth.sum(), (~truth).sum()) < 2:
        return {}
    return {"roc_auc": auc_interval(probability[:, code].astype(np.float64), truth, level=level)}


def _interval(name: str, value: float, drawn: Floats, units: int, level: float) -> Interval:
    metric = METRICS[name]
    if name in _PROPORTIONS:
        variance = float(np.nanvar(drawn)) if np.isfinite(drawn).any() else 0.0
        return wilson(value, _effective(value, variance, units), level)
    if name == "calibration_error":  # resampling adds its own miscalibration, so the replicates are mirrored
        drawn = 2 * value - drawn
    found = from_replicates(value, drawn, units, level)
    if metric.better == "higher" and value == metric.high == 1.0 and units >= 2:
        found = wilson(value, units, level)  # a perfect score resamples to itself; it is not certain for that
    return Interval(value, min(value, max(metric.low, found.low)), max(value, min(metric.high, found.high)))


def _effective(share: float, variance: float, units: int) -> float:
    """How many independent trials would give the variance that resampling units shows (Korn & Graubard 1998)."""
    return share * (1 - share) / variance if variance > 1e-12 and 0 < share < 1 else float(units)
