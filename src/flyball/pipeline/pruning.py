"""Made features are kept for what they buy on training rows that were not learned from, and for nothing else."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from flyball.automl import Worth, worth
from flyball.charts import percent
from flyball.core.progress import Cancellation
from flyball.pipeline.examine import Examined
from flyball.pipeline.plain import plain
from flyball.pipeline.read import DatasetVersion
from flyball.pipeline.settings import LoopSettings
from flyball.pipeline.steps import StepRunner
from flyball.pipeline.train import learning_depends_on

__all__ = ["prune"]

_STEP = "features"
_MOST_OF_BUDGET = 0.4  # what judging features may take from the search
_BEFORE_THE_OTHERS = 0.6  # of that, for the fits with every feature; those with some and with none come after


def prune(
    dataset: DatasetVersion, examined: Examined, settings: LoopSettings, runner: StepRunner, cancellation: Cancellation
) -> tuple[Examined, LoopSettings]:
    """What is learned from, without the made features that do not pay; and the settings with what is left of the budget.

    Features that the project file declares or keeps stay whatever they buy. With no budget at all nothing is judged, and
    none is kept; a short one is overrun rather than judged by a single fold. Test rows take no part.
    """
    made = [name for name in examined.used if name in dataset.made]
    if not made:
        return examined, settings

    def work() -> dict[str, Any]:
        began = time.monotonic()
        document = _judge(dataset, examined, settings, made, cancellation)
        return {"document": plain(document), "seconds": time.monotonic() - began}

    depends_on = {**learning_depends_on(dataset, examined, settings), "made": made, "keep": list(settings.keep)}
    outputs = runner.run(
        _STEP, depends_on, work, note=lambda done: done["document"]["text"], usable=lambda done: done["seconds"] >= 0
    )
    document = outputs["document"]
    gone = {one["name"]: one["why"] for one in document["features"] if not one["kept"]}
    left_out = [{"column": name, "why": why} for name, why in gone.items()]
    pruned = replace(
        examined,
        used=tuple(name for name in examined.used if name not in gone),
        left_out=(*examined.left_out, *left_out),
        missing={name: values for name, values in examined.missing.items() if name not in gone},
        bought=document,
    )
    if settings.trials is not None:  # the same work on any machine, however long it takes
        return pruned, settings
    left = max(settings.budget_seconds * (1 - _MOST_OF_BUDGET), settings.budget_seconds - outputs["seconds"])
    return pruned, replace(settings, budget_seconds=left)


def _judge(
    dataset: DatasetVersion, examined: Examined, settings: LoopSettings, made: list[str], cancellation: Cancellation
) -> dict[str, Any]:
    """What each made feature buys, whether it is kept, and why."""
    wanted = {name for name in made if name in settings.keep or dataset.made[name].get("declared")}
    found = _worth(examined, settings, made, cancellation)
    kept = {*found.kept, *wanted}
    # a graph needs an input: where nothing but made columns is there, all of them stay
    alone = not kept and set(made) == set(examined.used)
    features = []
    for name in made:
        gain = found.columns.get(name)
        if name in wanted:
            why = "kept on request"
        elif name in kept:
            why = "pays"
        elif alone:
            why = "there is no other column to learn from"
        elif found.kept:
            why = "made from other tables, and buys nothing clear beside the other columns"
        else:
            why = f"made from other tables: {found.why}"
        features.append(
            {
                "name": name, "text": dataset.made[name]["text"], "gain": None if gain is None else gain.to_dict(),
                "kept": name in kept or alone, "why": why,
            }
        )  # fmt: skip
    features.sort(key=lambda one: (not one["kept"], -((one["gain"] or {}).get("value") or 0.0)))
    count = sum(one["kept"] for one in features)
    parts = {"together": found.together, "everything": found.everything, "bought": found.bought}
    intervals = {name: None if one is None else one.to_dict() for name, one in parts.items()}
    return {
        "loss": found.loss, "rows": found.rows, "folds": found.folds, "made": len(made), "kept": count,
        "features": features, **intervals, "why": found.why,
        "text": f"{count} of {len(made)} made features kept: {_bought(intervals['bought'], found.loss)}{found.why}",
    }  # fmt: skip


def _worth(examined: Examined, settings: LoopSettings, made: list[str], cancellation: Cancellation) -> Worth:
    """The worth of the made columns on the folds of the training rows, within a part of the budget."""
    if settings.budget_seconds <= 0:
        return Worth("", 0, 0, {}, None, None, (), "there is no budget to judge them")
    over = time.monotonic() + settings.budget_seconds * _MOST_OF_BUDGET * _BEFORE_THE_OTHERS

    def hurry() -> bool:
        cancellation.check()
        return settings.trials is None and time.monotonic() > over

    train = examined.plan.train
    place = np.full(examined.table.rows, -1, dtype=np.intp)
    place[train] = np.arange(len(train))
    return worth(
        examined.table.take(train).select(examined.used), examined.target.values[train], made, task=examined.task,
        metric=examined.metric, folds=[(place[fit], place[validate]) for fit, validate in examined.plan.folds],
        seed=settings.seed, field=examined.target.field, positive=examined.positive, missing=examined.missing,
        weights=None if examined.weights is None else examined.weights[train], units=examined.plan.units_of(train),
        hurry=hurry,
    )  # fmt: skip


def _bought(gain: Mapping[str, Any] | None, loss: str) -> str:
    if gain is None:
        return ""
    ends = "" if gain["low"] is None else f" [{100 * gain['low']:.0f}, {100 * gain['high']:.0f}]"
    return f"{percent(gain['value'], 0)}{ends} less {loss}, "
