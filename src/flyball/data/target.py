"""The column that a model learns to predict, checked before any time is spent on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.core.counting import counted
from flyball.data.sources.trouble import Note
from flyball.data.table import Table
from flyball_runtime.errors import BadInput, near_miss
from flyball_runtime.schema import Field, missing_mask

__all__ = [
    "Target",
    "TargetConstant",
    "TargetMissing",
    "TargetUnknown",
    "TargetUnusable",
    "TooFewRows",
    "prepare_target",
]

_FEWEST_ROWS = 10
_MOST_CLASSES = 100
_LARGEST = 1e60  # intervals square squared errors, which reach 1e240; summed over rows that is still a number


class TargetUnknown(BadInput):
    """The table has no column of the target's name."""

    code = "FB-TARGET-001"


class TargetMissing(BadInput):
    """The target is missing in every row."""

    code = "FB-TARGET-002"


class TargetConstant(BadInput):
    """The target has the same value in every row: there is nothing to tell apart."""

    code = "FB-TARGET-003"


class TooFewRows(BadInput):
    """Fewer than 10 rows have a target: too few to learn from and to check what was learnt."""

    code = "FB-TARGET-004"


class TargetUnusable(BadInput):
    """The target is of a kind that models cannot predict: a moment in time, a text that never repeats, or huge numbers."""

    code = "FB-TARGET-005"


@dataclass(frozen=True, slots=True)
class Target:
    """The target of the rows that have one.

    `values`: (kept,) normalised, none missing; `rows_kept`: (kept,) positions in the table; `notes` say what was left
    out. `levels` counts the different values.
    """

    values: NDArray[Any]
    field: Field
    rows_kept: NDArray[np.intp]
    notes: list[str]
    levels: int


def prepare_target(table: Table, name: str, missing: Sequence[Any] = ()) -> Target:
    """The target column of a table. Rows without one, or with an infinite one, are left out and counted in `notes`; so
    are rows with one of the `missing` values, which only stand for a target that is not known.

    Raises TargetUnknown, TargetMissing, TargetConstant, TooFewRows or TargetUnusable.
    """
    if name not in table:
        raise TargetUnknown(
            f'there is no column "{name}" to predict',
            where=_columns(table),
            why=_one_column(table),
            fix=near_miss(name, table.names) or "give the target as it stands in the header",
        )
    field, values = table.schema[name], table[name]
    values, said = _labels(values, field)
    if field.kind == "time":
        raise TargetUnusable(
            f'the target "{name}" is a moment in time',
            where=f'column "{name}"',
            fix="make a number of it, for example the hours until then",
        )
    kept, notes = _rows_with_target(values, field, missing)
    present = values[kept]
    levels = len(np.unique(present)) if field.kind == "number" else len(set(present.tolist()))
    _check(name, present, levels, table.rows, field)
    return Target(present, field, kept, said + notes, levels)


def _labels(values: NDArray[Any], field: Field) -> tuple[NDArray[Any], list[str]]:
    """The labels without blanks around them, and what to say of those and of labels that differ only in case."""
    if field.kind != "text":
        return values, []
    bare = {label: label.strip() for label in set(values.tolist()) if label is not None}
    notes: list[str] = []
    if any(label != text for label, text in bare.items()):
        stripped = np.empty(len(values), dtype=object)
        stripped[:] = [None if label is None else bare[label] for label in values.tolist()]
        count = sum(label is not None and label != bare[label] for label in values.tolist())
        notes.append(
            f'the target "{field.name}" has blanks around its value in {counted(count, "row")}: they are taken off'
        )
        values = stripped
    spelt: dict[str, set[str]] = {}
    for text in bare.values():
        spelt.setdefault(text.casefold(), set()).add(text)
    alike = sorted(sorted(texts) for texts in spelt.values() if len(texts) > 1)
    if alike and len(spelt) <= _MOST_CLASSES:
        what = f'the target "{field.name}" has classes that differ only in case'
        shown = "; ".join(" and ".join(f'"{text}"' for text in texts) for texts in alike[:3])
        outcome = "they count as different classes"
        notes.append(Note(f"{what} ({shown}): {outcome}", column=field.name, plain=f"{what}: {outcome}"))
    return values, notes


def _rows_with_target(
    values: NDArray[Any], field: Field, standing_for_missing: Sequence[Any]
) -> tuple[NDArray[np.intp], list[str]]:
    missing = missing_mask(values, field.kind)
    for value in standing_for_missing:
        missing |= values == value
    infinite = np.isinf(values) if field.kind == "number" else np.zeros(len(values), dtype=bool)
    notes = [
        f'{count:,} row{" is" if count == 1 else "s are"} left out: the target "{field.name}" is {word} there'
        for count, word in ((int(missing.sum()), "missing"), (int(infinite.sum()), "infinite"))
        if count
    ]
    return np.flatnonzero(~missing & ~infinite), notes


def _check(name: str, present: NDArray[Any], levels: int, rows: int, field: Field) -> None:
    where = f'column "{name}"'
    if not len(present):
        raise TargetMissing(
            f'the target "{name}" is missing in all {rows:,} rows', where=where, fix="choose another target"
        )
    if len(present) < _FEWEST_ROWS:
        raise TooFewRows(
            f'{counted(len(present), "row")} with a target "{name}" {"are" if len(present) != 1 else "is"} too few',
            where=where,
            why=f"at least {_FEWEST_ROWS} are needed, so that some can be held back to check the model",
            fix="give more rows",
        )
    if levels == 1:
        raise TargetConstant(
            f'the target "{name}" is the same in all {len(present):,} rows',
            where=where,
            fix="choose another target, or give rows of the other outcomes too",
        )
    if field.kind == "number" and float(np.abs(present.astype(np.float64)).max()) > _LARGEST:
        raise TargetUnusable(
            f'the target "{name}" has values beyond {_LARGEST:.0e}',
            where=where,
            why="squares of errors that large are no numbers any more, so no quality could be stated",
            fix="give it in a larger unit, or its logarithm; or leave out the rows in which it is a stand-in for missing",
        )
    if field.kind == "text" and levels > max(20, len(present) // 2):
        raise TargetUnusable(
            f'the target "{name}" has {counted(levels, "different text")} in {counted(len(present), "row")}',
            where=where,
            why="hardly any repeats, so there are no classes to learn",
            fix="choose a target with few classes, or one that is a number",
        )


def _one_column(table: Table) -> str | None:
    """What may be wrong with a table whose only column has a name like a whole header."""
    if len(table.names) > 1 or not any(mark in table.names[0].strip() for mark in " ,;|:\t"):
        return None
    return "the table has one column only: its delimiter is none of comma, semicolon, tab and |"


def _columns(table: Table) -> str:
    names = ", ".join(f'"{name}"' for name in table.names[:8])
    return f"columns {names}" + (f" and {len(table.names) - 8} more" if len(table.names) > 8 else "")
