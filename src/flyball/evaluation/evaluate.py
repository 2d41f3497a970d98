"""Every metric of a model on a table, with intervals over the honest unit; and what guessing would reach."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.evaluation.auc import NotEnoughData, macro_auc_interval
from flyball.evaluation.classification import binary_statistics, multiclass_statistics, set_statistics
from flyball.evaluation.degenerate import FEWEST_UNITS, Called, exact_interval, is_degenerate
from flyball.evaluation.interval import Interval, from_replicates, wilson
from flyball.evaluation.metrics import METRICS, Task, default_metric
from flyball.evaluation.regression import regression_statistics
from flyball.evaluation.resampling import Statistic, label_codes, resample

__all__ = ["baseline", "baseline_outputs", "class_codes", "evaluate"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Truth = NDArray[np.bool_]
Outputs = Mapping[str, NDArray[Any]]
Classes = NDArray[Any] | list[Any]
_PROPORTIONS = ("accuracy", "precision", "recall", "interval_coverage", "set_coverage")


@dataclass(frozen=True, slots=True)
class _Measured:
    """What a task's metrics are made of; `concerned`: the rows that a proportion is taken over, where not all."""

    statistics: dict[str, Statistic]
    scores: list[Floats] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)
    concerned: dict[str, Truth] = field(default_factory=dict)
    called: Called | None = None


def evaluate(
    task: Task,
    target: NDArray[Any],
    outputs: Outputs,
    *,
    classes: Classes | None = None,
    positive: Any = None,
    groups: NDArray[Any] | None = None,
    blocks: NDArray[Any] | None = None,
    weights: Floats | None = None,
    level: float = 0.90,
    seed: int = 0,
    replicates: int = 400,
) -> dict[str, Interval]:
    """Metrics of a model's outputs (`prediction`, `probability`, `in_set`, `low`, `high`: as `bundle.score` gives them).

    target: (rows,) in the type of `classes`; positive: the class of interest (default: the last of two). Rows that
    share a label in `groups` (or `blocks`, of time) are resampled together. A metric that the rows leave undefined
    (ROC AUC with one class, say) is absent. Raises NotEnoughData without rows. O(rows log rows).
    """
    default_metric(task)
    target = np.asarray(target)
    if not len(target):
        raise NotEnoughData("there are no rows to measure on", fix="give a table with at least one row")
    labels = groups if groups is not None else blocks
    units = None if labels is None else label_codes(np.asarray(labels))
    row_weights = np.ones(len(target)) if weights is None else np.asarray(weights, dtype=np.float64)
    measured = _measure(task, target, outputs, classes, positive)
    values = {name: statistic.of(row_weights) for name, statistic in measured.statistics.items()}
    known = {name: item for name, item in measured.statistics.items() if math.isfinite(values[name])}
    drawn = resample(known, row_weights, units, replicates=replicates, rng=np.random.default_rng(seed))
    intervals = {}
    for name in known:
        count = _count(units, measured.concerned.get(name), len(target))
        found = _resampled(name, values[name], drawn[name], count, level)
        if is_degenerate(found) or (_is_perfect(name, found) and count >= 2):
            rows = measured.called
            exact = exact_interval(name, values[name], rows=rows, weights=row_weights, units=units, level=level)
            found = _where_nothing_varies(name, found, exact, count, level)
        highest = len(classes) if name == "set_size" and classes is not None else METRICS[name].high
        intervals[name] = _within(found, METRICS[name].low, highest)
    if measured.truths:
        with contextlib.suppress(NotEnoughData):
            intervals["roc_auc"] = macro_auc_interval(
                measured.scores, measured.truths,
                level=level, units=units, weights=weights if weights is None else row_weights,
            )  # fmt: skip
    return {name: intervals[name] for name in METRICS if name in intervals}


def baseline(
    task: Task,
    target_train: NDArray[Any],
    target_test: NDArray[Any],
    *,
    classes: Classes | None = None,
    positive: Any = None,
    groups: NDArray[Any] | None = None,
    blocks: NDArray[Any] | None = None,
    weights: Floats | None = None,
    train_weights: Floats | None = None,
    level: float = 0.90,
    seed: int = 0,
) -> dict[str, Interval]:
    """Metrics on the test rows of a model that looks at no column: the training rows' class shares, or their mean.

    weights: (test rows,); train_weights: (training rows,), as a model that learns from them would take them.
    """
    outputs = baseline_outputs(
        task, target_train, len(target_test), classes=classes, train_weights=train_weights, level=level
    )
    if task != "regression" and classes is None:
        classes = np.unique(np.asarray(target_train))
    return evaluate(
        task, target_test, outputs,
        classes=classes, positive=positive, groups=groups, blocks=blocks, weights=weights, level=level, seed=seed,
    )  # fmt: skip


def baseline_outputs(
    task: Task,
    target_train: NDArray[Any],
    rows: int,
    *,
    classes: Classes | None = None,
    train_weights: Floats | None = None,
    level: float = 0.90,
) -> dict[str, NDArray[Any]]:
    """What a model that looks at no column answers for `rows` rows, in the form of `bundle.score`."""
    learned = np.ones(len(target_train)) if train_weights is None else np.asarray(train_weights, dtype=np.float64)
    if task == "regression":
        known = np.asarray(target_train, dtype=np.float64)
        ends = [(1 - level) / 2, (1 + level) / 2]
        low, high = np.quantile(known, ends, weights=learned, method="inverted_cdf")
        mean = np.average(known, weights=learned)
        return {"prediction": np.full(rows, mean), "low": np.full(rows, low), "high": np.full(rows, high)}
    names = np.unique(np.asarray(target_train)) if classes is None else np.asarray(classes)
    codes = class_codes(np.asarray(target_train), names)
    shares = np.bincount(codes, learned, minlength=len(names) + 1)[: len(names)] / learned.sum()
    order = np.argsort(-shares, kind="stable")
    plausible = np.empty(len(names), dtype=np.bool_)
    plausible[order] = np.cumsum(shares[order]) - shares[order] < level  # the commonest, until they hold the level
    return {
        "probability": np.tile(shares, (rows, 1)), "prediction": np.repeat(names[[shares.argmax()]], rows),
        "in_set": np.tile(plausible, (rows, 1)),
    }  # fmt: skip


def class_codes(values: NDArray[Any], classes: Classes) -> Codes:
    """Position of each value among the classes: (rows,) -> (rows,). A value of no class gets `len(classes)`.

    Compares as Python does, so that True, 1 and 1.0 are one class.
    """
    position = {_plain(name): code for code, name in enumerate(classes)}
    unknown = len(position)
    array = np.asarray(values)
    if array.dtype == object:
        return np.fromiter((position.get(_plain(value), unknown) for value in array), dtype=np.int64, count=len(array))
    distinct, inverse = np.unique(array, return_inverse=True)
    codes = np.array([position.get(value, unknown) for value in distinct.tolist()], dtype=np.int64)
    return codes[inverse]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _measure(task: Task, target: NDArray[Any], outputs: Outputs, classes: Classes | None, positive: Any) -> _Measured:
    if task == "regression":
        ends = [np.asarray(outputs[end], dtype=np.float64) if end in outputs else None for end in ("low", "high")]
        prediction = np.asarray(outputs["prediction"], dtype=np.float64)
        return _Measured(regression_statistics(np.asarray(target, dtype=np.float64), prediction, *ends))
    if classes is None:
        raise NotEnoughData("a classifier is measured against its classes", fix="pass classes=bundle.classes")
    probability = np.asarray(outputs["probability"], dtype=np.float64)
    truth, called = class_codes(target, classes), class_codes(np.asarray(outputs["prediction"]), classes)
    if task == "binary":
        code = len(classes) - 1
        if positive is not None:
            code = int(class_codes(np.asarray([positive], dtype=object), classes)[0])
        yes, said = truth == code, called == code
        chance = probability[:, code]
        statistics = binary_statistics(chance, yes, said) | set_statistics(truth, outputs.get("in_set"))
        rows = Called(yes.astype(np.int64), said.astype(np.int64), 2, 1)  # as the statistics see them
        return _Measured(statistics, [chance], [yes], {"recall": yes, "precision": said}, rows)
    scores, truths = list(probability.T), [truth == code for code in range(len(classes))]
    if truth.max() == len(classes):  # a class the model never saw: it gave it no probability
        probability = np.column_stack([probability, np.zeros(len(target))])
    statistics = multiclass_statistics(probability, truth, called) | set_statistics(truth, outputs.get("in_set"))
    return _Measured(statistics, scores, truths, called=Called(truth, called, probability.shape[1], 0))


def _count(units: Codes | None, concerned: Truth | None, rows: int) -> int:
    """How many independent units a metric is taken over."""
    if concerned is None:
        return rows if units is None else int(units.max()) + 1
    return int(concerned.sum()) if units is None else len(np.unique(units[concerned]))


def _resampled(name: str, value: float, drawn: Floats, units: int, level: float) -> Interval:
    """The interval that the resamples tell; of a proportion, one that does not shrink to nothing."""
    if name in _PROPORTIONS:
        known = drawn[np.isfinite(drawn)]
        return wilson(value, _effective(value, float(known.var()) if len(known) else 0.0, units), level)
    if name == "calibration_error":  # resampling adds its own miscalibration, so the replicates are mirrored
        drawn = 2 * value - drawn
    return from_replicates(value, drawn, units, level)


def _where_nothing_varies(name: str, found: Interval, exact: Interval | None, units: int, level: float) -> Interval:
    """What to say instead of an interval without width: an exact one; of few units, that the data cannot tell."""
    if exact is not None:
        return exact
    if _is_perfect(name, found) and units >= 2:
        return wilson(found.value, units, level)  # a perfect score resamples to itself; it is not certain for that
    return Interval(found.value, -math.inf, math.inf) if units < FEWEST_UNITS else found


def _is_perfect(name: str, found: Interval) -> bool:
    return METRICS[name].better == "higher" and found.value == METRICS[name].high == 1.0


def _within(found: Interval, lowest: float, highest: float) -> Interval:
    """The interval as far as the metric can go."""
    value = found.value
    return Interval(value, min(value, max(lowest, found.low)), max(value, min(highest, found.high)))


def _effective(share: float, variance: float, units: int) -> float:
    """How many independent trials would give the variance that resampling units shows (Korn & Graubard 1998)."""
    return share * (1 - share) / variance if variance > 1e-12 and 0 < share < 1 else float(units)
