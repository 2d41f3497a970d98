"""How the rows are divided: what was declared, else what was found; with embargo, purge and test rows of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.config import parse_duration
from flyball.data import Finding, Table, Target, row_families
from flyball.evaluation import SplitImpossible, SplitKind, SplitPlan, Task, label_codes, plan_split
from flyball.pipeline.held_out import TestFileUnfit, copies_of_training, near_copies
from flyball.pipeline.settings import LoopSettings
from flyball_runtime.errors import BadInput
from flyball_runtime.schema import missing_mask

__all__ = ["Chosen", "Division", "EmbargoUnfit", "PurgeUnfit", "choose", "divide", "time_unit"]

_FEWEST_JUDGED = 2
ROW_ORDER = "row_order"


class EmbargoUnfit(BadInput):
    """An embargo is asked for where rows have no order in time, or as a time where the time column only counts."""

    code = "FB-PIPE-012"


class PurgeUnfit(BadInput):
    """Groups are to be purged, and no column is declared or found that names them."""

    code = "FB-PIPE-013"


@dataclass(frozen=True, slots=True)
class Chosen:
    """How rows hang together for this model.

    `group`: the column that names what they belong to, also beside a time; `clock`: the time that the look found.
    """

    kind: SplitKind
    by: str | None
    confidence: float
    why: str
    group: str | None = None
    clock: str | None = None


@dataclass(frozen=True, slots=True)
class Division:
    """The plan; test rows that are `copies` of training rows and so measured by nobody, and those that are `near`
    copies, which are measured and marked; `facts` for the evidence.
    """

    plan: SplitPlan
    copies: NDArray[np.intp]
    near: NDArray[np.intp]
    facts: Mapping[str, Any]
    findings: tuple[Mapping[str, Any], ...]


def choose(table: Table, settings: LoopSettings, found: Mapping[str, Any]) -> Chosen:
    """The structure that the settings declare, else the one that the look found. Raises SplitImpossible.

    With a time and a group, moments decide and plain counters give way to the group.
    """
    time, group = settings.time, settings.group
    kind, by = found["kind"], found["by"]
    own_group, clock = group or (by if kind == "group" else None), by if kind == "time" else None
    if settings.split != "auto" and settings.split != kind:  # noqa: PLR1714
        declared = {"time": time or ROW_ORDER, "group": own_group, "random": None}[settings.split]
        if settings.split == "group" and declared is None:
            raise _no_group(settings, "split")
        return Chosen(settings.split, declared, 1.0, "declared in the project file", own_group, clock)
    wanted = None if settings.split == "auto" else settings.split
    moment = time is not None and (table.schema[time].kind == "time" or time_unit(table, time) is not None)
    if time is not None and wanted != "group" and (group is None or moment or wanted == "time"):
        beside = f', beside the group "{group}"' if group else ""
        return Chosen("time", time, 1.0, f'"{time}" is declared as the time{beside}', own_group, clock)
    if group is not None and wanted != "time":
        return Chosen("group", group, 1.0, f'"{group}" is declared as what rows belong to', group, clock)
    return Chosen(kind, by, found["confidence"], found["why"], own_group, clock)


def divide(
    table: Table,
    target: Target,
    task: Task,
    *,
    settings: LoopSettings,
    chosen: Chosen,
    used: tuple[str, ...],
    judged: NDArray[np.bool_],
    repeats: bool,
) -> Division:
    """The plan for these rows. `judged`: (rows,) those of a test file; `repeats`: rows stand in the table more than once,
    or nearly so.

    Where rows repeat, copies stay on one side of a random split too. Raises SplitImpossible, EmbargoUnfit,
    PurgeUnfit or TestFileUnfit.
    """
    order = table[chosen.by] if chosen.kind == "time" and chosen.by is not None and chosen.by in table else None
    gap, embargo = _embargo(table, settings, chosen)
    if settings.purge and chosen.group is None:
        raise _no_group(settings, "purge")
    groups = table[chosen.group] if chosen.group is not None and (chosen.kind != "random" or settings.purge) else None
    why, columns = chosen.why, [*(table[name] for name in used), target.values]
    if chosen.kind == "random" and groups is None and repeats:
        codes = target.values if target.field.kind == "number" else label_codes(target.values)
        groups = row_families(table, used, codes.astype(np.float64), settings.seed)
        why += "; rows stand in the table more than once, and copies are kept on one side"
    marked: list[Finding] = []
    sides, copies, near = None, np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
    if judged.any():
        sides, copies = _sides(columns, judged, settings)
        near, marked = near_copies(table, target, used, judged, settings)
        near = np.setdiff1d(near, copies)
    plan = plan_split(
        table.rows, kind=chosen.kind, by=chosen.by, order=order, groups=groups, target=target.values, task=task,
        seed=settings.seed, gap=gap, embargo=embargo, purge=settings.purge, sides=sides,
        confidence=chosen.confidence, why=why,
    )  # fmt: skip
    facts = _facts(table, plan, settings, chosen, copies=copies, near=near)
    findings = [*_flattery(table, plan, chosen, settings), *(one.to_dict() for one in marked)]
    return Division(plan, copies, near, facts, tuple(findings))


def time_unit(table: Table, name: str) -> float | None:
    """How many units of a time column a second has: of times (microseconds), or of numbers that count since 1970."""
    field, values = table.schema[name], table[name]
    if field.kind == "time":
        return 1e6
    if field.kind != "number" or field.logical == "float":
        return None
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    low, high = float(known.min()), float(known.max())
    return next((scale for scale in (1.0, 1e3, 1e6) if 1e8 * scale <= low and high <= 4e9 * scale), None)


def _embargo(table: Table, settings: LoopSettings, chosen: Chosen) -> tuple[int, float]:
    """Rows, and units of the time column, to leave out. Raises EmbargoUnfit."""
    asked, where = settings.embargo, settings.place("embargo")
    if asked is None:
        return 0, 0.0
    if chosen.kind != "time":
        raise EmbargoUnfit(
            f"an embargo of {asked if isinstance(asked, str) else f'{asked:,} rows'} needs rows in the order of time",
            where=where,
            why=f"the split is {'at random' if chosen.kind == 'random' else 'by group'}: {chosen.why}",
            fix='name the time column: time = "COLUMN"; or write split = "time" where the rows stand in order',
        )
    if isinstance(asked, int):
        return asked, 0.0
    unit = time_unit(table, chosen.by) if chosen.by in table and chosen.by is not None else None
    if unit is None:
        what = "the order of rows has no clock" if chosen.by == ROW_ORDER else f'"{chosen.by}" holds plain numbers'
        raise EmbargoUnfit(
            f"an embargo of {asked} cannot be measured", where=where, why=what,
            fix="give it as a number of rows, such as embargo = 24; or name a column of times",
        )  # fmt: skip
    return 0, parse_duration(asked) * unit


def _no_group(settings: LoopSettings, setting: str) -> SplitImpossible | PurgeUnfit:
    error, asked = (SplitImpossible, 'split = "group"') if setting == "split" else (PurgeUnfit, "purge = true")
    return error(
        f"{asked} needs the groups", where=settings.place(setting),
        why="no column that names what rows belong to was declared, or found",
        fix='name their column: group = "COLUMN"',
    )  # fmt: skip


def _sides(
    columns: list[NDArray[Any]], judged: NDArray[np.bool_], settings: LoopSettings
) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], NDArray[np.intp]]:
    """Rows to learn from and, of a test file, those to judge by; and its copies of training rows."""
    train, test = np.flatnonzero(~judged), np.flatnonzero(judged)
    copies = copies_of_training(columns, train, test)
    left = np.setdiff1d(test, copies)
    if len(left) < _FEWEST_JUDGED:
        raise TestFileUnfit(
            f"{settings.test or 'the test table'} repeats the training rows",
            where=settings.place("data.test"),
            why=f"{len(copies):,} of its {len(test):,} rows with a target stand in training too",
            fix="give rows that the model has not seen, or leave test out: a split is made then",
        )
    return (train, left), copies


def _facts(
    table: Table,
    plan: SplitPlan,
    settings: LoopSettings,
    chosen: Chosen,
    *,
    copies: NDArray[np.intp],
    near: NDArray[np.intp],
) -> dict[str, Any]:
    """What the evidence says of the split beside its kind; `details` are the same in sentences."""
    shared = _shared(table, plan, chosen.group) if chosen.group else None
    facts: dict[str, Any] = {
        "test_file": settings.test,
        "embargo": settings.embargo, "embargo_rows": plan.embargoed,
        "group": chosen.group, "purge": settings.purge, "purged_rows": plan.purged, "shared_groups": shared,
        "copies": {"rows": len(copies)} if len(copies) else None,
        "near_copies": {"rows": len(near)} if len(near) else None,
    }  # fmt: skip
    details = []
    if settings.test is not None:
        details.append(f"the test rows are those of {settings.test}; nothing is learned from them")
    if len(copies):
        details.append(f"{len(copies):,} test rows are copies of training rows and are left out of the measurement")
    if len(near):
        details.append(
            f"{len(near):,} of the {len(plan.test):,} test rows are nearly copies of training rows, and flatter"
        )
    if settings.embargo is not None:
        asked = settings.embargo if isinstance(settings.embargo, str) else f"{settings.embargo:,} rows"
        details.append(f"an embargo of {asked}: {plan.embargoed:,} rows before the test are not learned from")
    if settings.purge:
        held = "no group of the test is" if not shared else f"{shared:,} groups of the test are"
        details.append(f'{held} learned from: {plan.purged:,} rows of "{chosen.group}" are left out')
    elif shared and plan.kind == "time":
        details.append(
            f'{shared:,} values of "{chosen.group}" stand in training and test alike; purge = true parts them'
        )
    return {**facts, "details": details}


def _shared(table: Table, plan: SplitPlan, group: str) -> int:
    """How many groups are learned from and tested on."""
    sides = []
    for rows in (plan.train, plan.test):
        values = table[group][rows]
        known = values[~missing_mask(values, table.schema[group].kind)]
        sides.append(set(known.tolist()))
    return len(sides[0] & sides[1])


def _flattery(table: Table, plan: SplitPlan, chosen: Chosen, settings: LoopSettings) -> tuple[Mapping[str, Any], ...]:
    """Where test rows of their own make a model look better than rows to come would."""
    if settings.test is None:
        return ()
    found = []
    time = settings.time or chosen.clock
    if time is not None and time in table:
        values, kind = table[time], table.schema[time].kind
        known = [values[rows][~missing_mask(values[rows], kind)] for rows in (plan.train, plan.test)]
        if len(known[0]) and len(known[1]):
            early = int((known[1] < known[0].max()).sum())
            if early:
                why = f"{early:,} of {len(plan.test):,} test rows lie before the last training row"
                found.append(_finding(time, "the test file does not come after training: its future was learned from", why,
                                      early))  # fmt: skip
    shared = _shared(table, plan, chosen.group) if chosen.group else 0
    if shared:
        why = f"{shared:,} of its values are learned from and tested on"
        found.append(_finding(str(chosen.group), "the test file holds groups that were learned from", why, shared))
    return tuple(found)


def _finding(column: str, what: str, why: str, count: int) -> dict[str, Any]:
    return {
        "kind": "flattering test", "column": column, "what": what, "why": why, "action": "mark",
        "evidence": {"count": float(count)},
    }  # fmt: skip
