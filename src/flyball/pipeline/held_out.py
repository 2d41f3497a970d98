"""Test rows from a file of their own: held against the training table, learned from never, and said where they flatter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.data import (
    Contract,
    Finding,
    Note,
    Read,
    Table,
    Target,
    check_contract,
    content_digest,
    infer_contract,
    near_copies_across,
    read_source,
)
from flyball.evaluation import FEWEST_UNITS, SplitPlan, Task, label_codes
from flyball.pipeline.absent import cells_without_value
from flyball.pipeline.personal import seems_personal
from flyball.pipeline.settings import LoopSettings
from flyball_runtime.errors import BadInput, near_miss
from flyball_runtime.schema import Field, missing_mask
from flyball_runtime.score import class_label

__all__ = [
    "Joined",
    "TestFileUnfit",
    "copies_of_training",
    "near_copies",
    "strange_to_training",
    "too_few_to_judge",
    "with_test",
]

Indices = NDArray[np.intp]
_FEWEST_OF_CLASS = 2  # for its ROC curve


class TestFileUnfit(BadInput):
    """A test file cannot judge the model: a column or class is missing or of another type, or it repeats the training rows."""

    code = "FB-PIPE-011"
    __test__ = False  # no test case of this program, whatever its name


@dataclass(frozen=True, slots=True)
class Joined:
    """A training table with `rows` test rows behind it; `digest` is that of the test rows alone."""

    table: Table
    rows: int
    digest: str
    notes: Sequence[str]


def with_test(train: Table, test: Any, settings: LoopSettings, *, drop: Sequence[str]) -> Joined:
    """Read test rows in the types of the training table and put them behind it. Raises TestFileUnfit."""
    read = read_source(test, schema=train.schema, typed=True)
    given, called = read.table, settings.test or "the test table"
    _check_columns(train, read, settings, called)
    extra = [name for name in given.names if name not in train and name not in drop]
    notes: list[str] = [_of(called, note) for note in read.notes]
    if extra:
        listed = ", ".join(f'"{name}"' for name in extra[:5]) + (", …" if len(extra) > 5 else "")
        notes.append(f"{called}: the training rows have no {listed}; passed over")
    columns = {field.name: _as(field, given.schema[field.name], given[field.name]) for field in train.schema}
    judged = Table(train.schema, columns)
    digest = content_digest(judged)
    if digest == content_digest(train):
        raise TestFileUnfit(
            f"{called} holds the training rows", where=settings.place("data.test"),
            why="what a model has seen cannot judge it", fix="give other rows, or leave test out: a split is made then",
        )  # fmt: skip
    joined = Table(train.schema, {name: np.concatenate([train[name], columns[name]]) for name in train.names})
    return Joined(joined, judged.rows, digest, notes)


def _of(called: str, note: str) -> Note:
    """A note of the test rows, which still knows whose values it quotes."""
    own = note if isinstance(note, Note) else Note(note)
    return Note(f"{called}: {own}", column=own.column, plain=None if own.plain is None else f"{called}: {own.plain}")


def _check_columns(train: Table, read: Read, settings: LoopSettings, called: str) -> None:
    where, given = settings.place("data.test"), read.table
    missing = [name for name in train.names if name not in given]
    if missing:
        hints = [hint for name in missing[:3] if (hint := near_miss(name, [n for n in given.names if n not in train]))]
        raise TestFileUnfit(
            f"{called} lacks {len(missing)} of the {len(train.names)} training columns",
            where=where,
            why=", ".join(f'"{name}"' for name in missing[:8]) + (", …" if len(missing) > 8 else ""),
            fix="; ".join(hints) or "add the columns, or drop them from both under [data.NAME]: drop = [COLUMN]",
        )
    for field in train.schema:
        other = given.schema[field.name]
        if other.kind != field.kind and not missing_mask(given[field.name], other.kind).all():
            raise TestFileUnfit(
                f'"{field.name}" holds {other.kind}s in {called} and {field.kind}s in the training rows',
                where=where,
                why=_cells(read, field.name, settings) or "a model learned from the one cannot read the other",
                fix="write the column alike in both files, or drop it from both under [data.NAME]: drop = [COLUMN]",
            )


def _cells(read: Read, name: str, settings: LoopSettings) -> str:
    """The first cells that are not of the column's type, with their lines; without their values if it is personal."""
    trouble = next((one for one in read.troubles if one.column == name), None)
    if trouble is None:
        return ""
    hidden = name in seems_personal(read.table.select([name]), settings.personal, settings.public)
    noun = "1 cell is" if trouble.odd == 1 else f"{trouble.odd:,} cells are"
    listed = trouble.where(values=not hidden)
    return f"{noun} no {trouble.kind}, of {trouble.cells:,}" + (f": {listed}" if listed else "")


def _as(field: Field, given: Field, values: NDArray[Any]) -> NDArray[Any]:
    """The column in the training table's kind; only one without any value can differ."""
    if given.kind == field.kind:
        return values
    return cells_without_value(len(values), field.kind)


def strange_to_training(table: Table, train: Indices, test: Indices, settings: LoopSettings) -> list[str]:
    """What the test rows break of the contract that the training rows keep, in sentences that quote no value."""
    called = settings.test or "the test table"
    promised = infer_contract(table.take(train))
    promised = Contract(tuple(column for column in promised.columns if column.name != settings.target))
    said = {
        "levels": "values that no training row has",
        "range": "values far outside those of the training rows",
        "missing": "missing values, of which the training rows have none",
    }
    return [
        f'{called}: "{broken.column}" has {said[broken.rule]} ({broken.rows:,} of {len(test):,} rows)'
        for broken in check_contract(table.take(test), promised)
        if broken.rule in said
    ]


def copies_of_training(columns: Sequence[NDArray[Any]], train: Indices, test: Indices) -> Indices:
    """Test rows that agree with a training row in every column, if they are more than coarse columns bring by chance.

    columns: the target and what is learned from, each (rows,). Chance takes the columns as independent, with a margin
    of ten, as the look does for rows that repeat within one table.
    """
    whole = np.zeros(len(columns[0]), dtype=np.int64)
    log_same = 0.0
    for values in columns:
        codes = _codes(np.asarray(values))
        whole = label_codes(whole * (int(codes.max()) + 1) + codes)
        number = int(codes.max()) + 1
        left, right = (np.bincount(codes[rows], minlength=number) / len(rows) for rows in (train, test))
        log_same += float(np.log(max(float(left @ right), 1e-300)))
    copies = test[np.isin(whole[test], np.unique(whole[train]))]
    expected = len(train) * len(test) * float(np.exp(max(log_same, -700)))
    if len(copies) <= 10 * min(expected, len(test)):
        return np.empty(0, dtype=np.intp)
    return copies


def near_copies(
    table: Table, target: Target, used: Sequence[str], judged: NDArray[np.bool_], settings: LoopSettings
) -> tuple[Indices, list[Finding]]:
    """Test rows that are nearly copies of training rows, (copies,), with the finding that says so.

    They are judged by all the same, for no rule tells how near is too near, and the finding is marked.
    """
    codes = target.values if target.field.kind == "number" else label_codes(target.values)
    rows, why = near_copies_across(table, used, codes.astype(np.float64), judged, settings.seed)
    if not len(rows):
        return rows, []
    what = "the test file holds rows that are nearly copies of training rows: the test figures flatter"
    why = f"{len(rows):,} of {int(judged.sum()):,} test rows; {why}"
    return rows, [Finding("near-duplicate rows", None, what, why, "mark", {"rows": float(len(rows))})]


def too_few_to_judge(target: Target, task: Task, plan: SplitPlan, settings: LoopSettings, *, hidden: bool) -> list[str]:
    """What the test rows are too few for, in sentences. hidden: no class of the target is named."""
    called, judged = settings.test or "the test table", plan.test
    units = plan.units_of(judged)
    count = len(judged) if units is None else len(np.unique(units))
    told = []
    if count < FEWEST_UNITS:
        rows = "1 row" if len(judged) == 1 else f"{len(judged):,} rows"
        of = "" if count == len(judged) else f" of {count:,} independent {plan.unit}s"
        told.append(f"{called}: {rows}{of} to judge by can tell little: intervals are wide, and gates may not pass")
    if task == "regression":
        return told
    names, counts = np.unique(target.values[np.concatenate([plan.train, judged])], return_inverse=True)
    rows_of = np.bincount(counts[len(plan.train) :], minlength=len(names))
    scarce = [str(class_label(name)) for name in names[rows_of < _FEWEST_OF_CLASS]]
    if scarce:
        listed = ", ".join(f'"{name}"' for name in scarce[:5]) + (", …" if len(scarce) > 5 else "")
        which = f"{len(scarce):,} of {len(names):,} classes" + ("" if hidden else f" ({listed})")
        without = "roc_auc cannot be measured" if len(names) == 2 else "they do not count in roc_auc"
        told.append(f"{called}: fewer than {_FEWEST_OF_CLASS} test rows of {which}: {without}")
    return told


def _codes(values: NDArray[Any]) -> NDArray[np.int64]:
    """Codes from 0, (rows,): as `label_codes`, but all missing cells are alike."""
    if values.dtype == object:
        return label_codes(np.array(["" if value is None else f"={value}" for value in values], dtype=object))
    return np.unique(values, return_inverse=True)[1].astype(np.int64)
