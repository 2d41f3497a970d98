"""Window features that nobody declared: proposed, held against the table without them on rows unseen, and pruned."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl.gbm import BoostingSettings, boost, boosted_margin
from flyball.automl.losses import loss_for
from flyball.automl.pipeline import Task
from flyball.automl.problem import Fold, Problem, View
from flyball.automl.prose import Reading, framed
from flyball.automl.task import Labels, row_weights, standard_score
from flyball.data import Table
from flyball.features import proposed_windows, with_windows
from flyball_runtime.windows import WindowSpec

__all__ = ["Discovery", "discover_windows"]

_MOST_ROWS = 8_000  # that one quick model learns from
_FOLDS = 2
_MOST_KEPT = 100
# All columns for every tree: left out at random, those of a narrow table would be missed more than those of a wide one.
_QUICK = BoostingSettings("window trial", learning_rate=0.1, iterations=60, leaves=15, features=1.0, rows=0.8)
_LEAST_Z = 3.0
_NO_TIME = "the budget leaves no time to try window features"
# Of the loss. A server must remember for such a model, row by row, so windows must buy a good deal; more
# still where all rows share one past, as a single stream that is asked out of order has none.
_LEAST_GAIN, _LEAST_GAIN_ALONE = 0.10, 0.25
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was tried and kept. `gain`: by which share the loss on unseen rows is lower, z its distance from none in
    standard errors over independent units; `shares`: of each kept feature, how much of the quick models' gain is its
    own, most first. `windows` None: none was worth it, and `why` says so."""

    windows: WindowSpec | None
    tried: int
    gain: float
    z: float
    shares: tuple[tuple[str, float], ...]
    why: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        made = asdict(self)
        made["windows"] = None if self.windows is None else self.windows.to_dict()
        made["shares"] = [list(share) for share in self.shares]
        return made


def discover_windows(
    table: Table,
    labels: Labels,
    *,
    task: Task,
    metric: str | None,
    folds: Sequence[Fold],
    units: NDArray[np.integer] | None,
    columns: Sequence[str],
    entity: str | None,
    order: str | None,
    seed: int,
    seconds: float,
    weights: Floats | None = None,
    missing: Mapping[str, Sequence[Any]] | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Discovery:
    """Propose window features of `columns` and keep those that lower the loss on rows that their models have not seen.

    table: the rows to learn from, with entity and order; folds: (fit, validate) row positions that keep entities, or
    the future, apart; units: (rows,) what is independent of one another. Each row's features come from its own and
    earlier rows of its entity. Once the `seconds` are over no model goes on, and what is not proven is not kept.
    """
    import lightgbm  # noqa: F401 - loaded first, so that it takes nothing from the time to try

    began = monotonic()
    proposed = proposed_windows(table, entity=entity, order=order, columns=columns, missing=missing)

    def ended(why: str, spec: WindowSpec | None = None, gain: float = 0.0, z: float = 0.0,
              shares: Sequence[tuple[str, float]] = ()) -> Discovery:  # fmt: skip
        tried = 0 if proposed is None else len(proposed.features)
        return Discovery(spec, tried, gain, z, tuple(shares), why, monotonic() - began)

    if proposed is None:
        return ended("no column has a past that could be told")
    whole = with_windows(table, proposed)
    trial = _Trial(whole, labels, task, metric, folds, units=units, weights=weights, missing=missing, seed=seed)
    late = lambda: monotonic() - began > seconds  # noqa: E731 - handed on
    base = trial.losses(columns, late)
    if base is None:
        return ended(_NO_TIME)
    plain = base[0]
    full = trial.losses([*columns, *proposed.names], late)
    if full is None:
        return ended(_NO_TIME)
    rich, importance = full
    share, z = trial.gain(plain, rich)
    needed = _LEAST_GAIN if entity is not None else _LEAST_GAIN_ALONE
    if share < needed or z < _LEAST_Z:
        return ended(f"they lower the loss on unseen rows by {share:.1%} (z = {z:.1f}); {needed:.0%} and z = "
                     f"{_LEAST_Z:.0f} are asked for", gain=share, z=z)  # fmt: skip
    wanted = [(name, importance[name]) for name in proposed.names if importance[name] > 0]
    wanted.sort(key=lambda item: (-item[1], item[0]))
    kept = wanted[:_MOST_KEPT]
    few = trial.losses([*columns, *(name for name, _ in kept)], late) if len(kept) < len(wanted) else None
    if few is not None:
        again, z_again = trial.gain(plain, few[0])
        if again < needed or z_again < _LEAST_Z:
            return ended(
                f"the {len(kept)} best of them lower the loss by {again:.1%} (z = {z_again:.1f})", gain=again, z=z_again
            )
        share, z = again, z_again
    total = sum(importance.values()) or 1.0
    shares = [(name, value / total) for name, value in kept]
    why = f"{len(kept)} window features lower a quick model's loss on unseen rows by {share:.0%} (z = {z:.0f})"
    return ended(why, proposed.only({name for name, _ in kept}), share, z, shares)


class _Trial:
    """Quick models on the same rows with different columns."""

    def __init__(
        self, table: Table, labels: Labels, task: Task, metric: str | None, folds: Sequence[Fold], *,
        units: NDArray[np.integer] | None, weights: Floats | None, missing: Mapping[str, Sequence[Any]] | None, seed: int,
    ) -> None:  # fmt: skip
        self.table, self.task, self.missing, self.seed = table, task, missing, seed
        self.loss = loss_for(task, metric, labels.outputs)
        mean, spread = standard_score(labels, weights)
        self.target = (labels.values - mean) / spread
        self.weight, self.weighted = row_weights(weights, table.rows), weights is not None
        self.units = np.arange(table.rows) if units is None else np.unique(units, return_inverse=True)[1]
        rng = np.random.default_rng([seed, 11])
        self.known: dict[str, Reading] = {}
        latest = list(folds)[-_FOLDS:]
        self.folds = [(_sample(fit, rng), _sample(validate, rng)) for fit, validate in latest]

    def losses(self, columns: Sequence[str], late: Callable[[], bool]) -> tuple[Floats, dict[str, float]] | None:
        """The loss of each judged row, one fold after another; and each column's gain within the models. None: too late."""
        table = self.table.select(columns)
        made = framed(
            table, self.missing, self.target, self.weight, outputs=self.loss.outputs, folds=self.folds, seed=self.seed,
            known=self.known,
        )  # fmt: skip
        problem = Problem(
            frame=made.frame, task=self.task, loss=self.loss, matrix=made.matrix, target=self.target,
            weight=self.weight, weighted=self.weighted, folds=self.folds, seed=self.seed, threads=1,
            all_threads=1, readings=made.readings,
        )  # fmt: skip
        found, gains = [], dict.fromkeys(columns, 0.0)
        for number, (fit, validate) in enumerate(self.folds):
            blind = View(problem, fit, np.zeros(0, dtype=np.intp), number)  # nothing is tuned on the judged rows
            grown = boost(blind, _QUICK, stop=late)
            if grown.stopped:
                return None
            booster = grown.booster
            view = View(problem, fit, validate, number)
            margin = boosted_margin(booster, view.validation(), problem.threads)
            found.append(self.loss.rows(margin, self.target[validate]) * self.weight[validate])
            for column, gain in zip(view.feature_columns, booster.feature_importance("gain"), strict=True):
                gains[column] += float(gain)
        return np.concatenate(found), gains

    def gain(self, before: Floats, after: Floats) -> tuple[float, float]:
        """The share by which the loss fell, and its z over units."""
        unit = np.concatenate([self.units[validate] for _, validate in self.folds])
        saved = np.bincount(unit, weights=before - after)[np.bincount(unit) > 0]
        error = float(saved.std(ddof=1)) * np.sqrt(len(saved)) if len(saved) > 1 else np.inf
        return float(saved.sum() / max(before.sum(), 1e-12)), float(saved.sum() / max(error, 1e-12))


def _sample(rows: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    return rows if len(rows) <= _MOST_ROWS else np.sort(rng.choice(rows, _MOST_ROWS, replace=False))
