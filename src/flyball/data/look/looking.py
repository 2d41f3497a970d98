"""The look itself: all tests in order, and what follows from them."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from flyball.data.look.columns import column_findings, target_findings
from flyball.data.look.leaks import find_leaks
from flyball.data.look.missing import disguised_target
from flyball.data.look.personal import personal_columns
from flyball.data.look.repeats import repeated_rows
from flyball.data.look.report import Finding, Look, Structure
from flyball.data.look.structure import declared_structure, find_structure
from flyball.data.look.view import View, make_view
from flyball.data.table import Table
from flyball_runtime.errors import BadInput, near_miss
from flyball_runtime.schema import missing_mask

__all__ = ["ColumnUnknown", "look"]


class ColumnUnknown(BadInput):
    """A column that was named for the look (target, time or group) is not in the table."""

    code = "FB-LOOK-001"


def look(
    table: Table,
    target_name: str,
    *,
    task: str | None = None,
    time: str | None = None,
    group: str | None = None,
    literal: Collection[str] = (),
    seed: int = 0,
) -> Look:
    """Look at a table before training: leaks, how rows hang together, and what single columns are.

    `task` is binary, multiclass, regression, or None to infer it; `time` and `group` are what the user declared and
    then decide the structure; in `literal` columns no value is suspected to mean missing. Deterministic for a given
    seed. Rows without a target are not looked at. Raises ColumnUnknown.
    """
    for role, name in (("target", target_name), ("time", time), ("group", group)):
        if name is not None and name not in table:
            raise ColumnUnknown(
                f'there is no column "{name}" ({role})',
                fix=near_miss(name, table.names) or "give a column's name as it stands in the header",
            )
    hidden = [] if target_name in literal else _hidden_in_target(table, target_name)
    view = make_view(table, target_name, task, missing=[value for item in hidden for value in item.values])
    personal = personal_columns(table, target_name)
    if len(view) == 0:
        structure = declared_structure(view, time, group) or Structure("random", None, 0.0, "no row has a target")
        return Look(structure, [], personal, [f'no row has a value of "{target_name}"'])
    columns = column_findings(view, literal)
    # a text that never comes again as a whole says nothing to tests of whole values
    prose = {item.column for item in columns if item.kind == "free text" and item.column}
    nameless = prose | {item.column for item in columns if item.action == "leave out" and item.column}
    columns += repeated_rows(view, nameless, np.random.default_rng([seed, 4]))
    columns += [*hidden, *target_findings(table, target_name, view)]
    declared = {name for name in (time, group) if name}
    gone = prose | {item.column for item in columns if item.action == "leave out" and item.column}
    gone -= declared
    numbering = {item.column for item in columns if item.kind == "identifier" and item.column}
    numbering = {name for name in numbering if table.schema[name].kind == "number"}
    leaks = find_leaks(view, gone - numbering, seed)  # a row number may know the target: of a table sorted by it
    leaking = {str(leak.column) for leak in leaks if leak.action == "leave out"}
    structure = declared_structure(view, time, group) or find_structure(view, gone, leaking, seed)
    columns += _group_identifier(view, structure)
    return Look(structure, leaks, [*columns, *personal], _notes(view, structure))


def _hidden_in_target(table: Table, name: str) -> list[Finding]:
    field, values = table.schema[name], table[name]
    return disguised_target(field, values[~missing_mask(values, field.kind)])


def _group_identifier(view: View, structure: Structure) -> list[Finding]:
    """The column that names the groups: new groups have names that no model has seen."""
    if structure.kind != "group" or structure.by is None:
        return []
    why = f"{view.levels[structure.by]:,} values, and those to come are others"
    return [Finding("group identifier", structure.by, "names what rows belong to", why, "leave out")]


def _notes(view: View, structure: Structure) -> list[str]:
    notes = []
    if len(view) < view.table.rows:  # otherwise the reader knows
        notes.append(
            f"{len(view):,} of {view.table.rows:,} rows have a target, and were looked at as a {view.task} task"
        )
    if structure.kind == "random" and len(view) < 200:
        notes.append("with so few rows an order or groups may go unseen: declare them if there are any")
    return notes
