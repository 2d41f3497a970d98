"""Between look and training: window features, as declared or as found, become columns of the examined table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from flyball.automl import discover_windows, encode_target
from flyball.core.progress import Progress
from flyball.data import Table
from flyball.features import order_within, with_windows
from flyball.pipeline.examine import Examined
from flyball.pipeline.plain import plain
from flyball.pipeline.read import DatasetVersion
from flyball.pipeline.settings import LoopSettings
from flyball.pipeline.splitting import ROW_ORDER
from flyball.pipeline.steps import StepRunner
from flyball_runtime.windows import WindowsInvalid, WindowSpec

__all__ = ["add_windows"]

_STEP = "features"
_SHARE = 0.25  # of the budget, for finding window features
_LEAST_BUDGET = 10.0  # seconds; with less there is no time to prove that they help
_LEAST_ROWS = 500


def add_windows(
    dataset: DatasetVersion, examined: Examined, settings: LoopSettings, *, runner: StepRunner, progress: Progress
) -> Examined:
    """The examined rows with window features among their columns, where some are declared or worth having.

    Found ones need a table whose rows belong to entities that a column orders or, with `windows = true`, a column of time
    over all rows; they must
    lower the loss on rows of the training part that their models have not seen. Raises WindowsInvalid.
    """
    if settings.windows is False:
        return examined
    if isinstance(settings.windows, Mapping):
        return _joined(dataset, examined, _declared(examined, settings, settings.windows), None)
    entity, order = _structure(examined, settings)
    if entity is None and settings.windows is not True:
        return examined  # in one stream every row that anybody asks changes what all are answered later
    if entity is None and (examined.plan.kind != "time" or examined.plan.by == ROW_ORDER):
        return examined  # without a time nothing tells a new row's place in the stream
    if settings.budget_seconds < _LEAST_BUDGET:
        return examined
    if len(examined.plan.train) < _LEAST_ROWS or (entity is not None and order is None):
        return examined

    def work() -> dict[str, Any]:
        progress.update(_STEP, None, "trying window features")
        return _discovered(examined, settings, entity, order)

    plan = examined.plan
    found = runner.run(
        _STEP,
        {
            "dataset": dataset.version, "used": list(examined.used), "task": examined.task, "metric": examined.metric,
            "split": [plan.kind, plan.by, plan.digest], "entity": entity, "order": order,
            "personal": list(examined.personal), "missing": plain(examined.missing), "budget": settings.budget_seconds,
            **settings.key("trials", "target", "seed", "weight", "positive"),
        },
        work,
        note=lambda made: str(made["why"]),
        usable=lambda made: {"windows", "why", "shares", "seconds"} <= set(made),
    )  # fmt: skip
    return _joined(
        dataset, examined, None if found["windows"] is None else WindowSpec.from_dict(found["windows"]), found
    )


def _structure(examined: Examined, settings: LoopSettings) -> tuple[str | None, str | None]:
    """The column that names entities and the one that orders their rows, each None where there is none."""
    table, plan = examined.table, examined.plan
    names = [name for name in table.names if name not in (settings.target, settings.weight)]
    group = plan.by if plan.kind == "group" and plan.by in names else settings.group
    entity = group if group in names and table.schema[str(group)].kind != "time" else None
    if plan.kind == "time":
        return entity, plan.by if plan.by in names else None
    if entity is None or plan.kind != "group":
        return None, None
    if settings.time in names:
        return entity, settings.time
    return entity, order_within(table.take(plan.train), entity, names)


def _discovered(examined: Examined, settings: LoopSettings, entity: str | None, order: str | None) -> dict[str, Any]:
    train = examined.plan.train
    place = np.full(examined.table.rows, -1, dtype=np.intp)
    place[train] = np.arange(len(train))
    found = discover_windows(
        examined.table.take(train),
        encode_target(
            examined.target.values[train], examined.task, field=examined.target.field, positive=examined.positive
        ),
        task=examined.task,
        metric=examined.metric,
        folds=[(place[fit], place[validate]) for fit, validate in examined.plan.folds],
        units=examined.plan.units_of(train),
        columns=[name for name in examined.used if name not in examined.personal],
        entity=entity,
        order=order,
        seed=settings.seed,
        seconds=_SHARE * settings.budget_seconds if settings.trials is None else math.inf,
        weights=None if examined.weights is None else examined.weights[train],
        missing=examined.missing,
    )
    return dict(plain(found.to_dict()))


def _declared(examined: Examined, settings: LoopSettings, asked: Mapping[str, Any]) -> WindowSpec:
    """The specification of the project file; entity and order are those of the rows where it does not name them."""
    entity, order = _structure(examined, settings)
    where = settings.place("windows")
    spec = WindowSpec.from_dict({"entity": entity, "order": order, **asked}, examined.table.schema, where=where)
    if settings.target in spec.schema:
        raise WindowsInvalid(
            f'window features cannot be made of the target "{settings.target}"', where=where,
            why="it is not known yet when a row is to be predicted", fix="name other columns",
        )  # fmt: skip
    return spec


def _joined(
    dataset: DatasetVersion, examined: Examined, spec: WindowSpec | None, found: Mapping[str, Any] | None
) -> Examined:
    if spec is None:
        return replace(examined, windows_found=found)
    table = examined.table
    judged = examined.target.rows_kept >= dataset.table.rows - dataset.test_rows
    if judged.any() and examined.plan.kind != "time":  # a name may stand for one entity in training and another in test
        parts = [with_windows(table.take(rows), spec) for rows in (~judged, judged)]
        place = np.argsort(np.concatenate([np.flatnonzero(~judged), np.flatnonzero(judged)]))
        joined = {name: np.concatenate([part[name] for part in parts])[place] for name in parts[0].names}
        made = Table(parts[0].schema, joined)
    else:
        made = with_windows(table, spec)
    used = (*(name for name in examined.used if name not in spec.names), *spec.names)
    notes = examined.notes if found is None else (*examined.notes, str(found["why"]))
    of_personal = [
        name
        for name, feature in zip(spec.names, spec.features, strict=True)
        if feature.column in examined.personal or (feature.where and feature.where.column in examined.personal)
    ]
    return replace(
        examined, table=made, used=used, windows=spec, windows_found=found, notes=notes,
        personal=(*examined.personal, *of_personal),
    )  # fmt: skip
