"""From staged columns to normalised arrays: types are inferred from the whole file, and every oddity is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.data.sources.dates import DateForm, date_form
from flyball.data.sources.staging import Staging, texts_of
from flyball_runtime.schema import MISSING_TIME, Field, Schema

__all__ = ["MISSING_WORDS", "typed_columns"]

MISSING_WORDS = ("na", "n/a", "#n/a", "nan", "null", "none", "nil", "-", "--", "?", ".", "missing", "unknown")
_BATCH = 200
_CENSUS_BATCH = 50  # planning many aggregates at once costs more than reading the table again
_ODD_SHARE = 0.05
_EXACT = 2**53
_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT", "UHUGEINT"}  # fmt: skip  # noqa: E501

LineOf = Callable[[int, str], int | None]


@dataclass(frozen=True, slots=True)
class _Plan:
    """How one staged column becomes an array: a SQL expression, and the field it fills."""

    field: Field
    sql: str


@dataclass(frozen=True, slots=True)
class _Census:
    """Counts over the cells of one text column that are not blank."""

    cells: int
    numbers: int
    points: int
    coded: int
    largest: float

    @property
    def all_numbers(self) -> bool:
        return 0 < self.cells == self.numbers and self.coded == 0


def typed_columns(
    stage: Staging, names: Sequence[str], *, from_text: bool, known: Schema | None = None, line_of: LineOf | None = None
) -> tuple[list[Field], dict[str, NDArray[Any]], list[str]]:
    """The columns of `raw` as fields and normalised arrays, with notes.

    `from_text`: the source has no types of its own, so that texts may be numbers and booleans. `known`:
    columns that stand in it as text stay text. `line_of(column, value)` tells where a value first stands.
    """
    types = [str(row[1]) for row in stage.rows("DESCRIBE raw")]
    notes: list[str] = []
    texts = [index for index, kind in enumerate(types) if kind == "VARCHAR"]
    plans: dict[int, _Plan] = {}
    wide = _beyond_exact(stage, types)
    for index, kind in enumerate(types):
        if kind != "VARCHAR":
            plan = _typed_plan(index, names[index], kind, index in wide, notes)
            if plan:
                plans[index] = plan
    verbatim = {index for index in texts if known and names[index] in known and known[names[index]].kind == "text"}
    for index in verbatim:
        plans[index] = _Plan(
            Field(names[index], "text", "text"), f"CASE WHEN {_cell(index)} IS NOT NULL THEN c{index} END"
        )
    texts = [index for index in texts if index not in verbatim]
    censuses = _census(stage, texts) if from_text else {}
    for index in texts:
        plans[index] = _text_plan(stage, index, names[index], censuses.get(index), line_of=line_of, notes=notes)
    columns = _fetch(stage, plans)
    notes += _infinities(plans, columns)
    fields = [plans[index].field for index in sorted(plans)]
    return fields, {field.name: columns[index] for field, index in zip(fields, sorted(plans), strict=True)}, notes


def _typed_plan(index: int, name: str, kind: str, wide: bool, notes: list[str]) -> _Plan | None:
    """The plan of a column whose type the source declares; None when it cannot be a column of a model."""
    column = f"c{index}"
    if wide:
        notes.append(f'"{name}" holds whole numbers beyond 2^53, which lose digits as numbers: read as text')
        return _Plan(Field(name, "text", "text"), f"CAST({column} AS VARCHAR)")
    if kind == "BOOLEAN":
        return _Plan(Field(name, "number", "boolean"), f"CAST({column} AS DOUBLE)")
    if kind in _INTEGERS or (kind.startswith("DECIMAL") and kind.endswith(",0)")):
        return _Plan(Field(name, "number", "integer"), f"CAST({column} AS DOUBLE)")
    if kind in {"FLOAT", "DOUBLE"} or kind.startswith("DECIMAL") or kind in {'"NULL"', "NULL"}:
        return _Plan(Field(name, "number", "float"), f"CAST({column} AS DOUBLE)")
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        logical = "date" if kind == "DATE" else "datetime"
        zoned = kind.startswith("TIMESTAMPTZ") or "TIME ZONE" in kind
        moment = column if kind == "DATE" else f"CAST({column} AS {'TIMESTAMPTZ' if zoned else 'TIMESTAMP'})"
        return _Plan(Field(name, "time", logical), f"CASE WHEN isfinite({moment}) THEN epoch_us({moment}) END")
    if kind.startswith("TIME") or kind == "INTERVAL":
        notes.append(f'"{name}" holds times of day or durations: read as seconds')
        return _Plan(Field(name, "number", "float", unit="s"), f"CAST(epoch({column}) AS DOUBLE)")
    if kind.startswith("ENUM") or kind == "UUID":
        return _Plan(Field(name, "text", "text"), f"CAST({column} AS VARCHAR)")
    notes.append(f'"{name}" is left out: values of type {kind.lower()[:40]} cannot be used')
    return None


def _beyond_exact(stage: Staging, types: Sequence[str]) -> set[int]:
    """Integer columns with values that a float64 cannot hold exactly."""
    suspects = [index for index, kind in enumerate(types) if kind in {"BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT"}]
    found: set[int] = set()
    for batch in _batches(suspects):
        parts = ", ".join(f"coalesce(max(abs(CAST(c{index} AS DOUBLE))), 0)" for index in batch)
        largest = stage.rows(f"SELECT {parts} FROM raw")[0]  # noqa: S608
        found |= {index for index, value in zip(batch, largest, strict=True) if value >= _EXACT}
    return found


def _census(stage: Staging, texts: Sequence[int]) -> dict[int, _Census]:
    """Count, for each text column, what its cells could be."""
    result: dict[int, _Census] = {}
    for batch in _batches(texts, _CENSUS_BATCH):
        cells = ", ".join(
            f"{_cell(index)} AS v{index},"
            f" CASE WHEN NOT contains(c{index}, '_') THEN TRY_CAST(c{index} AS DOUBLE) END AS n{index}"
            for index in batch
        )
        counts = ", ".join(
            f"count(v{index}), count(n{index}), count_if(n{index} IS NOT NULL AND v{index} SIMILAR TO '.*[.eEnN].*'),"
            f" count_if(v{index} >= '00' AND v{index} < '0:'), greatest(max(n{index}), -min(n{index}), 0)"
            for index in batch
        )
        row = stage.rows(f"SELECT {counts} FROM (SELECT {cells} FROM raw)")[0]  # noqa: S608
        for place, index in enumerate(batch):
            result[index] = _Census(*row[5 * place : 5 * place + 5])
    return result


def _cell(index: int) -> str:
    return f"nullif(trim(c{index}), '')"


def _text_plan(
    stage: Staging, index: int, name: str, census: _Census | None, *, line_of: LineOf | None, notes: list[str]
) -> _Plan:
    """The narrowest type that holds a text column: number, boolean, time, else text."""
    cell = _cell(index)
    if census is not None:
        if census.cells == 0:
            return _Plan(Field(name, "number", "float"), "CAST(NULL AS DOUBLE)")
        if census.all_numbers:
            return _number_plan(index, name, census, notes)
        if census.numbers == 0 or census.numbers < census.cells:
            plan = _boolean_plan(stage, index, name) or _words_plan(
                stage, index, name, census, line_of=line_of, notes=notes
            )
            if plan:
                return plan
        if census.numbers == census.cells:
            notes.append(f'"{name}" holds codes with leading zeros: read as text')
            return _Plan(Field(name, "text", "text"), cell)
    form = date_form(stage, index, _missing_words())
    if form:
        return _date_plan(name, form, notes)
    return _Plan(Field(name, "text", "text"), f"CASE WHEN {cell} IS NOT NULL THEN c{index} END")


def _number_plan(index: int, name: str, census: _Census, notes: list[str]) -> _Plan:
    if census.points == 0 and census.largest >= _EXACT:
        notes.append(f'"{name}" holds whole numbers beyond 2^53, which lose digits as numbers: read as text')
        return _Plan(Field(name, "text", "text"), _cell(index))
    logical = "integer" if census.points == 0 else "float"
    return _Plan(Field(name, "number", logical), f"TRY_CAST(c{index} AS DOUBLE)")


def _boolean_plan(stage: Staging, index: int, name: str) -> _Plan | None:
    cell = f"lower({_cell(index)})"
    sample = stage.rows(f"SELECT DISTINCT {cell} AS v FROM raw WHERE {cell} IS NOT NULL LIMIT 3")  # noqa: S608
    if {row[0] for row in sample} <= {"true", "false"}:
        return _Plan(Field(name, "number", "boolean"), f"CAST({cell} = 'true' AS DOUBLE)")
    return None


def _words_plan(
    stage: Staging, index: int, name: str, census: _Census, *, line_of: LineOf | None, notes: list[str]
) -> _Plan | None:
    """A number column with a few words in it, or with decimal commas; None when it is a text column after all.

    A text among measurements (more than 20 different numbers, at most 5 % of the cells text) is an accident and
    becomes missing; among few numbers it is a code, and the column stays text.
    """
    cell = _cell(index)
    comma = f"TRY_CAST(replace({cell}, ',', '.') AS DOUBLE)"
    commas, plain, written = stage.rows(
        f"SELECT count({comma}) FILTER (regexp_matches({cell}, '^[+-]?[0-9]+(,[0-9]+)?$')),"  # noqa: S608
        f" count(*) FILTER (lower({cell}) IN ({_missing_words()})),"
        f" count(*) FILTER (contains({cell}, ',')) FROM raw"
    )[0]
    if written and commas + plain == census.cells:
        notes.append(f'"{name}" is written with decimal commas: read as numbers')
        return _Plan(Field(name, "number", "float"), comma)
    number = f"CASE WHEN NOT contains({cell}, '_') THEN TRY_CAST(c{index} AS DOUBLE) END"
    odd = census.cells - census.numbers
    levels = stage.rows(f"SELECT count(DISTINCT {number}) FROM raw")[0][0] if census.numbers else 0  # noqa: S608
    worded = odd - plain
    few = worded <= _ODD_SHARE * census.cells and levels > 20
    if census.coded or not census.numbers or (worded and not few) or odd > census.cells / 2:
        if census.numbers > census.cells / 2 and worded:
            notes.append(_said(stage, index, name, number, line_of=line_of, outcome="read as text"))
        return None
    notes.append(_said(stage, index, name, number, line_of=line_of, outcome=f"read as missing ({odd:,} in all)"))
    logical = "integer" if census.points == 0 else "float"
    return _Plan(Field(name, "number", logical), number)


def _said(stage: Staging, index: int, name: str, number: str, *, line_of: LineOf | None, outcome: str) -> str:
    """What broke a number column, where, and what was done."""
    cell = _cell(index)
    value = str(
        stage.rows(f"SELECT c{index} FROM raw WHERE {cell} IS NOT NULL AND ({number}) IS NULL LIMIT 1")[0][0]  # noqa: S608
    )
    line = line_of(index, value) if line_of else None
    shown = value if len(value) <= 40 else value[:37] + "…"
    place = f"line {line}" if line else "a row"
    return f'"{name}": {place} holds "{shown}" among numbers; {outcome}'


def _date_plan(name: str, form: DateForm, notes: list[str]) -> _Plan:
    if form.note:
        notes.append(f'"{name}": {form.note}')
    return _Plan(Field(name, "time", "datetime" if form.clock else "date", unit=form.written), f"epoch_us({form.sql})")


def _missing_words() -> str:
    return ", ".join(f"'{word}'" for word in MISSING_WORDS)


def _batches(indices: Sequence[int], size: int = _BATCH) -> Iterator[Sequence[int]]:
    for begin in range(0, len(indices), size):
        yield indices[begin : begin + size]


def _fetch(stage: Staging, plans: dict[int, _Plan]) -> dict[int, NDArray[Any]]:
    """Run the plans: numbers and times in batches, texts one at a time so that equal texts become one object."""
    result: dict[int, NDArray[Any]] = {}
    light = [index for index, plan in plans.items() if plan.field.kind != "text"]
    for batch in _batches(light):
        parts = ", ".join(f"{plans[index].sql} AS c{index}" for index in batch)
        arrays = stage.arrays(f"SELECT {parts} FROM raw")  # noqa: S608
        for index in batch:
            values = arrays.pop(f"c{index}")
            if plans[index].field.kind == "time":
                result[index] = np.ma.filled(values.astype(np.int64), MISSING_TIME)
            else:
                result[index] = np.ma.filled(np.ma.asarray(values, dtype=np.float64), np.nan)
    for index, plan in plans.items():
        if plan.field.kind == "text":
            values = stage.arrays(f"SELECT {plan.sql} AS v FROM raw")["v"]  # noqa: S608
            result[index] = texts_of(values)
    return result


def _infinities(plans: dict[int, _Plan], columns: dict[int, NDArray[Any]]) -> list[str]:
    notes = []
    for index, plan in plans.items():
        if plan.field.kind == "number":
            count = int(np.isinf(columns[index]).sum())
            if count:
                notes.append(f'"{plan.field.name}" holds {count:,} infinite values: kept as they are')
    return notes
