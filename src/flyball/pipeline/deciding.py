"""From probability to decision: the threshold by cost, chosen on rows that were not learned from, told on test rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl import FittedPipeline, Learned
from flyball.evaluation import Choice, Costs, choose_threshold, class_codes, decision
from flyball.pipeline.examine import Examined
from flyball.pipeline.personal import class_names
from flyball.pipeline.settings import LoopSettings
from flyball_runtime.errors import BadInput
from flyball_runtime.score import class_label

__all__ = ["CostsUnfit", "check_costs", "decision_evidence", "with_threshold"]


class CostsUnfit(BadInput):
    """Costs of decisions are given for a model that has no threshold: only two classes are told apart by one."""

    code = "FB-PIPE-020"


def check_costs(task: str, settings: LoopSettings) -> None:
    """Raises CostsUnfit when costs are given for another task than a binary one, CostsInvalid when they contradict."""
    if settings.costs is None:
        return
    Costs.from_dict(settings.costs)
    if task != "binary":
        raise CostsUnfit(
            f"costs choose the threshold between two classes, and this is a {task} model",
            why="with more classes each kind of confusion has its own cost, which Flyball does not take yet"
            if task == "multiclass"
            else "a number is predicted, and nothing is called positive",
            fix="leave costs out, or make a target with two classes",
        )


def with_threshold(learned: Learned, examined: Examined, settings: LoopSettings) -> Learned:
    """The model with the threshold that its costs ask for; without costs, as it was. The test rows are not looked at."""
    chosen = _choose(learned.pipeline, learned.oof, examined, settings)
    if chosen is None:
        return learned
    return replace(learned, pipeline=replace(learned.pipeline, threshold=chosen.threshold))


def decision_evidence(
    pipeline: FittedPipeline,
    out_of_fold: NDArray[np.float64],
    examined: Examined,
    settings: LoopSettings,
    *,
    truth: NDArray[Any],
    outputs: Mapping[str, NDArray[Any]],
) -> dict[str, Any] | None:
    """The evidence's `decision`: what the threshold means on the test rows; None unless there are two classes."""
    values = pipeline.class_values
    if pipeline.task != "binary" or values is None:
        return None
    plan, weights, hidden = examined.plan, examined.weights, settings.target in examined.personal
    found = decision(
        outputs["probability"][:, 1],
        class_codes(truth, values) == 1,
        threshold=pipeline.threshold,
        costs=None if settings.costs is None else Costs.from_dict(settings.costs),
        groups=plan.units_of(plan.test),
        weights=None if weights is None else weights[plan.test],
        seed=settings.seed,
    )
    chosen = _choose(pipeline, out_of_fold, examined, settings)
    why = "no costs are given, so a row is called positive when that is more likely than not"
    return {
        **found,
        "positive_class": class_names([class_label(value) for value in values], hidden=hidden)[1],
        "why": why if chosen is None else chosen.why,
        "chosen_on": None if chosen is None else {"rows": chosen.rows, "what": "out-of-fold probabilities"},
    }


def _choose(
    pipeline: FittedPipeline, out_of_fold: NDArray[np.float64], examined: Examined, settings: LoopSettings
) -> Choice | None:
    if settings.costs is None or pipeline.class_values is None:
        return None
    plan, weights = examined.plan, examined.weights
    validated = np.flatnonzero(np.isfinite(out_of_fold).all(axis=1))
    rows = plan.train[validated]
    truth = np.asarray(examined.target.values)[rows]
    return choose_threshold(
        out_of_fold[validated, -1],
        class_codes(truth, pipeline.class_values) == 1,
        Costs.from_dict(settings.costs),
        weights=None if weights is None else weights[rows],
        groups=plan.units_of(rows),
        seed=settings.seed,
    )
