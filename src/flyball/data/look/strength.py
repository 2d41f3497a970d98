"""What one column alone tells of the target, on rows that the telling was not learnt from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flyball.data.look.quick import area_under_curve
from flyball.data.look.view import Floats, View

__all__ = ["MEASURES", "Strength", "strengths", "weakest"]

MEASURES = {"binary": "ROC AUC", "multiclass": "balanced accuracy", "regression": "R²"}
_PRIOR_WEIGHT = 2.0
_MOST_COLUMNS = 100


@dataclass(frozen=True, slots=True)
class Strength:
    """A column's score alone, with a lower bound that holds for all columns of the table at once (level 99 %)."""

    column: str
    value: float
    low: float


def strengths(view: View, rng: np.random.Generator) -> list[Strength]:
    """Every column's strength, strongest first. Binary: ROC AUC; multiclass: balanced accuracy; regression: R².

    The column is cut into at most 256 quantile bins; each half of the rows is predicted by the bin means of the other,
    a number from a number also by a line between them.
    """
    half = rng.permutation(len(view)) % 2
    z = 2.33 + 0.4 * np.log10(max(len(view.fields), 1)) * 2  # one-sided 99 %, over all columns together
    found = []
    for field in view.fields:
        bins = _bins(view.columns[field.name], len(view))
        if view.task == "multiclass":
            value, error = _multiclass(bins, view, half)
        else:
            outputs = _bin_means(bins, view.target, half)
            value, error = _binary(outputs, view.target) if view.task == "binary" else _regression(outputs, view)
            if view.task == "regression" and field.kind != "text" and view.levels[field.name] > bins.max():
                between = _interpolated(bins, view.columns[field.name], view.target, half)
                value, error = max((value, error), _regression(between, view))
        found.append(Strength(field.name, value, value - z * error))
    return sorted(found, key=lambda strength: (-strength.value, strength.column))


def weakest(alone: list[Strength]) -> set[str]:
    """Columns beyond the 100 strongest: a quick model does without them, so that wide tables stay quick."""
    return {strength.column for strength in alone[_MOST_COLUMNS:]}


def _bins(values: Floats, rows: int) -> NDArray[np.intp]:
    """Bin numbers from 1; missing is bin 0."""
    missing = np.isnan(values)
    present = values[~missing]
    result = np.zeros(len(values), dtype=np.intp)
    if not len(present):
        return result
    most = int(np.clip(rows // 25, 8, 256))
    levels, counts = np.unique(present, return_counts=True)
    if len(levels) > most:
        finite = present[np.isfinite(present)]
        cuts = np.quantile(finite, np.linspace(0, 1, most), method="lower") if len(finite) else levels[:1]
        # a value that very many rows share is a bin of its own: zero, say, beside all that is more
        crowded = np.flatnonzero(counts > 2 * len(present) / most)
        levels = np.unique(np.concatenate([cuts, levels[crowded], levels[np.minimum(crowded + 1, len(levels) - 1)]]))
    result[~missing] = 1 + np.clip(np.searchsorted(levels, present, side="right") - 1, 0, len(levels) - 1)
    return result


def _bin_means(bins: NDArray[np.intp], target: Floats, half: NDArray[np.intp]) -> Floats:
    """Cross-fitted, smoothed mean of the target in each row's bin, (rows,)."""
    outputs = np.empty(len(target))
    number = int(bins.max()) + 1
    for held in (0, 1):
        fit = half != held
        overall = float(target[fit].mean())
        counts = np.bincount(bins[fit], minlength=number)
        sums = np.bincount(bins[fit], weights=target[fit], minlength=number)
        weight = _PRIOR_WEIGHT if set(np.unique(target)) <= {0.0, 1.0} else 0.01
        means = (sums + weight * overall) / (counts + weight)
        outputs[~fit] = means[bins[~fit]]
    return outputs


def _interpolated(bins: NDArray[np.intp], values: Floats, target: Floats, half: NDArray[np.intp]) -> Floats:
    """Like `_bin_means`, on straight lines between the bins' centres; missing (bin 0) by its own mean. (rows,)"""
    outputs = np.empty(len(target))
    known = np.isfinite(values) & (bins > 0)
    for held in (0, 1):
        fit, test = half != held, half == held
        outputs[test] = float(target[fit & ~known].mean()) if (fit & ~known).any() else float(target[fit].mean())
        used = np.unique(bins[fit & known], return_inverse=True)[1]
        if not len(used):
            continue
        sizes = np.bincount(used)
        centres = np.bincount(used, weights=values[fit & known]) / sizes
        means = np.bincount(used, weights=target[fit & known]) / sizes
        outputs[test & known] = np.interp(values[test & known], centres, means)
    return outputs


def _binary(outputs: Floats, target: Floats) -> tuple[float, float]:
    """ROC AUC and its standard error (Hanley & McNeil 1982)."""
    area = area_under_curve(outputs, target == 1)
    positives = max(int((target == 1).sum()), 1)
    negatives = max(len(target) - positives, 1)
    a = min(max(area, 0.5), 1 - 1e-9)
    first, second = a / (2 - a), 2 * a * a / (1 + a)
    variance = a * (1 - a) + (positives - 1) * (first - a * a) + (negatives - 1) * (second - a * a)
    return area, float(np.sqrt(max(variance, 0) / (positives * negatives)))


def _regression(outputs: Floats, view: View) -> tuple[float, float]:
    """R² and a standard error from the spread of the rows' squared errors."""
    total = max(float(np.var(view.target)), 1e-300)
    squared = (outputs - view.target) ** 2 / total
    return float(1 - squared.mean()), float(squared.std() / np.sqrt(len(squared)))


def _multiclass(bins: NDArray[np.intp], view: View, half: NDArray[np.intp]) -> tuple[float, float]:
    """Balanced accuracy of each bin's most frequent class, and its binomial standard error."""
    number = int(bins.max()) + 1
    target = view.target.astype(np.intp)
    guessed = np.empty(len(target), dtype=np.intp)
    for held in (0, 1):
        fit = half != held
        counts = np.bincount(bins[fit] * view.classes + target[fit], minlength=number * view.classes)
        guessed[half == held] = counts.reshape(number, view.classes).argmax(axis=1)[bins[half == held]]
    hit = guessed == target
    accuracy = float(np.mean([hit[target == level].mean() for level in np.unique(target)]))
    return accuracy, float(np.sqrt(max(accuracy * (1 - accuracy), 0) / len(target)))
