"""The metrics that Flyball measures: what each is called, which way is better, and what it means in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from flyball_runtime.errors import BadInput, near_miss

__all__ = ["METRICS", "TASKS", "Metric", "Task", "UnknownMetric", "UnknownTask", "default_metric", "metric"]

Task = Literal["binary", "multiclass", "regression"]
TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")
_CLASSES: tuple[Task, ...] = ("binary", "multiclass")


class UnknownMetric(BadInput):
    """A metric was named that Flyball does not measure, or that does not apply to the task."""

    code = "FB-METRIC-001"


class UnknownTask(BadInput):
    """A task other than binary, multiclass or regression was named."""

    code = "FB-METRIC-002"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric's name, its label for people, its direction, its range and its meaning."""

    name: str
    label: str
    better: Literal["higher", "lower"]
    tasks: tuple[Task, ...]
    meaning: str
    low: float = 0.0
    high: float = 1.0
    in_target_units: bool = False

    def improves(self, candidate: float, reference: float) -> bool:
        """Whether `candidate` is strictly better than `reference`.

        >>> METRICS["rmse"].improves(1.0, 2.0)
        True
        """
        return candidate > reference if self.better == "higher" else candidate < reference


_ALL = [
    Metric(
        "roc_auc", "ROC AUC", "higher", _CLASSES,
        "The chance that a row of the class scores above a row that is not. Guessing gives 0.5, perfect ranking 1.",
    ),
    Metric(
        "average_precision", "Average precision", "higher", ("binary",),
        "Precision averaged over all recalls: how pure the ranking's top is. Guessing gives the share of positives.",
    ),
    Metric(
        "log_loss", "Log loss", "lower", _CLASSES,
        "How surprised the probabilities were by the truth. 0 is certain and right; confident errors cost most.",
        high=math.inf,
    ),
    Metric(
        "brier", "Brier score", "lower", ("binary",),
        "Mean squared distance between the probability and what happened. 0 is perfect.",
    ),
    Metric("accuracy", "Accuracy", "higher", _CLASSES, "Share of rows whose class was predicted right."),
    Metric(
        "balanced_accuracy", "Balanced accuracy", "higher", _CLASSES,
        "Share predicted right within each class, averaged over the classes, so that rare ones count as much.",
    ),
    Metric(
        "f1", "F1", "higher", ("binary",),
        "Harmonic mean of precision and recall at the threshold.",
    ),
    Metric(
        "macro_f1", "Macro F1", "higher", ("multiclass",),
        "F1 of each class, averaged over the classes.",
    ),
    Metric("precision", "Precision", "higher", ("binary",), "Of the rows called positive, the share that are."),
    Metric("recall", "Recall", "higher", ("binary",), "Of the positive rows, the share that was found."),
    Metric(
        "calibration_error", "Calibration error", "lower", _CLASSES,
        "Mean gap between predicted probability and observed frequency. At 0.02 a stated 70 % means 68 to 72 %.",
    ),
    Metric(
        "set_coverage", "Set coverage", "higher", _CLASSES,
        "Share of rows whose class is in the predicted set; should match the set's stated level.",
    ),
    Metric(
        "set_size", "Set size", "lower", _CLASSES,
        "Classes in a row's set, on average. 1 is decided; more are undecided, and 0 is a row that fits no class.",
        high=math.inf,
    ),
    Metric(
        "rmse", "RMSE", "lower", ("regression",),
        "Root of the mean squared error, in the target's unit; large errors weigh more.",
        high=math.inf, in_target_units=True,
    ),
    Metric(
        "mae", "Mean absolute error", "lower", ("regression",),
        "Mean distance between prediction and truth, in the target's unit.", high=math.inf, in_target_units=True,
    ),
    Metric(
        "r2", "R²", "higher", ("regression",),
        "Share of the target's variance that the model explains. Predicting the mean gives 0, perfect 1.",
        low=-math.inf,
    ),
    Metric(
        "median_absolute_error", "Median absolute error", "lower", ("regression",),
        "Half of the predictions are closer to the truth than this, in the target's unit.",
        high=math.inf, in_target_units=True,
    ),
    Metric(
        "interval_coverage", "Interval coverage", "higher", ("regression",),
        "Share of rows whose truth lies within the predicted interval; should match the interval's stated level.",
    ),
]  # fmt: skip
METRICS: dict[str, Metric] = {item.name: item for item in _ALL}
_DEFAULT: dict[Task, str] = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}


def default_metric(task: Task) -> str:
    """The metric that a model of this task is judged by when the project names none.

    >>> default_metric("regression")
    'rmse'
    """
    if task not in _DEFAULT:
        raise UnknownTask(f'there is no task "{task}"', fix=f"use one of {', '.join(TASKS)}")
    return _DEFAULT[task]


def metric(name: str, task: Task | None = None, *, where: str | None = None) -> Metric:
    """The metric of this name. Raises UnknownMetric, with the nearest name, or when it does not apply to `task`."""
    known = [item.name for item in METRICS.values() if task is None or task in item.tasks]
    if name in known:
        return METRICS[name]
    applies = f'the metric "{name}" does not apply to a {task} model'
    what = applies if name in METRICS else f'there is no metric "{name}"'
    raise UnknownMetric(what, where=where, why=near_miss(name, known), fix=f"use one of {', '.join(known)}")
