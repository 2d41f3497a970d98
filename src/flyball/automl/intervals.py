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
_MOST_ROWS = 100_000  # more do not tell a quantile better
_CELLS_PER_SECOND = 250_000  # of the matrix, that all fits of a spread together get through on one core
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FittedInterval:
    """An interval; its ends (n, 2) for the out-of-fold rows, their widths from models that did not see them (NaN for
    rows beyond the 100,000 that calibrate); LightGBM's own text of its trees, if it has any; what there is to say of it.
    """

    interval: PredictionInterval
    ends: Floats
    native: str | None = None
    note: str | None = None


def fit_interval(
    problem: Problem, prediction: Floats, truth: Floats, counted: Standing, budget: Budget
) -> FittedInterval | None:
    """Calibrate on the out-of-fold rows: prediction, truth (n,) in target units; None when there is no row.

    A spread that gains nothing is left away; one that would be late does without trees.
    """
    if len(truth) > _MOST_ROWS:
        return _of_sample(problem, prediction, truth, counted, budget)
    late = budget.interval_moment
    found = None
    matrix = problem.matrix[counted.rows]
    if len(truth) >= LEAST_ROWS and any(problem.frame.sources):
        found = cross_fit(
            matrix, prediction, truth - prediction, counted.weight, counted.part, stop=late,
            threads=problem.threads, seed=problem.seed, cells=int(_CELLS_PER_SECOND * budget.for_interval),
        )  # fmt: skip
    hurried = found is not None and late()
    note = "no time was left for interval widths by column: they follow the prediction at most" if hurried else None
    made = conformal_interval(prediction, truth, counted, found)
    if made is None:
        return None
    interval, choice, scale = made
    ends = np.stack(interval.ends(prediction, scale), axis=1)
    if found is None or choice is None:
        return FittedInterval(interval, ends, note=note)
    spread, native = fit_spread(found, choice, matrix, counted.weight, threads=problem.threads, seed=problem.seed)
    return FittedInterval(replace(interval, spread=spread), ends, native, note if choice[0] == 0 else None)


def _of_sample(
    problem: Problem, prediction: Floats, truth: Floats, counted: Standing, budget: Budget
) -> FittedInterval | None:
    chosen = np.zeros(len(truth), dtype=np.bool_)
    chosen[np.random.default_rng([problem.seed, 13]).choice(len(truth), _MOST_ROWS, replace=False)] = True
    found = fit_interval(problem, prediction[chosen], truth[chosen], counted.of(chosen), budget)
    if found is None:
        return None
    ends = np.full((len(truth), 2), np.nan)
    ends[chosen] = found.ends
    return replace(found, ends=ends)
