"""The second step: a look at the data decides the task, the split, and which columns may be learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl import encode_target, infer_task
from flyball.core.counting import counted
from flyball.data import Table, Target, look, prepare_target
from flyball.evaluation import SplitPlan, Task, default_metric, metric
from flyball.pipeline.absent import declared_otherwise, known_target, missing_notes, missing_values
from flyball.pipeline.held_out import TestFileUnfit, strange_to_training, too_few_to_judge
from flyball.pipeline.overrules import chosen_columns, chosen_missing, chosen_others
from flyball.pipeline.personal import finding_without_values, notes_without_values, personal_columns, seems_personal
from flyball.pipeline.plain import plain
from flyball.pipeline.read import DatasetVersion, check_columns
from flyball.pipeline.settings import LoopSettings
from flyball.pipeline.splitting import Chosen, choose, divide
from flyball.pipeline.steps import StepRunner
from flyball_runtime.errors import BadInput
from flyball_runtime.windows import WindowSpec

__all__ = [
    "Examined", "NothingToLearnFrom", "PositiveUnfit", "RoleTaken", "TaskUnfit", "TimeUnordered", "WeightInvalid",
    "examine",
]  # fmt: skip


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


class PositiveUnfit(BadInput):
    """The positive class does not occur in the target, or the target has not two classes."""

    code = "FB-PIPE-014"


class TimeUnordered(BadInput):
    """The column declared as the time holds text, which has no order in time: only times and numbers have."""

    code = "FB-PIPE-006"


@dataclass(frozen=True, slots=True)
class Examined:
    """What is learned, from which columns, and how it is tested. `table` holds the rows with a target.

    `split` says more of the plan than its kind; `copies` are rows of a test file that repeat training rows, `near`
    those that do so nearly; `overrules` tell where the project file goes another way than the look. `windows`: the
    window features among `used`, which `table` holds too; `windows_found` how they were found. `bought`: what each
    feature of related tables buys.
    """

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
    split: Mapping[str, Any]
    copies: NDArray[np.intp]
    near: NDArray[np.intp]
    overrules: tuple[Mapping[str, Any], ...]
    windows: WindowSpec | None = None
    windows_found: Mapping[str, Any] | None = None
    bought: Mapping[str, Any] | None = None


def examine(dataset: DatasetVersion, settings: LoopSettings, runner: StepRunner) -> Examined:
    """Look at a dataset version and decide. Raises BadInput when nothing can be learned from it."""
    _check_names(dataset.table, settings)
    target, hidden = known_target(dataset.table, settings)
    table = dataset.table.take(target.rows_kept).with_column(target.field, target.values)
    if len(table.names) == 1:
        raise NothingToLearnFrom(
            f'the table holds nothing but "{settings.target}"', where=dataset.name, fix="give it columns to learn from"
        )
    judged = target.rows_kept >= dataset.table.rows - dataset.test_rows
    training = _training(dataset, target, settings)
    choice = infer_task(training.values, training.field)
    task: Task = choice.task if settings.task == "auto" else _declared(settings, training)
    positive = _positive(training, task, settings)
    found = _look(dataset, table.take(~judged), settings, task, runner)
    found = {**found, "columns": [*(plain(item.to_dict()) for item in hidden), *found["columns"]]}
    personal = personal_columns(found, settings.personal, settings.public)
    chosen = choose(table.take(~judged), settings, found["structure"])
    texts = [name for name in personal if name != settings.target and table.schema[name].kind == "text"]
    used, left_out = _columns(table, settings, found, chosen, texts, dataset=dataset)
    if not used:
        raise NothingToLearnFrom(
            f'no column is left to learn "{settings.target}" from',
            where=dataset.name,
            facts={item["column"]: item["why"] for item in left_out[:8]},
            fix="give the table columns that say something about the target, or keep one on purpose: keep = [COLUMN]",
        )
    weights = _weights(table, settings)
    division = divide(
        table, target, task, settings=settings, chosen=chosen, used=used, judged=judged,
        repeats=any(finding["kind"] in _REPEATED for finding in found["columns"]),
    )  # fmt: skip
    strange = strange_to_training(table, division.plan.train, division.plan.test, settings) if judged.any() else []
    if judged.any():
        hid = settings.target in personal
        strange += too_few_to_judge(target, task, division.plan, settings, hidden=hid)
    pair = positive
    if positive is not None and positive[0] != positive[1] and settings.target in personal:
        pair = ("the later of the two", "the earlier of the two")
    of_columns = [
        *chosen_columns(settings, found, texts),
        *chosen_missing(declared_otherwise(table.take(~judged), settings), personal),
    ]
    of_others = chosen_others(settings, chosen, found["structure"], task=(choice.task, task), positive=pair)
    return Examined(
        table=table,
        target=target,
        task=task,
        task_why=choice.why if settings.task == "auto" else "declared",
        metric=_metric(settings, task),
        positive=settings.positive,
        used=used,
        left_out=tuple(left_out),
        personal=personal,
        leaks=tuple(found["leaks"]),
        findings=(*_told(found["columns"], used), *division.findings),
        plan=division.plan,
        weights=weights,
        missing=missing_values(table, settings, found, used),
        notes=(
            *dataset.notes,
            *notes_without_values(target.notes, personal),
            *found["notes"],
            *strange,
            *missing_notes(settings),
        ),
        split=division.facts,
        copies=division.copies,
        near=division.near,
        overrules=tuple(plain([*of_columns, *of_others])),
    )


def _look(
    dataset: DatasetVersion, table: Table, settings: LoopSettings, task: Task, runner: StepRunner
) -> dict[str, Any]:
    """What a look at the training rows finds by itself, without the values of personal columns.

    Declared columns are not told to it, so that what is declared can be held against what is found.
    """

    def work() -> dict[str, Any]:
        literal = [name for name, _ in settings.missing]
        made = plain(look(table, settings.target, task=task, literal=literal, seed=settings.seed).to_dict())
        personal = personal_columns(made, settings.personal, settings.public)
        told = {part: [finding_without_values(one, personal, table.names) for one in made[part]] for part in _FINDINGS}
        return {**made, **told}

    return runner.run(
        "look",
        {
            "dataset": dataset.version,
            "rows": table.rows,
            **settings.key("target", "personal", "public", "missing", "seed"),
            "task": task,
        },
        work,
        note=lambda made: f"split by {made['structure']['kind']}, {counted(len(made['leaks']), 'leak')}",
        usable=lambda made: all(part in made for part in ("structure", "notes", *_FINDINGS)),
    )


def _training(dataset: DatasetVersion, target: Target, settings: LoopSettings) -> Target:
    """The target of the rows that may be learned from: all, or those before a test file's. Raises TestFileUnfit."""
    if not dataset.test_rows:
        return target
    learned = dataset.table.rows - dataset.test_rows
    training = prepare_target(dataset.table.take(slice(0, learned)), settings.target)
    judged = target.values[target.rows_kept >= learned]
    called, where = settings.test or "the test table", settings.place("data.test")
    if not len(judged):
        raise TestFileUnfit(
            f'{called} has no row with a value of "{settings.target}"', where=where,
            why="a model is judged by what was true", fix=f'give test rows in which "{settings.target}" is known',
        )  # fmt: skip
    unseen = set(judged.tolist()) - set(training.values.tolist())
    if unseen and infer_task(training.values, training.field).task != "regression" and settings.task != "regression":
        raise TestFileUnfit(
            f'{called} has {counted(len(unseen), "class")} of "{settings.target}" that no training row has', where=where,
            why="a model cannot name a class that it never saw, and so cannot be judged by it",
            fix="write the classes alike in both files, or move some of these rows into training",
        )  # fmt: skip
    return training


def _positive(target: Target, task: Task, settings: LoopSettings) -> tuple[Any, Any] | None:
    """The class that matters by default and the one asked for; None when nothing is asked. Raises PositiveUnfit."""
    if settings.positive is None:
        return None
    where, hidden = settings.place("positive"), settings.target in settings.personal
    if task != "binary":
        raise PositiveUnfit(
            "a positive class is for a target with two classes", where=where,
            why=f"this is a {task} model", fix="leave positive out",
        )  # fmt: skip
    try:
        first = encode_target(target.values, task, field=target.field).classes
        labels = encode_target(target.values, task, field=target.field, positive=settings.positive).classes
    except BadInput as error:
        told = None if hidden else error.why
        raise PositiveUnfit(
            f'the positive class does not occur in "{settings.target}"' if hidden else error.what,
            where=where, why=told, fix="write one of its two classes" if hidden else error.fix,
        ) from error  # fmt: skip
    assert first is not None
    assert labels is not None
    return first[1], labels[1]


def _metric(settings: LoopSettings, task: Task) -> str:
    return (
        metric(settings.metric, task, where=settings.place("metric")).name if settings.metric else default_metric(task)
    )


def _declared(settings: LoopSettings, target: Target) -> Task:
    """The declared task. Raises TaskUnfit when the target has not the classes, or not the numbers, for it."""
    task = settings.task
    assert task != "auto"
    fits = {
        "binary": target.levels == 2,
        "multiclass": target.levels > 2,
        "regression": target.field.kind == "number",
    }
    if not fits[task]:
        kind = "texts" if target.field.kind == "text" else "values"
        raise TaskUnfit(
            f'a {task} model cannot be made of the target "{target.field.name}"',
            where=settings.place("task"),
            why=f"it has {target.levels:,} different {kind}",
            fix='leave task out of the project file, or write task = "auto": the target tells which it is',
        )
    return task


def _columns(
    table: Table, settings: LoopSettings, found: Mapping[str, Any], chosen: Chosen, texts: Sequence[str],
    *, dataset: DatasetVersion,
) -> tuple[tuple[str, ...], list[dict[str, str]]]:  # fmt: skip
    """Columns to learn from, and those left out with their reasons. `keep` and `drop` overrule what was found.

    texts: personal columns that hold text; their values would stand in the model.
    """
    reasons = {settings.target: "", **dict.fromkeys(settings.drop, "dropped in the project file")}
    if settings.weight:
        reasons[settings.weight] = "the row weights"
    if chosen.kind == "group" and chosen.by and chosen.by not in settings.keep:
        reasons.setdefault(chosen.by, "names the group that a row belongs to")
    for finding in [*found["leaks"], *found["columns"]]:
        column = finding["column"]
        if _other_group(finding, chosen):
            continue
        if column is not None and finding["action"] == "leave out" and column not in settings.keep:
            reasons.setdefault(column, f"{finding['what']} ({finding['why']})")
    for name in texts:
        if name not in settings.keep:
            reasons.setdefault(name, "is personal text, whose values would become part of the model")
    if settings.known:
        reasons.setdefault(settings.known, f'says when "{settings.target}" became known, which is afterwards')
    leaks = {finding["column"] for finding in found["leaks"] if finding["column"] in reasons}
    for name, feature in dataset.made.items():
        if feature["hops"][-1][1] == dataset.name and feature["column"] in leaks and name not in settings.keep:
            reasons.setdefault(name, f'is made from "{feature["column"]}", which knows the answer')
    used = tuple(name for name in table.names if name not in reasons)
    left_out = [{"column": name, "why": reasons[name]} for name in table.names if reasons.get(name)]
    return used, left_out


def _told(findings: Sequence[Mapping[str, Any]], used: Sequence[str]) -> list[Mapping[str, Any]]:
    """The findings of columns, but that one is read by its words only where it is read at all."""
    return [one for one in findings if one["kind"] != "free text" or one["column"] in used]


def _other_group(finding: Mapping[str, Any], chosen: Chosen) -> bool:
    """Whether a column was only found to name groups where another order or group was declared."""
    return finding["kind"] == "group identifier" and chosen.kind != "random" and finding["column"] != chosen.by


def _weights(table: Table, settings: LoopSettings) -> NDArray[np.float64] | None:
    if settings.weight is None:
        return None
    values = table[settings.weight]
    fine = values.dtype.kind == "f" and bool(np.isfinite(values).all()) and values.min() >= 0 and values.max() > 0
    if not fine:
        raise WeightInvalid(
            f'"{settings.weight}" cannot weigh rows',
            where=settings.place("weight"),
            why="weights are finite numbers, none negative and not all zero",
            fix="mend the column, or name another one under weight",
        )
    return np.asarray(values, dtype=np.float64)


def _check_names(table: Table, settings: LoopSettings) -> None:
    single = {"time": settings.time, "group": settings.group, "weight": settings.weight}
    for key, name in single.items():
        check_columns(key, [name], table, settings.place(key))
        if name is not None and name == settings.target:
            raise RoleTaken(
                f'{key} names the target "{name}"', where=settings.place(key),
                why="what is predicted cannot be known beforehand", fix=f"name another column under {key}, or none",
            )  # fmt: skip
    _check_pairs(settings)
    if settings.time is not None and table.schema[settings.time].kind == "text":
        hidden = seems_personal(table.select([settings.time]), settings.personal, settings.public)
        sample = next((value for value in table[settings.time] if value is not None), None)
        shown = "" if sample is None or settings.time in hidden else f' such as "{sample[:40]}"'
        raise TimeUnordered(
            f'"{settings.time}" cannot order the rows in time',
            where=settings.place("time"),
            why=f"it holds text{shown}, and sorting that by its letters is not the order of time",
            fix="write its times as 2024-03-09 or 2024-03-09T14:00:00, or as numbers; or name another column under time",
        )
    for setting in ("drop", "keep", "personal", "public", "slices"):
        check_columns(setting, getattr(settings, setting), table, settings.place(setting))
    check_columns("missing", [name for name, _ in settings.missing], table, settings.place("data.missing"))
    check_columns("known", [settings.known], table, settings.place("data.known"))


def _check_pairs(settings: LoopSettings) -> None:
    """Raises RoleTaken when one column is asked to play two parts that exclude each other."""
    parts = [("time", settings.time), ("group", settings.group), ("weight", settings.weight)]
    taken: dict[str, str] = {}
    for key, name in parts:
        if name is None:
            continue
        if name in taken:
            raise RoleTaken(
                f'"{name}" is both {taken[name]} and {key}', where=settings.place(key),
                why="one column orders rows, ties them together or weighs them, not two of these",
                fix=f"name another column under {key}, or none",
            )  # fmt: skip
        taken[name] = key
    if settings.weight is not None and settings.weight in settings.keep:
        raise RoleTaken(
            f'"{settings.weight}" weighs the rows and stands in keep', where=settings.place("keep"),
            why="a row's weight says how much it counts, and is not learned from",
            fix="take it out of keep, or name another column under weight",
        )  # fmt: skip
