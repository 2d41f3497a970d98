"""What columns are worth: how much better rows are predicted with them, on rows that were not learned from."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl.gbm import BoostingSettings, boost, boosted_margin
from flyball.automl.losses import Loss, loss_for
from flyball.automl.pipeline import Task
from flyball.automl.problem import Fold, Problem, View
from flyball.automl.prose import Reading, framed
from flyball.automl.task import encode_target, row_weights, standard_score
from flyball.core.executor import usable_cores
from flyball.data import Table
from flyball.evaluation import Interval
from flyball_runtime.schema import Field

__all__ = ["Worth", "worth"]

# every tree sees every column: of a few, a share of them would be worse, and idle ones would seem to help
_SETTINGS = BoostingSettings("worth", learning_rate=0.1, iterations=80, features=1.0)
_MOST_FIT_ROWS = 20_000
_MOST_JUDGED_ROWS = 4_000
_FEWEST_ROWS = 40
_FOLDS = 5
_FEWEST_FOLDS = 2  # what is chosen on one is judged on another
_SHUFFLES = 2
_LEVEL = 0.90
_WORTHWHILE = 0.01  # of the loss: what all must save beyond those that pay to be kept whole

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Worth:
    """What was found, each as a share of the loss without any of the columns, with 90 % intervals.

    columns: by judged column, how much the loss rises when its values are shuffled among the rows that judge; together:
    how much lower the loss is with those that pay, chosen on other folds than they are judged on; everything: with all.
    kept: what is worth keeping: none when together they do not pay clearly, or when too few rows can tell.
    """

    loss: str
    rows: int
    folds: int
    columns: Mapping[str, Interval]
    together: Interval | None
    everything: Interval | None
    kept: tuple[str, ...]
    why: str

    @property
    def bought(self) -> Interval | None:
        """How much lower the loss is with what is kept; where nothing is, with all."""
        few = self.kept and self.kept == tuple(name for name, one in self.columns.items() if one.low > 0)
        return self.together if few else self.everything


def worth(
    table: Table,
    target: NDArray[Any],
    judged: Collection[str],
    *,
    task: Task,
    metric: str,
    folds: Sequence[Fold],
    seed: int,
    field: Field | None = None,
    positive: Any | None = None,
    weights: Floats | None = None,
    units: NDArray[Any] | None = None,
    missing: Mapping[str, Sequence[Any]] | None = None,
    hurry: Callable[[], bool] = lambda: False,
) -> Worth:
    """Quick boosted trees with and without the `judged` columns, on at most five of the folds.

    table: (rows,) of all columns to learn from; units: (rows,) labels of rows that belong together; `hurry` is asked
    after every fold, and from the second on ends it when it says yes (it may raise, too). A column pays when the loss
    clearly rises as it is shuffled; together they pay when the paired difference to a model without any is clear.

    Breiman (2001), Machine Learning 45(1), for the shuffling.
    """
    names = [name for name in table.names if name in judged]
    taken = list(folds)[-_FOLDS:]
    smallest = min((min(len(fit), len(validate)) for fit, validate in taken), default=0)
    if table.rows < _FEWEST_ROWS or smallest < 2 or len(taken) < _FEWEST_FOLDS:
        return Worth(
            "", 0, len(taken), {}, None, None, (), f"{table.rows:,} rows in {len(taken)} folds are too few to tell"
        )
    trial = _Trial(table, target, names, taken, task=task, metric=metric, seed=seed, field=field, positive=positive,
                   weights=weights, units=units, missing=missing)  # fmt: skip
    return trial.found(hurry)


class _Trial:
    """The fits, and each judged row's losses."""

    def __init__(
        self, table: Table, target: NDArray[Any], names: list[str], folds: Sequence[Fold], *, task: Task, metric: str,
        seed: int, field: Field | None, positive: Any, weights: Floats | None, units: NDArray[Any] | None,
        missing: Mapping[str, Sequence[Any]] | None,
    ) -> None:  # fmt: skip
        labels = encode_target(target, task, field=field, positive=positive)
        mean, spread = standard_score(labels, weights)
        self._target = (labels.values - mean) / spread
        self._weight, self._weighted = row_weights(weights, table.rows), weights is not None
        self._loss: Loss = loss_for(task, metric, labels.outputs)
        self._table, self._names, self._task, self._missing = table, names, task, missing
        self._seed, self._all_units = seed, units
        self._rng = rng = np.random.default_rng([seed, 11])
        self._folds = [
            (_sample(fit, _MOST_FIT_ROWS, rng), _sample(rows, _MOST_JUDGED_ROWS, rng)) for fit, rows in folds
        ]
        self._problems: dict[tuple[str, ...], Problem] = {}
        self._read: dict[str, Reading] = {}

    def found(self, hurry: Callable[[], bool]) -> Worth:
        own = [name for name in self._table.names if name not in self._names]
        parts: list[tuple[Floats, dict[str, Floats]]] = []
        for number in range(len(self._folds) - 1, -1, -1):  # in time order the last fold has the most to learn from
            parts.insert(0, self._with_gains([*own, *self._names], number))
            if hurry() and len(parts) >= _FEWEST_FOLDS:
                break
        self._folds = self._folds[len(self._folds) - len(parts) :]
        self._judged = np.concatenate([rows for _, rows in self._folds])
        self._of = np.repeat(np.arange(len(parts)), [len(rows) for _, rows in self._folds])
        self._units = None if self._all_units is None else np.asarray(self._all_units)[self._judged]
        everything = np.concatenate([losses for losses, _ in parts])
        gains = {name: np.concatenate([rises[name] for _, rises in parts]) for name in self._names}
        flat = self._losses([own] * len(parts))
        scale = float(np.average(flat, weights=self._weight[self._judged]))
        columns = {name: self._mean(gain, scale) for name, gain in gains.items()}
        clear = [name for name in self._names if columns[name].low > 0]
        chosen = [self._paying(gains, number) for number in range(len(self._folds))]
        some = self._losses([[*own, *names] for names in chosen])
        together, whole = self._mean(flat - some, scale), self._mean(flat - everything, scale)
        kept, why = clear, "clearly better together than without any"
        if not clear or together.low <= 0 or self._mean(some - everything, scale).low > _WORTHWHILE:
            asked = [name for name in self._names if gains[name].any()]
            kept, why = asked, "clearly better together, though no few of them carry it"
            if whole.low <= 0:
                kept, why = [], "not clearly better than without any"
        return Worth(
            self._loss.name, len(self._judged), len(self._folds), columns, together, whole, tuple(kept), why
        )  # fmt: skip

    def _paying(self, gains: Mapping[str, Floats], fold: int) -> list[str]:
        """Columns that pay on the rows of the other folds."""
        rows = np.flatnonzero(self._of != fold)
        return [name for name in self._names if self._mean(gains[name], 1.0, rows).low > 0]

    def _losses(self, columns: Sequence[list[str]]) -> Floats:
        """Each judged row's loss by a model of its fold's columns."""
        return np.concatenate([self._fold(names, number) for number, names in enumerate(columns)])

    def _fold(self, names: list[str], number: int) -> Floats:
        fit, rows = self._folds[number]
        if not names:  # the best constant
            prior = self._problem([self._table.names[0]]).prior(fit)
            return self._loss.rows(np.tile(prior, (len(rows), 1)), self._target[rows])
        problem, view, booster = self._fitted(names, number)
        margin = boosted_margin(booster, view.validation(), problem.refit_threads)
        return self._loss.rows(margin, self._target[rows])

    def _with_gains(self, names: list[str], number: int) -> tuple[Floats, dict[str, Floats]]:
        """Each judged row's loss in a fold, and what it rises by as each judged column is shuffled."""
        problem, view, booster = self._fitted(names, number)
        features, target = view.validation(), self._target[view.validate]

        def losses(matrix: NDArray[np.float32]) -> Floats:
            return self._loss.rows(boosted_margin(booster, matrix, problem.refit_threads), target)

        whole = losses(features)
        asked = booster.feature_importance("split") > 0
        rises = {}
        for name in self._names:
            places = np.flatnonzero(np.array(view.feature_columns) == name)
            rises[name] = np.zeros(len(target))
            if not asked[places].any():
                continue
            for _ in range(_SHUFFLES):
                mixed = features.copy()
                mixed[:, places] = features[np.ix_(self._rng.permutation(len(target)), places)]
                rises[name] += (losses(mixed) - whole) / _SHUFFLES
        return whole, rises

    def _fitted(self, names: list[str], number: int) -> tuple[Problem, View, Any]:
        problem = self._problem(names)
        view = View(problem, *self._folds[number], number)
        blind = replace(view, validate=np.zeros(0, dtype=np.intp), cache={})  # nothing is tuned on the judged rows
        quick = replace(_SETTINGS, iterations=max(16, round(_SETTINGS.iterations / problem.outputs**0.5)))
        return problem, view, boost(blind, quick, stop=lambda: False, threads=problem.refit_threads).booster

    def _problem(self, names: list[str]) -> Problem:
        key = tuple(names)
        if key not in self._problems:
            made = framed(
                self._table.select(names), self._missing, self._target, self._weight, outputs=self._loss.outputs,
                folds=self._folds, seed=self._seed, known=self._read,
            )  # fmt: skip
            self._problems[key] = Problem(
                frame=made.frame, task=self._task, loss=self._loss, matrix=made.matrix,
                target=self._target, weight=self._weight, weighted=self._weighted, folds=self._folds, seed=self._seed,
                threads=1, all_threads=usable_cores(), readings=made.readings,
            )  # fmt: skip
        return self._problems[key]

    def _mean(self, values: Floats, scale: float, rows: Indices | None = None) -> Interval:
        """The weighted mean over `scale`, its interval by whole units: linearised, with Student's t."""
        taken = np.arange(len(values)) if rows is None else rows
        weight, values = self._weight[self._judged[taken]], values[taken]
        total = float(weight.sum())
        if total <= 0 or scale <= 0:
            return Interval(0.0, -math.inf, math.inf)
        mean = float((weight * values).sum()) / total
        parts = weight * (values - mean)
        if self._units is not None:
            _, codes = np.unique(self._units[taken], return_inverse=True)
            parts = np.bincount(codes, weights=parts)
        count = len(parts)
        if count < 2:
            return Interval(mean / scale, -math.inf, math.inf)
        from scipy.special import stdtrit

        error = math.sqrt(float((parts**2).sum()) * count / (count - 1)) / total
        reach = float(stdtrit(count - 1, 0.5 + _LEVEL / 2)) * error
        return Interval(mean / scale, (mean - reach) / scale, (mean + reach) / scale)


def _sample(rows: Indices, most: int, rng: np.random.Generator) -> Indices:
    rows = np.asarray(rows, dtype=np.intp)
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))
