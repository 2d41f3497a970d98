"""The search: a short portfolio of candidates under one deadline, an ensemble of the best, calibrated."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl.allowance import DEFAULT_CAPS, Allowance, Caps
from flyball.automl.budget import Budget, WorkBudget
from flyball.automl.calibration import calibrate
from flyball.automl.candidates import Boosting, Candidate, ClassMeans, Grown, Linear, Prior, Result
from flyball.automl.conformal import Standing, class_sets, standing
from flyball.automl.forest import forest_for
from flyball.automl.forms import REFITTED, choose_forms, needs_refit, refit_seconds
from flyball.automl.intervals import LEAST_ROWS, fit_interval
from flyball.automl.kept import KeptTrials, TrialMemory, settings_of
from flyball.automl.losses import loss_for
from flyball.automl.network_candidate import Network, measure_epoch, network_for
from flyball.automl.network_fit import readable
from flyball.automl.pipeline import Calibration, FittedPipeline, Member, Task
from flyball.automl.portfolio import Pace, boosting_portfolio, measure_pace, unhurried
from flyball.automl.problem import Fold, Problem, View
from flyball.automl.prose import ReadingAllowance, framed
from flyball.automl.spread import SPREAD
from flyball.automl.task import Labels, TargetUnfit, encode_target, infer_task, row_weights, standard_score
from flyball.automl.weights import choose_weights
from flyball.core.executor import Executor, LocalExecutor, usable_cores
from flyball.core.memory import give_back
from flyball.core.progress import Cancellation, NoProgress, Progress
from flyball.data import Table
from flyball_runtime.schema import Field

__all__ = ["Learned", "learn"]

_LINEAR_SHARE = 0.15  # of the time left
_FIRST_SHARE = 0.6
_NETWORK_SHARE = 0.6
_LEAST_FOR_OTHERS_S = 1.0
_CHOSEN = 4  # candidates chosen beforehand, after the first; then settings are drawn
_PATIENCE = 3  # drawn candidates in a row that improve the ensemble by nothing
_LEAST_GAIN = 2e-4  # relative
_MOST_GROWN = 200  # classes; of more, trees for each would not fit into the artefact
_LEAST_SECONDS = 0.25  # below this much time, a candidate is not begun


@dataclass(frozen=True)
class Learned:
    """A fitted pipeline with what is known about it.

    oof: (rows, classes) calibrated probabilities or (rows, 3) predictions with their interval's ends, each by models that
    did not see the row; NaN where no fold validated it, and no ends for rows beyond the 100,000 that calibrate.
    oof_margin: (rows, outputs) calibrated. leaderboard: one entry per candidate, best first. natives: LightGBM's own
    text of every boosted member, by member name, and of the spread.
    """

    pipeline: FittedPipeline
    oof: NDArray[np.float64]
    oof_margin: NDArray[np.float64]
    leaderboard: list[dict[str, Any]]
    seconds: float
    notes: list[str]
    natives: dict[str, str]

    def to_bytes(self) -> bytes:
        """Everything in one npz without pickles, so that a later process can go on from here."""
        from flyball.automl.archive import pack_learned

        return pack_learned(self)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Learned:
        from flyball.automl.archive import unpack_learned

        return unpack_learned(raw)


def learn(
    table: Table,
    target: NDArray[Any],
    *,
    folds: Sequence[Fold],
    budget_seconds: float,
    seed: int,
    trials: int | None = None,
    caps: Caps = DEFAULT_CAPS,
    memory: TrialMemory | None = None,
    task: Task | None = None,
    metric: str | None = None,
    field: Field | None = None,
    positive: Any | None = None,
    sample_weight: NDArray[np.float64] | None = None,
    units: NDArray[np.integer] | None = None,
    missing: Mapping[str, Sequence[Any]] | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    step: str = "train",
    cancellation: Cancellation | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Learned:
    """Fit a pipeline from raw columns to calibrated outputs within a budget.

    table: the training rows without the target; target: (rows,) without missing values; folds: (fit, validate) row
    positions, as the data's structure demands; budget_seconds counts from this call, once the libraries are loaded, and
    leaves about a tenth for the export; `field` describes the target and `positive` names the class that probabilities
    of a binary task are of; `missing` tells, by column, values that mean missing.
    trials: so many candidates instead of a time, each fitted by one thread to its own end: equal arguments then give an
    equal pipeline on any machine, whatever the executor's workers. caps: how large the artefact and how slow a single row
    may be; the ensemble is chosen to stay within them. memory: where finished candidates are kept, so that a
    search that was killed goes on from there; the time that they took counts.
    units: (rows,) codes of rows that depend on each other (groups, stretches of time): intervals and class sets are as
    sure of themselves as so many independent rows allow.
    Raises TargetUnfit, and Cancelled when `cancellation` was raised. With ample time, equal arguments give equal
    pipelines; a deadline that cuts in makes the result depend on the machine's speed.
    """
    choice = task or infer_task(target, field).task
    enough = choice == "regression" and len(target) >= LEAST_ROWS
    _load_libraries()
    budget = (
        Budget(budget_seconds, monotonic, intervals=enough)
        if trials is None
        else WorkBudget(trials, monotonic, intervals=enough)
    )
    labels = encode_target(target, choice, field=field, positive=positive)
    mean, spread = standard_score(labels, sample_weight)
    with _blas_threads(1 if trials is not None else None):
        problem = _problem(
            table,
            labels,
            choice,
            metric,
            folds,
            sample_weight=sample_weight,
            missing=missing,
            seed=seed,
            executor=executor,
            standard=(mean, spread),
            single=trials is not None,
            seconds=math.inf if trials is not None else budget_seconds,
        )
        search = _Search(
            problem,
            budget,
            executor=executor or LocalExecutor(),
            progress=progress or NoProgress(),
            step=step,
            cancellation=cancellation or Cancellation(),
            memory=memory,
            caps=caps,
        )
        search.run()
        return search.conclude(labels, mean, spread, units)


def _blas_threads(limit: int | None) -> AbstractContextManager[Any]:
    """Sums over several threads differ in their last bits; a work budget wants one."""
    from threadpoolctl import threadpool_limits

    return nullcontext() if limit is None else threadpool_limits(limits=limit)


def _load_libraries() -> None:
    """Import what learning needs: seconds on a busy machine, which would be missing from a short budget."""
    import lightgbm  # noqa: F401
    import scipy.optimize  # noqa: F401


def _problem(
    table: Table,
    labels: Labels,
    task: Task,
    metric: str | None,
    folds: Sequence[Fold],
    *,
    sample_weight: NDArray[np.float64] | None,
    missing: Mapping[str, Sequence[Any]] | None,
    seed: int,
    executor: Executor | None,
    standard: tuple[float, float],
    single: bool,
    seconds: float,
) -> Problem:
    rows = len(labels.values)
    if table.rows != rows:
        raise TargetUnfit(
            f"the table has {table.rows:,} rows and the target {rows:,}",
            why="each row is learned with its own answer",
            fix="give one target value for each row",
        )
    if not folds or any(len(fit) == 0 or len(validate) == 0 for fit, validate in folds):
        raise TargetUnfit(
            "learning needs folds with rows to fit on and rows to validate on",
            why="there are no folds" if not folds else "a fold has no rows on one side",
            fix="give more rows, or fewer folds",
        )
    mean, spread = standard
    values = (labels.values - mean) / spread
    weight = row_weights(sample_weight, rows)
    sides = [(np.asarray(fit, dtype=np.intp), np.asarray(validate, dtype=np.intp)) for fit, validate in folds]
    made = framed(
        table, missing, values, weight, outputs=labels.outputs, folds=sides, seed=seed,
        allowance=ReadingAllowance.within(seconds),
    )  # fmt: skip
    workers = executor.workers if executor else usable_cores()
    cores = 1 if single else usable_cores()
    return Problem(
        frame=made.frame,
        task=task,
        loss=loss_for(task, metric, labels.outputs),
        matrix=made.matrix,
        target=values,
        weight=weight,
        weighted=sample_weight is not None,
        folds=sides,
        seed=seed,
        threads=max(1, cores // max(1, min(workers, len(folds)))),
        all_threads=cores,
        readings=made.readings,
        unread=made.unread,
    )


class _Search:
    """One search from first candidate to pipeline."""

    def __init__(
        self,
        problem: Problem,
        budget: Budget,
        *,
        executor: Executor,
        progress: Progress,
        step: str,
        cancellation: Cancellation,
        memory: TrialMemory | None = None,
        caps: Caps = DEFAULT_CAPS,
    ) -> None:
        self.problem = problem
        self.allowance = Allowance.under(caps, problem.frame, budget.seconds)
        self.kept = None if memory is None else KeptTrials(memory, problem)
        self.budget = budget
        self.executor = executor
        self.progress = progress
        self.step = step
        self.cancellation = cancellation
        self.results: list[Result] = []
        self.skipped: list[Candidate] = []
        self.notes = [f"{item.column} is left out: {item.why}" for item in problem.frame.dropped]
        self.notes += [f"{name}: the budget leaves no time to read its words" for name in problem.unread]
        self.views = [View(problem, fit, validate, number) for number, (fit, validate) in enumerate(problem.folds)]

    def run(self) -> None:
        """Try the portfolio in order until the time is used up."""
        self._try(Prior(), np.inf)
        if self.budget.left < _LEAST_SECONDS or not any(self.problem.frame.sources):
            self.notes.append(self._untrained)
            return
        if self.problem.outputs > _MOST_GROWN:
            self._try(ClassMeans(), math.inf if self.budget.trials is not None else self._spare())
            self.notes.append(f"{self.problem.outputs:,} classes: told apart by the nearest class mean, without trees")
        else:
            self._run_all()
        if self.cancellation.hurried:
            self.notes.append("the search was ended early, as asked: the best so far is kept")
        if self.kept is not None and self.kept.taken:
            self.notes.append(f"taken over from a search that was interrupted: {self.kept.taken} of its candidates")
        if len(self.results) == 1:
            self.notes.append(self._untrained)

    def _run_all(self) -> None:
        from threadpoolctl import threadpool_limits

        pace, workers = self._paced(), self.executor.workers
        if pace.folds < len(self.views):
            self.notes.append(f"the budget allows {pace.folds} of {len(self.views)} folds")
            self.views = self._by_size()[: pace.folds]
        # several folds run at once: more threads than cores within each would only wait for one another
        with threadpool_limits(limits=1, user_api="blas"):
            self._run_portfolio(boosting_portfolio(self.problem, pace, self.budget, workers, self.allowance))

    def _by_size(self) -> list[View]:
        return sorted(self.views, key=lambda view: -len(view.fit))

    def _paced(self) -> Pace:
        """How fast this machine boosts these rows: measured, or as the interrupted search measured it."""
        if self.budget.trials is not None:
            return unhurried(self.problem)
        pace = None if self.kept is None else self.kept.pace()
        if pace is None:
            pace = measure_pace(self._by_size()[0], self.budget, self.executor.workers)
            if self.kept is not None:
                self.kept.keep_pace(pace)
        return pace

    @property
    def _untrained(self) -> str:
        return f"a budget of {self.budget.seconds:g} s leaves no time to train: the answer is the prior"

    def _run_portfolio(self, boosted: Iterator[Boosting]) -> None:
        first = next(boosted)
        if self.budget.trials is not None:
            listed: Iterator[Candidate] = chain([first, Linear(), *self._others()], boosted)
            for candidate in islice(listed, self.budget.trials):
                if not self.cancellation.hurried:
                    self._try(candidate, math.inf)
            return
        self._try(first, _FIRST_SHARE * self.budget.left)
        self._try(Linear(), _LINEAR_SHARE * self._spare())
        for other in self._others():
            self._try(other, self._spare())
        for candidate in islice(boosted, _CHOSEN):
            if self._too_long(candidate, first):
                self.skipped.append(candidate)
            else:
                self._try(candidate, self._spare())
        self._draw_on(boosted, first)

    def _others(self) -> Iterator[Candidate]:
        """The families that are neither boosted nor linear, one of each."""
        forest = forest_for(self.problem, self.allowance)
        if forest is not None and (self.budget.trials is not None or self._spare() >= _LEAST_FOR_OTHERS_S):
            yield forest
        yield from self._networks()

    def _networks(self) -> list[Network]:
        """A network, with as many passes over the rows as there is time for."""
        if not readable(self.problem) or self.cancellation.hurried:
            return []
        if self.budget.trials is not None:
            listed = network_for(self.problem)
            return [] if listed is None else [listed]
        if self._spare() < _LEAST_FOR_OTHERS_S:
            return []
        pace = None if self.kept is None else self.kept.epoch_seconds()
        if pace is None:
            pace = measure_epoch(self._by_size()[0], self.budget)
            if self.kept is not None:
                self.kept.keep_epoch_seconds(pace)
        rounds = -(-len(self.views) // self.executor.workers)
        planned = network_for(self.problem, _NETWORK_SHARE * self._spare() / rounds / pace)
        return [] if planned is None else [planned]

    def _draw_on(self, boosted: Iterator[Boosting], first: Boosting) -> None:
        """Go on with drawn settings while there is time and while they still improve the ensemble."""
        best, idle = self._together(), 0
        for candidate in boosted:
            if idle >= _PATIENCE or self.skipped or self._too_long(candidate, first):
                return
            self._try(candidate, self._spare())
            if self.results[-1].candidate is not candidate:
                return
            now = self._together()
            improved = now < best - _LEAST_GAIN * abs(best)
            best, idle = min(best, now), 0 if improved else idle + 1

    def _together(self) -> float:
        """The loss of the best ensemble so far, on rows that its members did not see."""
        seen = np.all([~np.isnan(result.margin[:, 0]) for result in self.results], axis=0)
        margins = {result.candidate.name: result.margin[seen] for result in self.results}
        target, weight, loss = self.problem.target[seen], self.problem.weight[seen], self.problem.loss
        weights = choose_weights(margins, target, weight, loss)
        return loss.value(np.sum([weights[name] * margins[name] for name in weights], axis=0), target, weight)

    def _too_long(self, candidate: Boosting, first: Boosting) -> bool:
        if self.cancellation.hurried:
            return True
        tried = [result for result in self.results if isinstance(result.candidate, Boosting)]
        expected = tried[0].seconds * candidate.cost / first.cost if tried else np.inf
        return bool(0.6 * expected > self._spare())

    def _spare(self) -> float:
        """Seconds left for candidates, after what the models to be fitted once more on all rows will take."""
        refits = [refit_seconds(result) for result in self.results if needs_refit(result, self.allowance)]
        return self.budget.left - max(refits, default=0.0)

    def _try(self, candidate: Candidate, seconds: float) -> None:
        """Fit a candidate on every fold, side by side; each fold gets its share of what time is left."""
        self.cancellation.check()
        kept = None if self.kept is None else self.kept.take(candidate, self.views)
        if kept is not None:
            self.budget.charge(kept.seconds)
            self.results.append(kept)
            return
        late = self.cancellation.hurried or min(seconds, self.budget.left) < _LEAST_SECONDS
        if candidate.family != "prior" and late:
            self.skipped.append(candidate)
            return
        if isinstance(candidate, (Boosting, Network)) and not candidate.bag:
            seconds = min(seconds, self.budget.left / (1 + self.problem.refit_share(len(self.views))))
        began = self.budget.used
        rounds = -(-len(self.views) // self.executor.workers)
        end = began + seconds

        def fit(item: tuple[int, View]) -> Any:
            position, view = item
            share = (end - self.budget.used) / (rounds - position // self.executor.workers)
            late = self.budget.until(share)
            return candidate.fit(view, lambda: late() or self.cancellation.requested or self.cancellation.hurried)

        fits: dict[int, Any] = {}
        pieces = self.executor.map_unordered(fit, list(enumerate(self.views)), cancellation=self.cancellation)
        for index, piece in pieces:
            fits[index] = piece
            done = self.budget.done(len(self.results) - 1)
            self.progress.update(
                self.step, done, f"{candidate.name}: fold {len(fits)} of {len(self.views)}{self._leader}"
            )
        result = candidate.gather(self.views, [fits.pop(index) for index in range(len(self.views))])
        give_back()
        result = result.timed(self.budget.used - began)
        self.results.append(result)
        if self.kept is not None and not self.cancellation.hurried:
            self.kept.keep(result)

    @property
    def _leader(self) -> str:
        """The best so far, in a few words."""
        if len(self.results) < 2:
            return ""
        best = min(self.results, key=lambda result: result.score)
        return f"; best of {len(self.results)}: {best.candidate.name}, {self.problem.loss.name} {best.score:.4g}"

    def conclude(self, labels: Labels, mean: float, spread: float, units: NDArray[np.integer] | None = None) -> Learned:
        """Choose the ensemble, calibrate it on the out-of-fold rows, and build the pipeline."""
        problem = self.problem
        weights = self._choose()
        chosen = [result for result in self.results if result.candidate.name in weights]
        members: list[Member] = []
        natives: dict[str, str] = {}
        for grown in self._grown(chosen, weights):
            members += grown.members
            natives |= grown.natives
            self.notes += grown.notes
        margin = np.sum([weights[result.candidate.name] * result.margin for result in chosen], axis=0)
        seen = ~np.isnan(margin[:, 0])
        if problem.task == "regression":
            calibration = Calibration(spread, np.array([mean]))
        else:
            calibration = calibrate(margin[seen], problem.target[seen], problem.weight[seen], problem.loss)
        pipeline = FittedPipeline(
            frame=problem.frame,
            task=problem.task,
            members=tuple(members),
            calibration=calibration,
            classes=labels.classes,
            class_type=labels.class_type,
        )
        calibrated = calibration.apply(margin)
        counted = standing(seen, problem.folds, problem.weight, units)
        if problem.task == "regression":
            pipeline, oof = self._with_interval(pipeline, calibrated, labels.values, counted, natives)
        else:
            oof = pipeline.outcome(calibrated)["probability"]
            sets = class_sets(oof[seen], problem.target[seen].astype(np.int64), counted)
            pipeline = replace(pipeline, sets=sets)
        return Learned(pipeline, oof, calibrated, self._leaderboard(weights), self.budget.used, self.notes, natives)

    def _grown(self, chosen: Sequence[Result], weights: Mapping[str, float]) -> list[Grown]:
        """The members of the chosen candidates; those that are fitted anew, side by side."""
        forms = self._forms(chosen, weights) or {}

        def grow(result: Result) -> Grown:
            name = result.candidate.name
            return result.candidate.grow(result, weights[name], self.budget, folds=forms.get(name, REFITTED))

        grown = dict(self.executor.map_unordered(grow, chosen))
        give_back()
        return [grown[position] for position in range(len(chosen))]

    def _with_interval(
        self,
        pipeline: FittedPipeline,
        calibrated: NDArray[np.float64],
        truth: NDArray[np.float64],
        counted: Standing,
        natives: dict[str, str],
    ) -> tuple[FittedPipeline, NDArray[np.float64]]:
        """The pipeline with its interval, and the out-of-fold predictions with theirs, (rows, 3)."""
        oof = np.full((len(calibrated), 3), np.nan)
        prediction = calibrated[counted.rows, 0]
        found = fit_interval(self.problem, prediction, truth[counted.rows], counted, self.budget)
        if found is None:
            return pipeline, oof
        if len(counted.rows) < 19:
            self.notes.append("fewer than 19 validated rows: the 90 % interval is the range of their errors")
        if found.note:
            self.notes.append(found.note)
        if found.native:
            natives[SPREAD] = found.native
        oof[counted.rows] = np.column_stack([prediction, found.ends])
        return replace(pipeline, interval=found.interval), oof

    def _choose(self) -> dict[str, float]:
        """Weights of the candidates, within the size that the artefact may have."""
        problem = self.problem
        seen = np.all([~np.isnan(result.margin[:, 0]) for result in self.results], axis=0)
        prior = self._score(self.results[0], seen)
        pool = [result for result in self.results[1:] if self._score(result, seen) < prior]
        if not pool:
            if len(self.results) > 1:
                self.notes.append("no model beat the prior on rows that it had not seen: the answer is the prior")
            return {self.results[0].candidate.name: 1.0}
        gone: list[str] = []
        while True:
            margins = {result.candidate.name: result.margin[seen] for result in pool}
            weights = choose_weights(margins, problem.target[seen], problem.weight[seen], problem.loss)
            used = [result for result in pool if result.candidate.name in weights]
            heavy = [result for result in used if result.cost.leaves]
            if len(heavy) < 2 or self._forms(used, weights) is not None:
                if gone:
                    self.notes.append(
                        f"left out of the ensemble, as size or time would not do for all: {', '.join(gone)}"
                    )
                return weights
            least = min(heavy, key=lambda result: weights[result.candidate.name])
            pool.remove(least)
            gone.append(least.candidate.name)

    def _forms(self, results: Sequence[Result], weights: Mapping[str, float]) -> dict[str, int] | None:
        heavy = [result for result in results if result.cost.leaves]
        return choose_forms(
            heavy, weights, allowance=self.allowance, seconds=self.budget.left, workers=self.executor.workers
        )

    def _score(self, result: Result, rows: NDArray[np.bool_]) -> float:
        problem = self.problem
        return problem.loss.value(result.margin[rows], problem.target[rows], problem.weight[rows])

    def _leaderboard(self, weights: dict[str, float]) -> list[dict[str, Any]]:
        common = {"loss": self.problem.loss.name}
        entries = [
            {
                "name": result.candidate.name,
                "family": result.candidate.family,
                "score": result.score,
                "seconds": round(result.seconds, 3),
                "weight": weights.get(result.candidate.name, 0.0),
                "status": "stopped by the budget" if result.stopped else "done",
                "settings": settings_of(result),
                **common,
            }
            for result in sorted(self.results, key=lambda result: result.score)
        ]
        nothing: dict[str, Any] = {"settings": {}, "score": None, "seconds": 0.0, "weight": 0.0}
        absent = {**nothing, "status": "no time left", **common}
        return entries + [{"name": each.name, "family": each.family, **absent} for each in self.skipped]
