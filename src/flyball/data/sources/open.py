"""One way in for every table: a file, a folder of files, or an object in memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flyball.data.sources.columns import typed_columns
from flyball.data.sources.csv_file import load_csv
from flyball.data.sources.csv_text import line_of_value
from flyball.data.sources.memory import read_memory
from flyball.data.sources.parquet_file import load_parquet
from flyball.data.sources.staging import SourceDamaged, SourceEmpty, staging
from flyball.data.table import Table
from flyball_runtime.errors import BadInput, near_miss
from flyball_runtime.schema import Schema

__all__ = ["Read", "SourceMissing", "SourceUnreadable", "read_source"]

_CSV = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz")
_PARQUET = (".parquet", ".pq")


class SourceMissing(BadInput):
    """The file or folder of a data source does not exist."""

    code = "FB-DATA-001"


class SourceUnreadable(BadInput):
    """A data source exists but is no table: an unknown kind of file, a folder without tables, no permission."""

    code = "FB-DATA-002"


@dataclass(frozen=True, slots=True)
class Read:
    """A table as read; `notes` say what was handled on the way, `name` what the source calls itself."""

    table: Table
    notes: list[str]
    name: str


def read_source(source: Any, *, name: str | None = None, schema: Schema | None = None) -> Read:
    """Read a CSV, TSV or Parquet file, a folder of them, or a table in memory (pandas, Polars, Arrow, mapping).

    `schema` is that of the model which the table is for: text columns in it are read as text whatever they look like.
    Raises SourceMissing, SourceUnreadable, SourceEmpty, SourceDamaged, DuplicateColumns, RaggedLines, SourcesDiffer
    or WrongEncoding; each says what, where and how to go on.
    """
    if not isinstance(source, (str, os.PathLike)):
        table, notes = read_memory(source)
        if table.rows == 0 or not table.names:
            raise SourceEmpty("the table has no rows" if table.names else "the table has no columns")
        return Read(table, notes, name or "table")
    path = Path(source).expanduser()
    files = _files(path)
    try:
        read = _read_parquet if _is(files[0], _PARQUET) else _read_csv
        table, notes = read(files, schema)
    except OSError as error:
        raise SourceUnreadable(
            f"cannot read {path.name}", where=str(path), why=error.strerror or str(error), fix="check its permissions"
        ) from error
    return Read(table, notes, name or path.name.split(".")[0])


def _read_csv(files: list[Path], known: Schema | None) -> tuple[Table, list[str]]:
    with staging(files, ".csv") as stage:
        form, notes = load_csv(stage)

        def line_of(column: int, value: str) -> int | None:
            return line_of_value(form, column, value) if len(files) == 1 else None

        fields, columns, said = typed_columns(stage, form.names, from_text=True, known=known, line_of=line_of)
        return Table(Schema(tuple(fields)), columns), notes + said


def _read_parquet(files: list[Path], known: Schema | None) -> tuple[Table, list[str]]:
    for file in files:
        with file.open("rb") as stream:
            head = stream.read(4)
        if head and head != b"PAR1":
            raise SourceDamaged(
                f"{file.name} is not a Parquet file",
                where=str(file),
                why="it does not begin with the mark PAR1",
                fix="export it again, or give it the ending .csv when it is a text table",
            )
    with staging(files, ".parquet") as stage:
        names = load_parquet(stage)
        fields, columns, notes = typed_columns(stage, names, from_text=False, known=known)
        return Table(Schema(tuple(fields)), columns), notes


def _files(path: Path) -> list[Path]:
    """The files that make up a source, in the order of their names."""
    if not path.exists():
        raise _missing(path)
    if not path.is_dir():
        if not path.is_file():
            raise SourceUnreadable(f"{path.name} is not a file", where=str(path), fix="give a CSV or Parquet file")
        if not _is(path, _CSV + _PARQUET):
            raise SourceUnreadable(
                f"{path.name} is not a kind of file that can be read",
                where=str(path),
                fix="give a .csv, .tsv, .csv.gz or .parquet file, or a folder of them",
            )
        return [path]
    inside = sorted(file for file in path.rglob("*") if file.is_file() and not _hidden(file, path))
    tables = [file for file in inside if _is(file, _CSV + _PARQUET)]
    if not tables:
        raise SourceUnreadable(
            f"the folder {path.name} holds no tables",
            where=str(path),
            why=f"it holds {len(inside)} files, none of them CSV or Parquet" if inside else "it is empty",
            fix="give a CSV or Parquet file, or a folder that holds some",
        )
    if len({_is(file, _PARQUET) for file in tables}) > 1:
        raise SourceUnreadable(
            f"the folder {path.name} holds CSV and Parquet files",
            where=str(path),
            fix="keep the parts of one table in one format",
        )
    return tables


def _missing(path: Path) -> SourceMissing:
    parent = path.parent
    beside = sorted(file.name for file in parent.iterdir()) if parent.is_dir() else []
    hint = near_miss(path.name, beside)
    return SourceMissing(
        f"there is no {path.name}",
        where=str(parent.absolute()) if parent.is_dir() else f"{parent.absolute()} (which does not exist either)",
        fix=hint or "check the name; a relative path starts from the current folder",
    )


def _is(path: Path, endings: tuple[str, ...]) -> bool:
    return path.name.lower().endswith(endings)


def _hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
