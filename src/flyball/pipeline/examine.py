"""The second step: a look at the data decides the task, the split, and which columns may be learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl import infer_task
from flyball.data import Finding, Table, Target, disguised_target, look, prepare_target, row_families
from flyball.evaluation import SplitPlan, Task, default_metric, label_codes, metric, plan_split
from flyball.pipeline.personal import finding_without_values, personal_columns
from flyball.pipeline.plain import plain
from flyball.pipeline.read import DatasetVersion, check_columns
from flyball.pipeline.settings import LoopSettings
from flyball.pipeline.steps import StepRunner
from flyball_runtime.errors import BadInput

__all__ = [
    "Examined",
    "MissingUnfit",
    "NothingToLearnFrom",
    "RoleTaken",
    "TaskUnfit",
    "TimeUnordered",
    "WeightInvalid",
    "examine",
]


_FINDINGS = ("leaks", "columns")
_REPEATED = ("duplicate rows", "near-duplicate rows")


class NothingToLearnFrom(BadInput):
    """After leaving out identifiers, constants and leaks, no column is left to learn from."""

    code = "FB-PIPE-001"


class WeightInvalid(BadInput):
    """The weight column holds text, missing or negative values, or only zeros."""

    code = "FB-PIPE-003"


class RoleTaken(BadInput):
    """A column is the target and is to order, group or weigh the rows too."""

    code = "FB-PIPE-004"


class TaskUnfit(BadInput):
    """The task that the project file declares does not suit the target's values."""

    code = "FB-PIPE-005"


class MissingUnfit(BadInput):
    """The project file declares values as missing that a column of that kind cannot hold."""

    code = "FB-PIPE-030"


class TimeUnordered(BadInput):
    """The column declared as the time holds text, which has no order in time: only times and numbers have."""

    code = "FB-PIPE-006"


@dataclass(frozen=True, slots=True)
class Examined:
    """What is learned, from which columns, and how it is tested. `table` holds the rows with a target."""

    table: Table
    target: Target
    task: Task
    task_why: str
    metric: str
    positive: Any
    used: tuple[str, ...]
    left_out: tuple[Mapping[str, str], ...]
    personal: tuple[str, ...]
    leaks: tuple[Mapping[str, Any], ...]
    findings: tuple[Mapping[str, Any], ...]
    plan: SplitPlan
    weights: NDArray[np.float64] | None
    missing: Mapping[str, tuple[Any, ...]]
    notes: tuple[str, ...]


def examine(dataset: DatasetVersion, settings: LoopSettings, runner: StepRunner) -> Examined:
    """Look at a dataset version and decide. Raises BadInput when nothing can be learned from it."""
    _check_names(dataset.table, settings)
    target, hidden = _target(dataset.table, settings)
    table = dataset.table.take(target.rows_kept)
    if len(table.names) == 1:
        raise NothingToLearnFrom(
            f'the table holds nothing but "{settings.target}"', where=dataset.name, fix="give it columns to learn from"
        )
    choice = infer_task(target.values, target.field)
    task: Task = choice.task if settings.task == "auto" else _declared(settings.task, target)
    found = runner.run(
        "look",
        {"dataset": dataset.version, **settings.key("target", "time", "group", "seed", "missing"), "task": task},
        lambda: plain(
            look(
                table,
                settings.target,
                task=task,
                time=settings.time,
                group=settings.group,
                literal=[name for name, _ in settings.missing],
                seed=settings.seed,
            ).to_dict()
        ),
        note=lambda made: f"split by {made['structure']['kind']}, {len(made['leaks'])} leaks",
        usable=lambda made: all(part in made for part in ("structure", "notes", *_FINDINGS)),
    )
    found = {**found, "columns": [*(plain(item.to_dict()) for item in hidden), *found["columns"]]}
    personal = personal_columns(found, settings.personal)
    found = {**found, **{part: [finding_without_values(item, personal) for item in found[part]] for part in _FINDINGS}}
    used, left_out = _columns(table, settings, found)
    if not used:
        raise NothingToLearnFrom(
            f'no column is left to learn "{settings.target}" from',
            where=dataset.name,
            facts={item["column"]: item["why"] for item in left_out[:8]},
            fix="give the table columns that say something about the target, or keep one on purpose: keep = [COLUMN]",
        )
    absent = _missing_values(table, settings, found, used)
    return Examined(
        table=table,
        target=target,
        task=task,
        task_why=choice.why if settings.task == "auto" else "declared",
        metric=metric(settings.metric, task).name if settings.metric else default_metric(task),
        positive=settings.positive,
        used=used,
        left_out=tuple(left_out),
        personal=personal,
        leaks=tuple(found["leaks"]),
        findings=tuple(found["columns"]),
        plan=_plan(table, target, task, settings=settings, found=found, used=used),
        weights=_weights(table, settings),
        missing=absent,
        notes=(*dataset.notes, *target.notes, *found["notes"], *_declared_missing(settings)),
    )


def _target(table: Table, settings: LoopSettings) -> tuple[Target, list[Finding]]:
    """The target's rows, without those in which it only looks known, such as -200; and what was found to say so."""
    target = prepare_target(table, settings.target)
    declared = dict(settings.missing)
    if settings.target in declared:
        return prepare_target(table, settings.target, declared[settings.target]), []
    hidden = disguised_target(target.field, target.values)
    values = [value for item in hidden for value in item.values]
    return (prepare_target(table, settings.target, values), hidden) if values else (target, [])


def _missing_values(
    table: Table, settings: LoopSettings, found: Mapping[str, Any], used: Sequence[str]
) -> dict[str, tuple[Any, ...]]:
    """Values that mean missing, by used column: what the project file declares, or else what the look found."""
    absent = {item["column"]: tuple(item["values"]) for item in found["columns"] if item["action"] == "as missing"}
    for name, values in settings.missing:
        kind = table.schema[name].kind
        if any(isinstance(value, str) != (kind == "text") for value in values) or (kind == "time" and values):
            raise MissingUnfit(
                f'missing gives "{name}" values of another kind than its own',
                why={"text": "it holds text", "number": "it holds numbers", "time": "it holds times"}[kind],
                fix='write texts in quotes and numbers without: missing = { kind = ["none"], pressure = [-1] }',
            )
        absent[name] = values
    return {name: absent[name] for name in used if absent.get(name)}


def _declared_missing(settings: LoopSettings) -> list[str]:
    return [
        f'"{name}": ' + (f"{', '.join(map(str, values))} count as missing" if values else "every value means what it says")
        + ", declared in the project file"
        for name, values in settings.missing
    ]  # fmt: skip


def _declared(task: Task, target: Target) -> Task:
    """The declared task. Raises TaskUnfit when the target has not the classes, or not the numbers, for it."""
    fits = {
        "binary": target.levels == 2,
        "multiclass": target.levels > 2,
        "regression": target.field.kind == "number",
    }
    if not fits[task]:
        kind = "texts" if target.field.kind == "text" else "values"
        raise TaskUnfit(
            f'a {task} model cannot be made of the target "{target.field.name}"',
            why=f"it has {target.levels:,} different {kind}",
            fix='leave task out of the project file, or write task = "auto": the target tells which it is',
        )
    return task


def _columns(
    table: Table, settings: LoopSettings, found: Mapping[str, Any]
) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """Columns to learn from, and those left out with their reasons. `keep` and `drop` overrule what was found."""
    reasons = {settings.target: "", **dict.fromkeys(settings.drop, "dropped in the project file")}
    if settings.weight:
        reasons[settings.weight] = "the row weights"
    structure = found["structure"]
    if structure["kind"] == "group" and structure["by"]:
        reasons.setdefault(structure["by"], "names the group that a row belongs to")
    for finding in [*found["leaks"], *found["columns"]]:
        column = finding["column"]
        if column is not None and finding["action"] == "leave out" and column not in settings.keep:
            reasons.setdefault(column, f"{finding['what']} ({finding['why']})")
    used = tuple(name for name in table.names if name not in reasons)
    left_out = [{"column": name, "why": reasons[name]} for name in table.names if reasons.get(name)]
    return used, left_out


def _plan(
    table: Table,
    target: Target,
    task: Task,
    *,
    settings: LoopSettings,
    found: Mapping[str, Any],
    used: tuple[str, ...],
) -> SplitPlan:
    """The split that the project file declares, or else the one that the data shows.

    Where rows stand in the table more than once, or nearly so, copies stay on one side of a random split too.
    """
    structure = found["structure"]
    kind, by = structure["kind"], structure["by"]
    confidence, why = structure["confidence"], structure["why"]
    if settings.split not in ("auto", kind):
        declared = {"time": settings.time, "group": settings.group, "random": None}[settings.split]
        kind, by, confidence, why = settings.split, declared, 1.0, "declared in the project file"
    if kind == "time" and by is None:
        by = "row_order"
    order = table[by] if kind == "time" and by in table else None
    groups = table[by] if kind == "group" and by in table else None
    if kind == "random" and any(finding["kind"] in _REPEATED for finding in found["columns"]):
        codes = target.values if target.field.kind == "number" else label_codes(target.values)
        groups = row_families(table, used, codes.astype(np.float64), settings.seed)
        why += "; rows stand in the table more than once, and copies are kept on one side"
    return plan_split(
        table.rows, kind=kind, by=by, order=order, groups=groups, target=target.values, task=task,
        seed=settings.seed, confidence=confidence, why=why,
    )  # fmt: skip


def _weights(table: Table, settings: LoopSettings) -> NDArray[np.float64] | None:
    if settings.weight is None:
        return None
    values = table[settings.weight]
    fine = values.dtype.kind == "f" and bool(np.isfinite(values).all()) and values.min() >= 0 and values.max() > 0
    if not fine:
        raise WeightInvalid(
            f'"{settings.weight}" cannot weigh rows',
            why="weights are finite numbers, none negative and not all zero",
            fix="mend the column, or name another one under weight",
        )
    return np.asarray(values, dtype=np.float64)


def _check_names(table: Table, settings: LoopSettings) -> None:
    single = {"time": settings.time, "group": settings.group, "weight": settings.weight}
    for key, name in single.items():
        check_columns(key, [name], table)
        if name == settings.target:
            raise RoleTaken(
                f'{key} names the target "{name}"', why="what is predicted cannot be known beforehand",
                fix=f"name another column under {key}, or none",
            )  # fmt: skip
    if settings.time is not None and table.schema[settings.time].kind == "text":
        sample = next((value for value in table[settings.time] if value is not None), None)
        shown = "" if sample is None or settings.time in settings.personal else f' such as "{sample[:40]}"'
        raise TimeUnordered(
            f'"{settings.time}" cannot order the rows in time',
            why=f"it holds text{shown}, and sorting that by its letters is not the order of time",
            fix="write its times as 2024-03-09 or 2024-03-09T14:00:00, or as numbers; or name another column under time",
        )
    check_columns("drop", settings.drop, table)
    check_columns("keep", settings.keep, table)
    check_columns("personal", settings.personal, table)
    check_columns("slices", settings.slices, table)
    check_columns("missing", [name for name, _ in settings.missing], table)
