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
    probability: Floats,
    positive: NDArray[np.bool_],
    *,
    weights: Floats | None = None,
    bins: int = 10,
    level: float = 0.90,
) -> list[dict[str, float]]:
    """Mean predicted probability against observed frequency, with its Wilson interval, in bins of equally many rows.

    probability, positive, weights: (rows,). Returns rising `{"predicted", "observed", "low", "high", "rows"}`, and the
    bin's share of the whole `weight` where rows are weighed: means and frequencies are weighted then, the interval is
    that of the effective number of rows (Kish 1965), and bins without weight are left out.
    """
    codes, truth = equal_mass_bins(probability, bins), positive.astype(np.float64)
    weight = np.ones(len(truth)) if weights is None else weights
    rows, mass, squares = np.bincount(codes), np.bincount(codes, weight), np.bincount(codes, weight**2)
    result = []
    for code in np.flatnonzero(mass > 0):
        within = codes == code
        predicted, observed = (
            float(weight[within] @ values[within]) / float(mass[code]) for values in (probability, truth)
        )
        found = wilson(observed, float(mass[code] ** 2 / squares[code]), level)
        one = {
            "predicted": predicted,
            "observed": found.value,
            "low": found.low,
            "high": found.high,
            "rows": int(rows[code]),
        }
        result.append(one if weights is None else {**one, "weight": float(mass[code] / mass.sum())})
    return result


def curves(
    probability: Floats, positive: NDArray[np.bool_], *, weights: Floats | None = None, points: int = 100
) -> dict[str, list[list[float]]]:
    """ROC (false against true positive rate) and precision-recall points: (rows,) -> at most about `points` each.

    weights: (rows,), how much each row counts. Raises NotEnoughData when a class is absent, or weighs nothing.
    """
    weight = np.ones(len(positive)) if weights is None else weights
    if not weight[positive].sum() > 0 or not weight[~positive].sum() > 0:
        raise NotEnoughData("the curves need rows of both classes", fix="measure on more rows")
    counted = weight > 0
    probability, positive, weight = probability[counted], positive[counted], weight[counted]
    order = np.argsort(-probability, kind="stable")
    last = np.flatnonzero(np.concatenate([probability[order][1:] != probability[order][:-1], [True]]))
    found = np.cumsum((weight * positive)[order])[last]
    wrong = np.cumsum((weight * ~positive)[order])[last]
    recall, fall_out = found / found[-1], wrong / wrong[-1]
    roc = np.column_stack([np.concatenate([[0.0], fall_out]), np.concatenate([[0.0], recall])])
    precision_recall = np.column_stack([recall, found / (found + wrong)])
    return {"roc": _thin(roc, points), "pr": _thin(precision_recall, points)}


def residual_bins(
    target: Floats, prediction: Floats, *, weights: Floats | None = None, bins: int = 24
) -> dict[str, list[dict[str, float]]]:
    """Histogram of truth minus prediction (`bins`), and the middle truth over slices of the prediction (`by_prediction`).

    target, prediction: (rows,) in the target's unit; the outer 1 % of residuals is gathered in the outer bins. weights:
    (rows,); bins then tell their share of the whole `weight` beside their rows, and medians and quantiles are weighted.
    The slices hold equally many rows either way; those without weight are left out.
    """
    residual = target - prediction
    least, most = _quantiles(residual, (0.005, 0.995), weights)
    edges = np.linspace(least, most, bins + 1)
    if edges[0] == edges[-1]:
        edges = np.array([edges[0] - 0.5, edges[0] + 0.5])
    within_edges = np.clip(residual, edges[0], edges[-1])
    counts, _ = np.histogram(within_edges, edges)
    mass = counts if weights is None else np.histogram(within_edges, edges, weights=weights)[0]
    histogram = [
        {"low": float(low), "high": float(high), "rows": int(rows), **_share(float(part), float(mass.sum()), weights)}
        for low, high, rows, part in zip(edges[:-1], edges[1:], counts, mass, strict=True)
    ]
    slices = equal_mass_bins(prediction)
    by_prediction = []
    for code in range(int(slices.max()) + 1):
        within = slices == code
        weight = None if weights is None else weights[within]
        if weight is not None and not weight.sum() > 0:
            continue
        low, middle, high = _quantiles(target[within], (0.05, 0.5, 0.95), weight)
        by_prediction.append(
            {
                "predicted": float(np.average(prediction[within], weights=weight)), "observed": middle,
                "low": low, "high": high, "rows": int(within.sum()),
                **({} if weights is None or weight is None else _share(float(weight.sum()), float(weights.sum()), weights)),
            }
        )  # fmt: skip
    return {"bins": histogram, "by_prediction": by_prediction}


def confusion(
    target: NDArray[Any],
    prediction: NDArray[Any],
    classes: NDArray[Any] | list[Any],
    *,
    weights: Floats | None = None,
) -> list[list[float]]:
    """Counts by true class (rows of the result) and predicted class (columns): (rows,) twice -> (classes, classes).

    Whole numbers of rows, or with `weights`, (rows,), sums of these. Rows whose true class is unknown to the model are
    left out.
    """
    size = len(classes)
    truth, called = class_codes(target, classes), class_codes(prediction, classes)
    known = (truth < size) & (called < size)
    weight = None if weights is None else weights[known]
    counts = np.bincount(truth[known] * size + called[known], weight, minlength=size * size).reshape(size, size)
    return [[int(cell) if weights is None else float(cell) for cell in row] for row in counts]


def _quantiles(values: Floats, at: tuple[float, ...], weights: Floats | None) -> list[float]:
    if weights is None:
        return [float(found) for found in np.quantile(values, at)]
    return [float(found) for found in np.quantile(values, at, weights=weights, method="inverted_cdf")]


def _share(part: float, whole: float, weights: Floats | None) -> dict[str, float]:
    return {} if weights is None else {"weight": part / whole}


def _thin(line: NDArray[np.float64], points: int) -> list[list[float]]:
    """About `points` of a line's points (rows, 2), evenly along its length, both ends kept."""
    if len(line) > points:
        length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(line, axis=0)).sum(axis=1))])
        wanted = np.searchsorted(length, np.linspace(0, length[-1], points))
        line = line[np.unique(np.clip(wanted, 0, len(line) - 1))]
    return [[round(float(x), 5), round(float(y), 5)] for x, y in line]
