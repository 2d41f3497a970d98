"""Losses of margins: what the search compares candidates by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from flyball.automl.pipeline import Task, sigmoid, softmax

__all__ = ["Loss", "LossName", "loss_for"]

LossName = Literal["log loss", "squared error", "absolute error"]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Loss:
    """A weighted mean loss of margins (rows, outputs) against a target (rows,): class positions or standard scores."""

    name: LossName
    outputs: int

    def value(self, margin: Floats, target: Floats, weight: Floats) -> float:
        """The weighted mean."""
        return float(np.average(self.rows(margin, target), weights=weight))

    def rows(self, margin: Floats, target: Floats) -> Floats:
        """One loss per row: (rows,)."""
        if self.name == "squared error":
            return np.asarray((margin[:, 0] - target) ** 2)
        if self.name == "absolute error":
            return np.abs(margin[:, 0] - target)
        if self.outputs == 1:
            return np.asarray(np.logaddexp(0.0, margin[:, 0]) - target * margin[:, 0])
        highest = margin.max(axis=1)
        total = highest + np.log(np.exp(margin - highest[:, None]).sum(axis=1))
        return np.asarray(total - margin[np.arange(len(margin)), target.astype(np.intp)])

    def gradient(self, margin: Floats, target: Floats) -> Floats:
        """Derivative of each row's loss by its margins: (rows, outputs). The absolute error is taken as squared."""
        if self.name != "log loss":
            return 2.0 * (margin - target[:, None])
        if self.outputs == 1:
            return sigmoid(margin) - target[:, None]
        slope = softmax(margin)
        slope[np.arange(len(margin)), target.astype(np.intp)] -= 1.0
        return slope


def loss_for(task: Task, metric: str | None, outputs: int) -> Loss:
    """The loss that serves a metric: log loss for classes, absolute error for median-like metrics, else squared error."""
    if task != "regression":
        return Loss("log loss", outputs)
    return Loss("absolute error" if metric in {"mae", "median_absolute_error", "median_error"} else "squared error", 1)
