"""The interval of a regression: constant offsets, or a width that follows the row where that pays."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flyball.automl.budget import Budget
from flyball.automl.conformal import Standing, conformal_interval
from flyball.automl.pipeline import PredictionInterval
from flyball.automl.problem import Problem
from flyball.automl.spread import cross_fit, fit_spread

__all__ = ["FittedInterval", "fit_interval"]

LEAST_ROWS = 200  # below, the size of the errors is not known well enough to tell rows apart
_CELLS_PER_SECOND = 250_000  # of the matrix, that all fits of a spread together get through on one core
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FittedInterval:
    """An interval; its ends (n, 2) for the rows that calibrated it, their widths from models that did not see them;
    LightGBM's own text of its trees, if it has any; and what there is to say of it.
    """

    interval: PredictionInterval
    ends: Floats
    native: str | None = None
    note: str | None = None


def fit_interval(
    problem: Problem, prediction: Floats, truth: Floats, counted: Standing, budget: Budget
) -> FittedInterval | None:
    """Calibrate on the out-of-fold rows: prediction, truth (n,) in target units; None when there is no row.

    A spread that is late, or that gains nothing, is left away.
    """
    late = budget.interval_moment
    found, note = None, None
    matrix = problem.matrix[counted.rows]
    if len(truth) >= LEAST_ROWS and any(problem.frame.sources):
        if not late():
            found = cross_fit(
                matrix, prediction, truth - prediction, counted.weight, counted.part, stop=late,
                threads=problem.threads, seed=problem.seed, cells=int(_CELLS_PER_SECOND * budget.for_interval),
            )  # fmt: skip
        if late():
            found, note = None, "no time was left for widths that follow the row: every interval is equally wide"
    made = conformal_interval(prediction, truth, counted, found)
    if made is None:
        return None
    interval, choice, scale = made
    ends = np.stack(interval.ends(prediction, scale), axis=1)
    if found is None or choice is None:
        return FittedInterval(interval, ends, note=note)
    spread, native = fit_spread(found, choice, matrix, counted.weight, threads=problem.threads, seed=problem.seed)
    return FittedInterval(replace(interval, spread=spread), ends, native)
