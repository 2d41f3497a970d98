"""From staged columns to normalised arrays: types are inferred from the whole file, and every oddity is said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.data.sources.dates import DateForm, date_form, looks_like_dates
from flyball.data.sources.numbers import looks_like_numbers, plain_number, writing_of
from flyball.data.sources.staging import Staging, texts_of
from flyball.data.sources.trouble import MISSING_WORDS_SQL, Trouble, cell_of
from flyball_runtime.schema import MISSING_TIME, Field, Schema

__all__ = ["typed_columns"]

_BATCH = 200
_CENSUS_BATCH = 50  # planning many aggregates at once costs more than reading the table again
_ODD_SHARE = 0.05
_FEW_LEVELS = 20
_MOST_ODD = 3
_EXACT = 2**53
_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT", "UHUGEINT"}  # fmt: skip  # noqa: E501


@dataclass(frozen=True, slots=True)
class _Plan:
    """How one staged column becomes an array: a SQL expression, and the field it fills."""

    field: Field
    sql: str


@dataclass(slots=True)
class _Said:
    """What is found out about the columns on the way."""

    semicolons: bool
    notes: list[str] = dataclass_field(default_factory=list)
    troubles: list[Trouble] = dataclass_field(default_factory=list)


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
    stage: Staging,
    names: Sequence[str],
    *,
    from_text: bool,
    known: Schema | None = None,
    typed: bool = False,
    semicolons: bool = False,
) -> tuple[list[Field], dict[str, NDArray[Any]], list[str], list[Trouble]]:
    """The columns of `raw` as fields and normalised arrays, with notes, and the cells that do not fit their columns.

    `from_text`: the source has no types of its own, so that texts may be numbers and booleans. `known`:
    columns that stand in it as text stay text. `typed`: its numbers and times are read as such too where at least half of
    their cells are, and the others become missing. `semicolons`: the source separates its columns by them.
    """
    types = [str(row[1]) for row in stage.rows("DESCRIBE raw")]
    expected = {} if known is None else {field.name: field for field in known if field.kind != "text"}
    said = _Said(semicolons)
    texts = [index for index, kind in enumerate(types) if kind == "VARCHAR"]
    plans: dict[int, _Plan] = {}
    wide = _beyond_exact(stage, types)
    for index, kind in enumerate(types):
        if kind != "VARCHAR":
            plan = _typed_plan(index, names[index], kind, index in wide, said.notes)
            if plan:
                plans[index] = plan
    verbatim = {index for index in texts if known and names[index] in known and known[names[index]].kind == "text"}
    for index in verbatim:
        plans[index] = _Plan(
            Field(names[index], "text", "text"), f"CASE WHEN {cell_of(index)} IS NOT NULL THEN c{index} END"
        )
    texts = [index for index in texts if index not in verbatim]
    censuses = _census(stage, texts) if from_text else {}
    for index in texts:
        wanted = expected.get(names[index])
        found = _Said(semicolons)
        plans[index] = _text_plan(stage, index, names[index], censuses.get(index), found)
        if wanted is not None and plans[index].field.kind != wanted.kind:
            read = _as_known(stage, index, wanted, semicolons=semicolons) if typed else None
            if read is not None:
                plans[index], found = read
            elif plans[index].field.kind == "text":
                _unexpected(stage, index, names[index], wanted.kind, found)
        said.notes += found.notes
        said.troubles += found.troubles
    columns = _fetch(stage, plans)
    said.notes += _infinities(plans, columns)
    fields = [plans[index].field for index in sorted(plans)]
    arrays = {field.name: columns[index] for field, index in zip(fields, sorted(plans), strict=True)}
    return fields, arrays, said.notes, said.troubles


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
        cells = ", ".join(f"{cell_of(index)} AS v{index}, {plain_number(index)} AS n{index}" for index in batch)
        counts = ", ".join(
            f"count(v{index}), count(n{index}), count_if(n{index} <> trunc(n{index}) OR NOT isfinite(n{index})),"
            f" count_if(v{index} >= '00' AND v{index} < '0:'), greatest(max(n{index}), -min(n{index}), 0)"
            for index in batch
        )
        row = stage.rows(f"SELECT {counts} FROM (SELECT {cells} FROM raw)")[0]  # noqa: S608
        for place, index in enumerate(batch):
            result[index] = _Census(*row[5 * place : 5 * place + 5])
    whole = [index for index, census in result.items() if census.numbers and not census.points]
    for batch in _batches(whole, _CENSUS_BATCH):  # 1.0 and 1e3 are whole, but written as measurements are
        counts = ", ".join(
            f"count_if({plain_number(index)} IS NOT NULL AND regexp_matches(c{index}, '[.eE]'))" for index in batch
        )
        row = stage.rows(f"SELECT {counts} FROM raw")[0]  # noqa: S608
        result.update(
            (index, replace(result[index], points=points)) for index, points in zip(batch, row, strict=True) if points
        )
    return result


def _text_plan(stage: Staging, index: int, name: str, census: _Census | None, said: _Said) -> _Plan:
    """The narrowest type that holds a text column: number, boolean, time, else text."""
    verbatim = _Plan(Field(name, "text", "text"), f"CASE WHEN {cell_of(index)} IS NOT NULL THEN c{index} END")
    if census is not None:
        if census.cells == 0:
            return _Plan(Field(name, "number", "float"), "CAST(NULL AS DOUBLE)")
        if census.all_numbers:
            return _number_plan(index, name, census, said)
        if census.numbers == census.cells:
            said.notes.append(f'"{name}" holds codes with leading zeros: read as text')
            return _Plan(Field(name, "text", "text"), cell_of(index))
        plan = _boolean_plan(stage, index, name)
        if plan is None and looks_like_numbers(stage, index):
            plan = _written_plan(stage, index, name, census, said)
        if plan:
            return plan
    if looks_like_dates(stage, index):
        form = date_form(stage, index)
        if form is not None:
            return _date_plan(stage, index, name, form, said) or verbatim
    return verbatim


def _number_plan(index: int, name: str, census: _Census, said: _Said) -> _Plan:
    if census.points == 0 and census.largest >= _EXACT:
        said.notes.append(f'"{name}" holds whole numbers beyond 2^53, which lose digits as numbers: read as text')
        return _Plan(Field(name, "text", "text"), cell_of(index))
    logical = "integer" if census.points == 0 else "float"
    return _Plan(Field(name, "number", logical), f"TRY_CAST(c{index} AS DOUBLE)")


def _boolean_plan(stage: Staging, index: int, name: str) -> _Plan | None:
    cell = f"lower({cell_of(index)})"
    sample = stage.rows(f"SELECT DISTINCT {cell} AS v FROM raw WHERE {cell} IS NOT NULL LIMIT 3")  # noqa: S608
    if {row[0] for row in sample} <= {"true", "false"}:
        return _Plan(Field(name, "number", "boolean"), f"CAST({cell} = 'true' AS DOUBLE)")
    return None


def _written_plan(stage: Staging, index: int, name: str, census: _Census, said: _Said) -> _Plan | None:
    """A column of numbers in some writing, with a few other texts in it; None when it is a text column after all.

    A text among measurements (more than 20 different numbers, at most 5 % of the cells text) is an accident and
    becomes missing, and so are up to three cells in 100 or more of any numbers; more among few numbers are codes.
    """
    writing = writing_of(stage, index, semicolons=said.semicolons)
    cell = cell_of(index)
    numbers, words, levels, fractions = stage.rows(
        f"SELECT count(n), count_if(n IS NULL AND lower(v) IN ({MISSING_WORDS_SQL})), count(DISTINCT n),"  # noqa: S608
        f" count_if(n <> trunc(n)) FROM (SELECT {writing.sql} AS n, {cell} AS v FROM raw)"
    )[0]
    odd = census.cells - numbers
    worded = odd - words
    few = worded <= (_ODD_SHARE * census.cells if levels > _FEW_LEVELS else min(_MOST_ODD, census.cells // 100))
    if (census.coded and not writing.note) or numbers < census.cells / 2:
        return None
    if odd:
        said.troubles.append(
            Trouble(name, index, "numbers", odd, census.cells, few, _first_odd(stage, index, writing.sql))
        )
    if not few:
        return None
    if writing.note:
        said.notes.append(f'"{name}" {writing.note}')
    whole = census.points == 0 and not fractions and "decimal" not in writing.note
    return _Plan(Field(name, "number", "integer" if whole else "float", unit=writing.unit), writing.sql)


def _as_known(stage: Staging, index: int, wanted: Field, *, semicolons: bool) -> tuple[_Plan, _Said] | None:
    """A text column in the type that another table gave it, its other cells being missing; None when most are others."""
    cell, said = cell_of(index), _Said(semicolons)
    if wanted.kind == "number":
        noun, written = "numbers", writing_of(stage, index, semicolons=semicolons).sql
        truths = f"CASE lower({cell}) WHEN 'true' THEN 1.0 WHEN 'false' THEN 0.0 ELSE {written} END"
        read = truths if wanted.logical == "boolean" else written
    else:
        noun, form = "dates", date_form(stage, index)
        moment = form.sql if form is not None and form.sql is not None else f"TRY_CAST({cell} AS TIMESTAMP)"
        read = f"epoch_us({moment})"
    cells, fit = stage.rows(f"SELECT count({cell}), count({read}) FROM raw")[0]  # noqa: S608
    if 2 * fit < cells:
        return None
    if fit < cells:
        odd = _first_odd(stage, index, read)
        said.troubles.append(Trouble(wanted.name, index, noun, cells - fit, cells, True, odd))
    return _Plan(wanted, read), said


def _unexpected(stage: Staging, index: int, name: str, kind: str, said: _Said) -> None:
    """Tell of a column that a model knows as numbers or times and that is text here."""
    if any(trouble.index == index for trouble in said.troubles):
        return
    read = plain_number(index) if kind == "number" else f"TRY_CAST({cell_of(index)} AS TIMESTAMP)"
    cells, fit = stage.rows(f"SELECT count({cell_of(index)}), count({read}) FROM raw")[0]  # noqa: S608
    noun = "numbers" if kind == "number" else "dates"
    said.troubles.append(Trouble(name, index, noun, cells - fit, cells, False, _first_odd(stage, index, read)))


def _first_odd(stage: Staging, index: int, read: str, but: str = "TRUE") -> tuple[str, ...]:
    """The first three cells, in the order of the rows, that an expression does not read."""
    rows = stage.rows(
        f"SELECT c{index} FROM raw WHERE {cell_of(index)} IS NOT NULL AND ({read}) IS NULL AND {but} LIMIT 3"  # noqa: S608
    )
    return tuple(str(row[0]) for row in rows)


def _date_plan(stage: Staging, index: int, name: str, form: DateForm, said: _Said) -> _Plan | None:
    if form.sql is not None and form.odd:
        known = f"lower({cell_of(index)}) NOT IN ({MISSING_WORDS_SQL})"
        values = _first_odd(stage, index, form.sql, known)
        said.troubles.append(Trouble(name, index, "dates", form.odd, form.cells, form.usable, values))
    if form.note and (form.usable or form.sql is None):
        said.notes.append(f'"{name}": {form.note}')
    if not form.usable:
        return None
    return _Plan(Field(name, "time", "datetime" if form.clock else "date", unit=form.written), f"epoch_us({form.sql})")


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
