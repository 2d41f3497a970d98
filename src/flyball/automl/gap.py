"""How much a random split would have flattered: one number with an interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl.gbm import BoostingSettings, boost, boosted_margin
from flyball.automl.losses import loss_for
from flyball.automl.pipeline import Calibration, FittedPipeline, Task
from flyball.automl.problem import Fold, Problem, View
from flyball.automl.prose import framed
from flyball.automl.task import encode_target, row_weights, standard_score
from flyball.core.executor import usable_cores
from flyball.data import Table
from flyball.evaluation import METRICS, Interval, evaluate
from flyball_runtime.schema import Field

__all__ = ["random_gap"]

_MOST_GROWN = 200  # classes; of more, trees for each take longer than the answer is worth
_MOST_FIT_ROWS = 20_000
_MOST_JUDGED_ROWS = 20_000
_SETTINGS = BoostingSettings("gap", learning_rate=0.1, iterations=80)


def random_gap(
    table: Table,
    target: NDArray[Any],
    *,
    task: Task,
    metric: str,
    honest_folds: Sequence[Fold],
    random_folds: Sequence[Fold],
    seed: int,
    field: Field | None = None,
    honest_units: NDArray[Any] | None = None,
    positive: Any | None = None,
    weights: NDArray[np.float64] | None = None,
    missing: Mapping[str, Sequence[Any]] | None = None,
) -> dict[str, Any] | None:
    """One quick LightGBM on both splits, on equally many rows, so that only the way of splitting differs.

    Returns {"metric", "random", "honest", "value", "low", "high"}; `value` is how much better the random split makes
    the model look, in units of the metric: positive means that it flatters. honest_units: (rows,) labels of rows that
    belong together, resampled as one; positive: the class that a binary metric is about; weights: (rows,), for
    learning and for judging; missing: values that mean missing, by column. None where the metric is undefined on these
    rows, and beyond 200 classes. An end that is not finite: the data cannot tell.
    """
    labels = encode_target(target, task, field=field, positive=positive)
    if labels.outputs > _MOST_GROWN:
        return None
    values = labels.values
    mean, spread = standard_score(labels, weights)
    weight = row_weights(weights, table.rows)
    # rows that weigh nothing neither teach nor judge
    folds = [(fit[weight[fit] > 0], validate[weight[validate] > 0]) for fit, validate in [*honest_folds, *random_folds]]
    if any(len(fit) == 0 or len(validate) == 0 for fit, validate in folds):
        return None
    standard = (values - mean) / spread
    made = framed(table, missing, standard, weight, outputs=labels.outputs, folds=folds[: len(honest_folds)], seed=seed)
    problem = Problem(
        frame=made.frame,
        task=task,
        loss=loss_for(task, metric, labels.outputs),
        matrix=made.matrix,
        target=standard,
        weight=weight,
        weighted=weights is not None,
        folds=folds[: len(honest_folds)],
        seed=seed,
        threads=usable_cores(),
        all_threads=usable_cores(),
        readings=made.readings,
    )
    bias = np.array([mean]) if task == "regression" else np.zeros(labels.outputs)
    pipeline = FittedPipeline(made.frame, task, (), Calibration(spread, bias), labels.classes, labels.class_type)
    sizes = [len(fit) for fit, _ in problem.folds]
    # the random models learn from as many rows as the honest ones: fewer rows would look like a gap
    sizes += [sizes[position % len(sizes)] for position in range(len(random_folds))]
    rng = np.random.default_rng([seed, 3])
    scores = []
    for number, ((fit, validate), size) in enumerate(zip(folds, sizes, strict=True)):
        units = honest_units if number < len(honest_folds) else None
        fit_rows = _sample(fit, min(size, _MOST_FIT_ROWS), rng)
        judged = _sample(validate, _MOST_JUDGED_ROWS, rng)
        score = _score(problem, pipeline, target, fit_rows, judged, metric=metric, number=number, units=units)
        if score is None:
            return None
        scores.append(score)
    return _difference(metric, _pooled(scores[: len(honest_folds)]), _pooled(scores[len(honest_folds) :]))


def _difference(metric: str, honest: Interval, shuffled: Interval) -> dict[str, Any]:
    """How much better the random split looks, and from where to where."""
    sign = 1.0 if METRICS[metric].better == "higher" else -1.0
    value = sign * (shuffled.value - honest.value)
    # independent errors add up in squares
    shuffled_up, shuffled_down = shuffled.high - shuffled.value, shuffled.value - shuffled.low
    honest_up, honest_down = honest.high - honest.value, honest.value - honest.low
    up, down = np.hypot(shuffled_up, honest_down), np.hypot(shuffled_down, honest_up)
    low, high = (value - down, value + up) if sign > 0 else (value - up, value + down)
    return {
        "metric": metric,
        "random": shuffled.value,
        "honest": honest.value,
        "value": float(value),
        "low": float(low),
        "high": float(high),
    }


def _sample(rows: NDArray[np.intp], most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    rows = np.asarray(rows, dtype=np.intp)
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def _score(
    problem: Problem,
    pipeline: FittedPipeline,
    target: NDArray[Any],
    fit: NDArray[np.intp],
    validate: NDArray[np.intp],
    *,
    metric: str,
    number: int,
    units: NDArray[Any] | None,
) -> Interval | None:
    view = View(problem, fit, validate, number)
    blind = replace(view, validate=np.zeros(0, dtype=np.intp), cache={})  # nothing is tuned on the judged rows
    quick = replace(_SETTINGS, iterations=max(16, round(_SETTINGS.iterations / problem.outputs**0.5)))
    booster = boost(blind, quick, stop=lambda: False).booster
    margin = pipeline.calibration.apply(boosted_margin(booster, view.validation(), problem.threads))
    outcome = pipeline.outcome(margin)
    classes = pipeline.class_values
    if classes is not None:
        outcome["prediction"] = classes[outcome["class_index"]]
    else:
        outcome = {"prediction": outcome["prediction"]}
    truth = target[validate] if classes is None else classes[problem.target[validate].astype(np.intp)]
    groups = None if units is None else units[validate]
    weights = problem.weight[validate] if problem.weighted else None
    found = evaluate(
        problem.task, truth, outcome,
        classes=classes, groups=groups, weights=weights, seed=problem.seed, replicates=200,
    )  # fmt: skip
    return found.get(metric)


def _pooled(scores: Sequence[Interval]) -> Interval:
    """The mean over folds; their errors are independent."""
    count = len(scores)
    value = float(np.mean([score.value for score in scores]))
    down = float(np.sqrt(np.sum([(score.value - score.low) ** 2 for score in scores]))) / count
    up = float(np.sqrt(np.sum([(score.high - score.value) ** 2 for score in scores]))) / count
    return Interval(value, value - down, value + up)
