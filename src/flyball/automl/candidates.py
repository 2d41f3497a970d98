"""Candidates of the search: a family with settings, fitted on every fold, and turned into ensemble members at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from flyball.automl.allowance import Cost
from flyball.automl.budget import Budget
from flyball.automl.class_means import SHRINKAGES, TEMPERATURES, fit_class_means, tempered
from flyball.automl.gbm import Boosted, BoostingSettings, Settled, boost, boosted_margin, settle
from flyball.automl.linear import LinearModel
from flyball.automl.linear_fit import PENALTIES, constant_model, fit_linear
from flyball.automl.pipeline import Member
from flyball.automl.problem import View

__all__ = ["Boosting", "Candidate", "ClassMeans", "Grown", "Linear", "Prior", "Result", "collect"]

Stop = Callable[[], bool]
_NOTHING = Cost()
_CELLS_JUDGED = 2_000_000  # of margins, by which settings are chosen where classes are very many
_NEAR = 2e-4  # relative; a loss this close to the lowest is reached with far fewer trees


@dataclass(frozen=True, slots=True)
class Grown:
    """Members that a candidate gives, and LightGBM's own text of each boosted one: what the export is checked against."""

    members: list[Member]
    natives: dict[str, str]
    notes: list[str] = field(default_factory=list)


class Candidate(Protocol):
    """One way to model. `fit` runs on several folds at once, in any thread, and ends soon after `stop` turns true."""

    @property
    def name(self) -> str: ...

    @property
    def family(self) -> str: ...

    @property
    def bag(self) -> bool:
        """Whether the models of its folds may be kept, since they saw most of the rows."""

    def fit(self, view: View, stop: Stop) -> Any:
        """Fit one fold; the answer is opaque to the search."""

    def gather(self, views: Sequence[View], fits: Sequence[Any]) -> Result:
        """Choose what the folds share (iterations, penalty) and predict the validation rows."""

    def grow(self, result: Result, weight: float, budget: Budget, *, folds: int) -> Grown:
        """The members that go into the pipeline: the models of so many folds, or with 0 one that is fitted on all rows."""

    def refit_seconds(self, result: Result) -> float:
        """How long a fit on all rows is expected to take, alone on the machine; 0 where it is short, or not needed."""


@dataclass(frozen=True)
class Result:
    """A candidate after its folds. margin: (rows, outputs) out-of-fold, NaN where no fold validated the row.

    cost: of one model; a bag of the folds' models costs as many times that.
    """

    candidate: Candidate
    views: tuple[View, ...]
    fits: tuple[Any, ...]
    margin: NDArray[np.float64]
    score: float
    chosen: Any
    stopped: bool
    cost: Cost
    seconds: float = 0.0

    def timed(self, seconds: float) -> Result:
        return replace(self, seconds=seconds)


def collect(
    candidate: Candidate,
    views: Sequence[View],
    fits: Sequence[Any],
    margins: Sequence[NDArray[np.float64]],
    *,
    chosen: Any = None,
    stopped: bool = False,
    cost: Cost = _NOTHING,
) -> Result:
    """The result of a candidate whose folds answer these margins, (validated rows, outputs) each."""
    problem = views[0].problem
    margin = np.full((problem.rows, problem.outputs), np.nan)
    for view, part in zip(views, margins, strict=True):
        margin[view.validate] = part
    seen = ~np.isnan(margin[:, 0])
    score = problem.loss.value(margin[seen], problem.target[seen], problem.weight[seen])
    return Result(candidate, tuple(views), tuple(fits), margin, score, chosen, stopped, cost)


@dataclass(frozen=True)
class Prior:
    """The best constant: what every other candidate must beat."""

    name: str = "prior"
    family: str = "prior"
    bag: bool = False

    def fit(self, view: View, stop: Stop) -> NDArray[np.float64]:  # noqa: ARG002 - the protocol's
        return view.problem.prior(view.fit)

    def gather(self, views: Sequence[View], fits: Sequence[Any]) -> Result:
        margins = [np.tile(fit, (len(view.validate), 1)) for view, fit in zip(views, fits, strict=True)]
        return collect(self, views, fits, margins)

    def grow(self, result: Result, weight: float, budget: Budget, *, folds: int) -> Grown:  # noqa: ARG002 - the protocol's
        problem = result.views[0].problem
        model = constant_model(problem.prior(np.arange(problem.rows)), problem.matrix.shape[1])
        return Grown([Member(self.name, "prior", weight, problem.frame.sources, linear=model, candidate=self.name)], {})

    def refit_seconds(self, result: Result) -> float:  # noqa: ARG002 - the protocol's
        return 0.0


@dataclass(frozen=True)
class Linear:
    """Ridge or logistic regression over a short path of penalties; refitted on all rows for the pipeline."""

    name: str = "linear"
    family: str = "linear"
    bag: bool = False

    def fit(self, view: View, stop: Stop) -> Any:
        models = fit_linear(view.problem, view.fit, stop=stop, matrix=view.bare[0])
        return models, stop()

    def gather(self, views: Sequence[View], fits: Sequence[Any]) -> Result:
        results = []
        stopped = any(late for _, late in fits)
        for index, penalty in enumerate(PENALTIES):
            margins = [models[index].predict(view.bare[1]) for view, (models, _) in zip(views, fits, strict=True)]
            results.append(collect(self, views, fits, margins, chosen=penalty, stopped=stopped))
        return min(results, key=lambda result: result.score)

    def grow(self, result: Result, weight: float, budget: Budget, *, folds: int) -> Grown:  # noqa: ARG002 - the protocol's
        problem = result.views[0].problem
        path = PENALTIES[: PENALTIES.index(result.chosen) + 1]
        # By its own measure and not the search's end: a refit cut off at its start would be no model at all.
        stop = budget.within(max(0.5, 2 * result.seconds))
        model = fit_linear(problem, np.arange(problem.rows), stop=stop, penalties=path)[-1]
        return Grown(
            [Member(self.name, "linear", weight, problem.frame.sources, linear=model, candidate=self.name)], {}
        )

    def refit_seconds(self, result: Result) -> float:  # noqa: ARG002 - the protocol's
        return 0.0


@dataclass(frozen=True)
class ClassMeans:
    """The nearest class mean, for very many classes; shrinkage and temperature are shared by the folds."""

    name: str = "class means"
    family: str = "linear"
    bag: bool = False

    def fit(self, view: View, stop: Stop) -> list[LinearModel]:  # noqa: ARG002 - the protocol's; it takes no steps
        return fit_class_means(view.problem, view.fit, view.bare[0])

    def gather(self, views: Sequence[View], fits: Sequence[Any]) -> Result:
        problem = views[0].problem
        most = max(1, _CELLS_JUDGED // problem.outputs // len(views))
        some = [view.validate[:: max(1, len(view.validate) // most)] for view in views]
        losses: dict[tuple[float, float], float] = {}
        for place, shrinkage in enumerate(SHRINKAGES):
            for view, models, rows in zip(views, fits, some, strict=True):
                prior, matrix = problem.prior(view.fit), view.bare[1][:: max(1, len(view.validate) // most)]
                plain = models[place].predict(matrix) - prior
                for temperature in TEMPERATURES:
                    loss = problem.loss.rows(temperature * plain + prior, problem.target[rows]) @ problem.weight[rows]
                    losses[shrinkage, temperature] = losses.get((shrinkage, temperature), 0.0) + float(loss)
        shrinkage, temperature = min(losses, key=lambda key: losses[key])
        place = SHRINKAGES.index(shrinkage)
        margins = [
            tempered(models[place], temperature, problem.prior(view.fit)).predict(view.bare[1])
            for view, models in zip(views, fits, strict=True)
        ]
        return collect(self, views, (), margins, chosen=[shrinkage, temperature])

    def grow(self, result: Result, weight: float, budget: Budget, *, folds: int) -> Grown:  # noqa: ARG002 - the protocol's
        problem, everything = result.views[0].problem, np.arange(result.views[0].problem.rows)
        shrinkage, temperature = result.chosen
        model = fit_class_means(problem, everything, problem.matrix, (shrinkage,))[0]
        model = tempered(model, temperature, problem.prior(everything))
        member = Member(self.name, "linear", weight, problem.frame.sources, linear=model, candidate=self.name)
        return Grown([member], {})

    def refit_seconds(self, result: Result) -> float:  # noqa: ARG002 - the protocol's
        return 0.0


@dataclass(frozen=True)
class Boosting:
    """Gradient boosting with one number of iterations for all folds.

    Where the folds' models saw most of the rows (`bag`) and there is room for all of them they are kept, each with an
    equal share of the weight; else one model is fitted on all rows.
    """

    settings: BoostingSettings
    bag: bool
    cost: float = 1.0  # time of a fold relative to the balanced settings
    family: str = "gbm"

    @property
    def name(self) -> str:
        return self.settings.name

    def fit(self, view: View, stop: Stop) -> Boosted:
        return boost(view, self.settings, stop=stop)

    def gather(self, views: Sequence[View], fits: Sequence[Any]) -> Result:
        problem = views[0].problem
        iterations = _shared_iterations([fit.curve for fit in fits])
        margins = [
            boosted_margin(fit.booster, view.validation(), problem.all_threads, iterations)
            for view, fit in zip(views, fits, strict=True)
        ]
        stopped = any(fit.stopped for fit in fits)
        cost = Cost.of_trees(iterations * problem.outputs, self.settings.leaves)
        return collect(self, views, fits, margins, chosen=iterations, stopped=stopped, cost=cost)

    def grow(self, result: Result, weight: float, budget: Budget, *, folds: int) -> Grown:
        grown = Grown([], {})
        # those that saw most rows, in time order the latest ones
        seen_most = sorted(range(len(result.views)), key=lambda number: len(result.views[number].fit), reverse=True)
        again = None if folds else self._refit(result, budget)
        if again is not None:
            _add(grown, *again, name=self.name, candidate=self.name, weight=weight)
            return grown
        if not folds:
            stand_in = seen_most[0] + 1
            grown.notes.append(f"no time was left to fit {self.name} on all rows: the model of fold {stand_in} is used")
        kept = sorted(seen_most[: max(1, folds)])
        settled = settle([result.fits[number].booster for number in kept], result.chosen)
        for number, fit in zip(kept, settled, strict=True):
            name = f"{self.name} fold {number + 1}"
            _add(grown, result.views[number], fit, name=name, candidate=self.name, weight=weight / len(kept))
        return grown

    def refit_seconds(self, result: Result) -> float:
        """How long a fit on all rows is expected to take, alone on the machine."""
        return result.views[0].problem.refit_share(len(result.views)) * result.seconds

    def _refit(self, result: Result, budget: Budget) -> tuple[View, Settled] | None:
        """One model on all rows with the iterations that the folds agreed on; None when that takes too long."""
        problem = result.views[0].problem
        if 0.7 * self.refit_seconds(result) > budget.left + 0.2 * budget.reserve:
            return None
        view = View(problem, np.arange(problem.rows), np.zeros(0, dtype=np.intp), len(problem.folds))
        settings = replace(self.settings, iterations=result.chosen)
        fit = boost(view, settings, stop=budget.last_moment, threads=problem.refit_threads)
        if fit.stopped and fit.booster.current_iteration() < 0.8 * result.chosen:
            return None
        return view, settle([fit.booster], result.chosen)[0]


def _add(grown: Grown, view: View, fit: Settled, *, name: str, candidate: str, weight: float) -> None:
    from flyball.trees import from_lightgbm

    trees = from_lightgbm(fit.booster)
    member = Member(name, "gbm", weight, view.feature_columns, view.encodings, trees=trees, candidate=candidate)
    grown.members.append(member)
    grown.natives[name] = fit.text


def _shared_iterations(curves: Sequence[NDArray[np.float64]]) -> int:
    """Where the folds' mean loss is as good as lowest; a curve that ended early goes on at its last value."""
    longest = max(len(curve) for curve in curves)
    padded = [np.concatenate([curve, np.full(longest - len(curve), curve[-1])]) for curve in curves]
    mean = np.mean(padded, axis=0)
    return int(np.argmax(mean <= mean.min() * (1 + _NEAR))) + 1
