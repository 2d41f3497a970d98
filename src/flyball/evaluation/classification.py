"""Statistics of classifiers as functions of sums over rows, so that one resampling serves all of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from flyball.evaluation.resampling import Block, Statistic

__all__ = ["binary_statistics", "equal_mass_bins", "mean", "multiclass_statistics", "ratio", "set_statistics"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Truth = NDArray[np.bool_]
_SMALLEST = 1e-15  # a probability of exactly 0 that proves wrong costs 34.5 nats, not infinity
_BUCKETS = 128


def binary_statistics(probability: Floats, positive: Truth, called: Truth) -> dict[str, Statistic]:
    """probability: (rows,) of the positive class; positive: (rows,) the truth; called: (rows,) the predicted class."""
    truth = positive.astype(np.float64)
    stated = np.clip(np.where(positive, probability, 1 - probability), _SMALLEST, 1.0)
    hit, said = (positive & called).astype(np.float64), called.astype(np.float64)
    right = (positive == called).astype(np.float64)
    return {
        "average_precision": _average_precision(probability, positive),
        "log_loss": mean(-np.log(stated)),
        "brier": mean((probability - truth) ** 2),
        "accuracy": mean(right),
        "balanced_accuracy": Statistic(
            (Block(hit), Block(truth), Block(right - hit), Block(1 - truth)),
            lambda found, yes, spared, no: (_over(found, yes) + _over(spared, no))[..., 0] / 2,
        ),
        "f1": ratio(2 * hit, truth + said),
        "precision": ratio(hit, said),
        "recall": ratio(hit, truth),
        "calibration_error": _calibration_error(probability, truth),
    }


def multiclass_statistics(probability: Floats, truth: Codes, called: Codes) -> dict[str, Statistic]:
    """probability: (rows, classes); truth and called: (rows,) class codes."""
    rows, classes = probability.shape
    stated = np.clip(probability[np.arange(rows), truth], _SMALLEST, 1.0)
    right, one = (truth == called).astype(np.float64), np.ones(rows)
    size, found, said = Block(one, truth, classes), Block(right, truth, classes), Block(one, called, classes)
    return {
        "log_loss": mean(-np.log(stated)),
        "accuracy": mean(right),
        "balanced_accuracy": Statistic((found, size), lambda hits, rows: _class_mean(_over(hits, rows))),
        "macro_f1": Statistic(
            (found, size, said), lambda hits, rows, calls: _class_mean(_over(2 * hits, rows + calls))
        ),
        "calibration_error": _calibration_error(probability.max(axis=1), right),
    }


def set_statistics(truth: Codes, in_set: Truth | None) -> dict[str, Statistic]:
    """truth: (rows,) class codes; in_set: (rows, classes), None for a model without class sets. A class that the model
    does not know is in no set.
    """
    if in_set is None:
        return {}
    held = np.asarray(in_set, dtype=np.bool_)
    known = truth < held.shape[1]
    covered = known & held[np.arange(len(truth)), np.where(known, truth, 0)]
    return {
        "set_coverage": mean(covered.astype(np.float64)),
        "set_size": mean(held.sum(axis=1).astype(np.float64)),
    }


def mean(values: Floats) -> Statistic:
    """The weighted mean of values (rows,)."""
    return ratio(values, np.ones_like(values))


def ratio(above: Floats, below: Floats) -> Statistic:
    """A weighted sum over another: (rows,) each; undefined where the second is not positive."""
    return Statistic((Block(above), Block(below)), lambda over, under: _over(over, under)[..., 0])


def equal_mass_bins(values: Floats, most: int = 10, *, fewest_rows: int = 50) -> Codes:
    """Bins of about equally many rows each, never splitting equal values: (rows,) -> (rows,) codes from 0.

    Small tables get fewer bins, so that each keeps about `fewest_rows` rows.
    """
    wanted = max(1, min(most, len(values) // fewest_rows))
    edges = np.unique(np.quantile(values, np.linspace(0, 1, wanted + 1)[1:-1]))
    _, dense = np.unique(np.searchsorted(edges, values, side="right"), return_inverse=True)
    return dense.astype(np.int64)


def _calibration_error(probability: Floats, truth: Floats) -> Statistic:
    """Expected calibration error over equal-mass bins: (rows,) probabilities, (rows,) truth in {0, 1}.

    Naeini, Cooper & Hauskrecht (2015), AAAI; equal-mass bins as Nixon et al. (2019).
    """
    bins = equal_mass_bins(probability)
    gaps = Block(truth - probability, bins, int(bins.max()) + 1)
    return Statistic(
        (gaps, Block(np.ones_like(truth))),
        lambda gap, rows: _over(np.abs(gap).sum(axis=-1, keepdims=True), rows)[..., 0],
    )


def _average_precision(score: Floats, positive: Truth) -> Statistic:
    """Precision at each threshold times the recall gained there; resampled over at most 128 buckets of the score."""
    buckets = equal_mass_bins(-score, _BUCKETS, fewest_rows=1)
    width = int(buckets.max()) + 1
    truth = positive.astype(np.float64)

    def value(found: Floats, called: Floats) -> Floats:
        precision = np.nan_to_num(_over(np.cumsum(found, axis=-1), np.cumsum(called, axis=-1)))
        return _over((found * precision).sum(axis=-1), found.sum(axis=-1))

    blocks = (Block(truth, buckets, width), Block(np.ones_like(truth), buckets, width))
    return Statistic(blocks, value, _ranked_precision(score, truth))


def _ranked_precision(score: Floats, truth: Floats) -> Callable[[Floats], float]:
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    ties = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))

    def exact(weights: Floats) -> float:
        sorted_weights = weights[order]
        found = np.add.reduceat(sorted_weights * truth[order], ties)
        called = np.cumsum(np.add.reduceat(sorted_weights, ties))
        total = found.sum()
        if total <= 0:
            return math.nan
        return float(found @ np.nan_to_num(_over(np.cumsum(found), called)) / total)

    return exact


def _over(above: Floats, below: Floats) -> Floats:
    """A quotient, NaN where the divisor is not positive."""
    quotient: Floats = np.divide(above, below, out=np.full(np.broadcast(above, below).shape, np.nan), where=below > 0)
    return quotient


def _class_mean(values: Floats) -> Floats:
    """Mean over the classes (last axis) that are defined; NaN when none is."""
    known = np.isfinite(values)
    return _over(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1).astype(np.float64))
