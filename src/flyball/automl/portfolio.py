"""Which candidates are tried, in which order, and how far each may go: by pace, budget and size of the artefact."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np

from flyball.automl.allowance import Allowance
from flyball.automl.budget import Budget
from flyball.automl.candidates import Boosting
from flyball.automl.gbm import BoostingSettings, boost
from flyball.automl.problem import Problem, View

__all__ = ["Pace", "boosting_portfolio", "measure_pace", "unhurried"]

_TRIAL_ITERATIONS = 6
_TRAVEL = 30.0  # learning rate x iterations that boosting usually needs
_CROWDING = 1.3  # fits side by side are slower than one alone
_UNBOUNDED = 10**9
_FEW_ROWS = 4_000  # below, narrow trees come first
_MOST_ITERATIONS = 1_000
_FEW_ITERATIONS = 400  # below, half of what is allowed would starve a candidate


@dataclass(frozen=True, slots=True)
class Pace:
    """Measured on one fold: seconds to prepare it and per iteration; `folds`: how many the budget allows."""

    prepare: float
    iteration: float
    folds: int


def measure_pace(view: View, budget: Budget, workers: int) -> Pace:
    """Boost a few rounds on one fold and decide how many folds can be afforded with 60 rounds each."""
    settings = BoostingSettings("trial", iterations=_TRIAL_ITERATIONS)
    moments = [budget.used]
    boost(view, settings, stop=budget.until(0.2 * budget.left), after_each=lambda _: moments.append(budget.used))
    iteration = (moments[-1] - moments[1]) / max(1, len(moments) - 2) if len(moments) > 2 else moments[-1] - moments[0]
    prepare = max(0.0, moments[1] - moments[0] - iteration)
    folds = len(view.problem.folds)
    for fewer in range(folds, 0, -1):
        rounds = -(-fewer // workers)
        if rounds * (prepare + 60 * iteration * _CROWDING) < 0.6 * budget.left:
            return Pace(prepare, iteration, fewer)
    return Pace(prepare, iteration, 1)


def unhurried(problem: Problem) -> Pace:
    """The pace of a search that no clock watches: every fold, and as many iterations as the sizes allow."""
    return Pace(0.0, 0.0, len(problem.folds))


def boosting_portfolio(
    problem: Problem, pace: Pace, budget: Budget, workers: int, allowance: Allowance
) -> Iterator[Boosting]:
    """Boosting candidates without end, the one to try first in front; each is sized so that two may stand in the ensemble.

    After those that were chosen beforehand come settings that are drawn at random, by the problem's seed.
    """
    affordable_iterations = _affordable(problem, pace, budget, workers)
    most = min(_MOST_ITERATIONS, max(80.0, 16.0 * problem.rows**0.5))  # few rows are fitted in few rounds

    def room(leaves: int) -> int:
        """Iterations of one model of such trees: half of what is allowed, or all of it where that is little."""
        half = allowance.trees(leaves, 0.5) // problem.outputs
        shared = half >= _FEW_ITERATIONS or problem.task == "multiclass"  # a forest is about to join, for little
        return max(1, half if shared else allowance.trees(leaves, 0.9) // problem.outputs)

    usual = max(1, min(room(31), affordable_iterations, int(most)))

    def candidate(settings: BoostingSettings, *, speed: float = 1.0) -> Boosting:
        width = settings.leaves / 31
        iterations = int(min(room(settings.leaves), affordable_iterations / speed, most / width**0.5))
        iterations = max(1, iterations)
        rate = min(0.3, max(0.02, settings.learning_rate * _TRAVEL / iterations))
        sized = BoostingSettings(
            name=settings.name,
            learning_rate=round(rate, 4),
            iterations=iterations,
            leaves=settings.leaves,
            features=settings.features,
            rows=settings.rows,
            least_rows=settings.least_rows,
            l2=settings.l2,
            random_splits=settings.random_splits,
        )
        return Boosting(sized, problem.bagged, cost=speed * iterations / usual)

    # learning_rate here is relative to what the number of iterations asks for
    balanced = candidate(BoostingSettings("gbm", 1.0, leaves=31, features=0.8))
    others = [
        candidate(BoostingSettings("gbm random splits", 1.3, leaves=48, features=0.7, random_splits=True)),
        candidate(BoostingSettings("gbm deep", 0.8, leaves=96, features=0.5, rows=0.8, least_rows=10), speed=2.0),
        candidate(BoostingSettings("gbm shallow", 1.5, leaves=8, features=0.8, rows=0.9), speed=0.5),
        candidate(BoostingSettings("gbm cautious", 0.7, leaves=16, features=0.5, rows=0.8, least_rows=60, l2=10.0)),
    ]
    few = problem.rows < _FEW_ROWS
    yield from [others[2], balanced, others[0], others[3]] if few else [balanced, *others]
    rng = np.random.default_rng([problem.seed, 29])
    for number in count(1):
        settings = _drawn(f"gbm drawn {number}", rng, few=few)
        yield candidate(settings, speed=max(0.5, settings.leaves / 48))


def _affordable(problem: Problem, pace: Pace, budget: Budget, workers: int) -> int:
    """Iterations that a fold may take when its candidate gets six tenths of the time."""
    if math.isinf(budget.left):
        return _UNBOUNDED
    rounds = -(-pace.folds // workers)
    affordable = 0.6 * budget.left / rounds - pace.prepare
    if not problem.bagged:
        affordable /= 1 + problem.refit_share(pace.folds)
    return max(1, int(affordable / max(1e-6, pace.iteration * _CROWDING)))


def _drawn(name: str, rng: np.random.Generator, *, few: bool) -> BoostingSettings:
    """Settings around those that were chosen beforehand: wider trees where rows are many."""
    leaves = int(np.exp(rng.uniform(np.log(4), np.log(24 if few else 128))))
    return BoostingSettings(
        name,
        learning_rate=round(float(rng.uniform(0.6, 1.6)), 3),
        leaves=leaves,
        features=round(float(rng.uniform(0.35, 1.0)), 3),
        rows=round(float(rng.uniform(0.6, 1.0)), 3),
        least_rows=int(np.exp(rng.uniform(np.log(5), np.log(80)))),
        l2=round(float(np.exp(rng.uniform(np.log(0.1), np.log(30)))), 4),
        random_splits=bool(rng.random() < 0.3),
    )
