"""Statistics of classifiers, each as a function of row weights, so that one resampling loop serves all of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from flyball.evaluation.auc import ranked_auc, ranked_precision

__all__ = ["binary_statistics", "calibration_statistic", "equal_mass_bins", "multiclass_statistics"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Statistic = Callable[[Floats], float]
_SMALLEST = 1e-15  # a probability of exactly 0 that proves wrong costs 34.5 nats, not infinity


def binary_statistics(
    probability: Floats, positive: NDArray[np.bool_], called: NDArray[np.bool_]
) -> dict[str, Statistic]:
    """probability: (rows,) of the positive class; positive: (rows,) the truth; called: (rows,) the predicted class."""
    truth = positive.astype(np.float64)
    stated = np.clip(np.where(positive, probability, 1 - probability), _SMALLEST, 1.0)
    hit, said = (positive & called).astype(np.float64), called.astype(np.float64)
    right = (positive == called).astype(np.float64)

    def balanced(weights: Floats) -> float:
        yes, no = weights @ truth, weights @ (1 - truth)
        return math.nan if min(yes, no) <= 0 else float((weights @ hit / yes + weights @ (right - hit) / no) / 2)

    return {
        "roc_auc": ranked_auc(probability, positive),
        "average_precision": ranked_precision(probability, positive),
        "log_loss": _mean(-np.log(stated)),
        "brier": _mean((probability - truth) ** 2),
        "accuracy": _mean(right),
        "balanced_accuracy": balanced,
        "f1": _ratio(2 * hit, truth + said),
        "precision": _ratio(hit, said),
        "recall": _ratio(hit, truth),
        "calibration_error": calibration_statistic(probability, truth),
    }


def multiclass_statistics(probability: Floats, truth: Codes, called: Codes) -> dict[str, Statistic]:
    """probability: (rows, classes); truth and called: (rows,) class codes. One-versus-rest where a pair is needed."""
    rows, classes = probability.shape
    stated = np.clip(probability[np.arange(rows), truth], _SMALLEST, 1.0)
    right = (truth == called).astype(np.float64)
    rankings = [ranked_auc(probability[:, code], truth == code) for code in range(classes)]

    def per_class(codes: Codes, weights: Floats) -> Floats:
        return np.bincount(codes, weights=weights, minlength=classes).astype(np.float64)

    def balanced(weights: Floats) -> float:
        size, found = per_class(truth, weights), per_class(truth, weights * right)
        return float((found[size > 0] / size[size > 0]).mean()) if np.any(size > 0) else math.nan

    def macro_f1(weights: Floats) -> float:
        touched = per_class(truth, weights) + per_class(called, weights)
        found = 2 * per_class(truth, weights * right)
        return float((found[touched > 0] / touched[touched > 0]).mean()) if np.any(touched > 0) else math.nan

    def macro_auc(weights: Floats) -> float:
        areas = [area for area in (ranking(weights) for ranking in rankings) if not math.isnan(area)]
        return float(np.mean(areas)) if areas else math.nan

    return {
        "log_loss": _mean(-np.log(stated)),
        "accuracy": _mean(right),
        "balanced_accuracy": balanced,
        "macro_f1": macro_f1,
        "roc_auc": macro_auc,
        "calibration_error": calibration_statistic(probability.max(axis=1), right),
    }


def equal_mass_bins(probability: Floats, most: int = 10) -> Codes:
    """Bins of about equally many rows each, never splitting equal probabilities: (rows,) -> (rows,) codes from 0.

    Below 500 rows there are fewer bins, so that each keeps about 50 rows.
    """
    wanted = max(1, min(most, len(probability) // 50))
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, wanted + 1)[1:-1]))
    _, dense = np.unique(np.searchsorted(edges, probability, side="right"), return_inverse=True)
    return dense.astype(np.int64)


def calibration_statistic(probability: Floats, truth: Floats) -> Statistic:
    """Expected calibration error over equal-mass bins: (rows,) probabilities, (rows,) truth in {0, 1}.

    Naeini, Cooper & Hauskrecht (2015), AAAI; equal-mass bins as Nixon et al. (2019).
    """
    bins, gap = equal_mass_bins(probability), truth - probability

    def statistic(weights: Floats) -> float:
        total = weights.sum()
        return float(np.abs(np.bincount(bins, weights=weights * gap)).sum() / total) if total > 0 else math.nan

    return statistic


def _mean(values: Floats) -> Statistic:
    return _ratio(values, np.ones_like(values))


def _ratio(above: Floats, below: Floats) -> Statistic:
    def statistic(weights: Floats) -> float:
        size = weights @ below
        return float(weights @ above / size) if size > 0 else math.nan

    return statistic
