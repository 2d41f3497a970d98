"""Small neural networks as a candidate of the search."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from flyball.automl.budget import Budget
from flyball.automl.candidates import Grown, Result, collect
from flyball.automl.network import NetworkModel
from flyball.automl.network_fit import CHECKPOINTS, NetworkSettings, Trained, fit_network, readable, seconds_per_epoch
from flyball.automl.pipeline import Member
from flyball.automl.problem import Problem, View

__all__ = ["Network", "measure_epoch", "network_for"]

_LEAST_EPOCHS = 4
_LOOKED_AT = 3_000  # rows of a fold, to choose a checkpoint
_CROWDING = 1.5  # trainings side by side are slower than one alone
_REFITTED = 2  # networks on all rows, where the folds' own are not kept


@dataclass(frozen=True)
class Network:
    """Small networks that stop at one checkpoint for all folds.

    Where the folds' networks saw most of the rows (`bag`) and there is room for them they are kept, side by side; else
    one is trained on all rows, or two where there is no such choice.
    """

    settings: NetworkSettings
    bag: bool
    family: str = "network"

    @property
    def name(self) -> str:
        return self.settings.name

    def fit(self, view: View, stop: Callable[[], bool]) -> Trained:
        return fit_network(view.problem, view.fit, self.settings, number=view.number, stop=stop, matrix=view.bare[0])

    def gather(self, views: Sequence[View], fits: Sequence[Any]) -> Result:
        place = self._best_checkpoint(views, fits)
        kept = [Trained((fit.models[place],), fit.stopped) for fit in fits]
        margins = [fit.models[0].predict(view.bare[1]) for view, fit in zip(views, kept, strict=True)]
        stopped = any(fit.stopped for fit in fits)
        cost = kept[0].models[0].cost.times(self._again)
        return collect(self, views, kept, margins, chosen=place + 1, stopped=stopped, cost=cost)

    def _best_checkpoint(self, views: Sequence[View], fits: Sequence[Any]) -> int:
        """Where the folds' mean loss is lowest, on some of the rows that they validate."""
        problem = views[0].problem
        losses = np.zeros(min(len(fit.models) for fit in fits))
        for view, fit in zip(views, fits, strict=True):
            some = slice(None, None, max(1, len(view.validate) // _LOOKED_AT))
            rows, matrix = view.validate[some], view.bare[1][some]
            target, weight = problem.target[rows], problem.weight[rows]
            losses += [problem.loss.value(model.predict(matrix), target, weight) for model in fit.models[: len(losses)]]
        return int(np.argmin(losses))

    def grow(self, result: Result, weight: float, budget: Budget, *, folds: int) -> Grown:
        problem = result.views[0].problem
        grown = Grown([], {})
        models = [] if folds else self._refit(problem, result, budget)
        if not models:
            # those that saw most rows, in time order the latest ones
            seen_most = sorted(range(len(result.views)), key=lambda number: len(result.views[number].fit), reverse=True)
            models = [result.fits[number].models[0] for number in sorted(seen_most[: max(1, folds)])]
            if not folds:
                stand_in = seen_most[0] + 1
                grown.notes.append(
                    f"no time was left to fit {self.name} on all rows: the model of fold {stand_in} is used"
                )
        sources, model = problem.frame.sources, NetworkModel.stack(models)
        grown.members.append(Member(self.name, "network", weight, sources, candidate=self.name, network=model))
        return grown

    def refit_seconds(self, result: Result) -> float:
        share = result.views[0].problem.refit_share(len(result.views))
        return float(self._again * share * result.seconds * result.chosen / CHECKPOINTS)

    @property
    def _again(self) -> int:
        return 1 if self.bag else _REFITTED

    def _refit(self, problem: Problem, result: Result, budget: Budget) -> list[NetworkModel]:
        """Networks on all rows, up to the checkpoint that the folds agreed on; none when that takes too long."""
        if 0.7 * self.refit_seconds(result) > budget.left + 0.2 * budget.reserve:
            return []
        models: list[NetworkModel] = []
        for number in range(self._again):
            fit = fit_network(
                problem,
                np.arange(problem.rows),
                self.settings,
                number=len(problem.folds) + number,
                stop=budget.last_moment,
                checkpoints=result.chosen,
            )
            if fit.stopped:
                break
            models.append(fit.models[-1])
        return models


def network_for(problem: Problem, affordable_epochs: float = math.inf) -> Network | None:
    """The candidate, with at most so many passes over the rows; None when these are too few to learn anything."""
    settings = NetworkSettings("network")
    bag = problem.bagged
    if not bag:
        affordable_epochs /= 1 + _REFITTED * problem.refit_share(len(problem.folds))
    if not readable(problem) or affordable_epochs / _CROWDING < _LEAST_EPOCHS:
        return None
    epochs = settings.epochs if math.isinf(affordable_epochs) else int(affordable_epochs / _CROWDING)
    return Network(replace(settings, epochs=min(settings.epochs, epochs)), bag)


def measure_epoch(view: View, budget: Budget) -> float:
    """Seconds that a pass over this fold's rows takes, alone on the machine."""
    return seconds_per_epoch(view.problem, view.fit, NetworkSettings("trial"), lambda: budget.used)
