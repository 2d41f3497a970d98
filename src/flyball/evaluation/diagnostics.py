"""What lies behind a metric: calibration, the curves, the residuals and the confusions, small enough to draw."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.evaluation.auc import NotEnoughData
from flyball.evaluation.classification import equal_mass_bins
from flyball.evaluation.evaluate import class_codes
from flyball.evaluation.interval import wilson

__all__ = ["calibration_bins", "confusion", "curves", "residual_bins"]

Floats = NDArray[np.float64]


def calibration_bins(
    probability: Floats, positive: NDArray[np.bool_], *, bins: int = 10, level: float = 0.90
) -> list[dict[str, float]]:
    """Mean predicted probability against observed frequency, with its Wilson interval, in bins of equal mass.

    probability, positive: (rows,). Returns rising `{"predicted", "observed", "low", "high", "rows"}`.
    """
    codes, truth = equal_mass_bins(probability, bins), positive.astype(np.float64)
    rows = np.bincount(codes)
    predicted, observed = np.bincount(codes, probability) / rows, np.bincount(codes, truth) / rows
    result = []
    for mean, share, size in zip(predicted, observed, rows, strict=True):
        found = wilson(float(share), int(size), level)
        result.append(
            {"predicted": float(mean), "observed": found.value, "low": found.low, "high": found.high, "rows": int(size)}
        )
    return result


def curves(probability: Floats, positive: NDArray[np.bool_], *, points: int = 100) -> dict[str, list[list[float]]]:
    """ROC (false against true positive rate) and precision-recall points: (rows,) -> at most about `points` each.

    Raises NotEnoughData when a class is absent.
    """
    if positive.all() or not positive.any():
        raise NotEnoughData("the curves need rows of both classes", fix="measure on more rows")
    order = np.argsort(-probability, kind="stable")
    last = np.flatnonzero(np.concatenate([probability[order][1:] != probability[order][:-1], [True]]))
    found = np.cumsum(positive[order])[last].astype(np.float64)
    called = last + 1.0
    recall, fall_out = found / found[-1], (called - found) / (called[-1] - found[-1])
    roc = np.column_stack([np.concatenate([[0.0], fall_out]), np.concatenate([[0.0], recall])])
    precision_recall = np.column_stack([recall, found / called])
    return {"roc": _thin(roc, points), "pr": _thin(precision_recall, points)}


def residual_bins(target: Floats, prediction: Floats, *, bins: int = 24) -> dict[str, list[dict[str, float]]]:
    """Histogram of truth minus prediction (`bins`), and the mean truth over slices of the prediction (`by_prediction`).

    target, prediction: (rows,) in the target's unit; the outer 1 % of residuals is gathered in the outer bins.
    """
    residual = target - prediction
    least, most = np.quantile(residual, [0.005, 0.995])
    edges = np.linspace(least, most, bins + 1)
    if edges[0] == edges[-1]:
        edges = np.array([edges[0] - 0.5, edges[0] + 0.5])
    counts, _ = np.histogram(np.clip(residual, edges[0], edges[-1]), edges)
    histogram = [
        {"low": float(low), "high": float(high), "rows": int(rows)}
        for low, high, rows in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    slices = equal_mass_bins(prediction)
    by_prediction = []
    for code in range(int(slices.max()) + 1):
        within = slices == code
        low, middle, high = np.quantile(target[within], [0.05, 0.5, 0.95])
        by_prediction.append(
            {
                "predicted": float(prediction[within].mean()), "observed": float(middle),
                "low": float(low), "high": float(high), "rows": int(within.sum()),
            }
        )  # fmt: skip
    return {"bins": histogram, "by_prediction": by_prediction}


def confusion(target: NDArray[Any], prediction: NDArray[Any], classes: NDArray[Any] | list[Any]) -> list[list[int]]:
    """Counts by true class (rows of the result) and predicted class (columns): (rows,) twice -> (classes, classes).

    Rows whose true class is unknown to the model are left out.
    """
    size = len(classes)
    truth, called = class_codes(target, classes), class_codes(prediction, classes)
    known = (truth < size) & (called < size)
    counts = np.bincount(truth[known] * size + called[known], minlength=size * size).reshape(size, size)
    return [[int(cell) for cell in row] for row in counts]


def _thin(line: NDArray[np.float64], points: int) -> list[list[float]]:
    """About `points` of a line's points (rows, 2), evenly along its length, both ends kept."""
    if len(line) > points:
        length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(line, axis=0)).sum(axis=1))])
        wanted = np.searchsorted(length, np.linspace(0, length[-1], points))
        line = line[np.unique(np.clip(wanted, 0, len(line) - 1))]
    return [[round(float(x), 5), round(float(y), 5)] for x, y in line]
