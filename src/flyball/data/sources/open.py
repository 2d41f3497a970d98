"""One way in for every table: a file, a folder of files, or an object in memory."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flyball.core.counting import counted
from flyball.data.sources.columns import typed_columns
from flyball.data.sources.csv_file import load_csv
from flyball.data.sources.csv_text import CsvForm, lines_of_values
from flyball.data.sources.memory import read_memory
from flyball.data.sources.parquet_file import load_parquet
from flyball.data.sources.staging import SourceDamaged, SourceEmpty, staging
from flyball.data.sources.trouble import Trouble
from flyball.data.table import Table
from flyball_runtime.errors import BadInput, near_miss
from flyball_runtime.schema import Schema

__all__ = ["Read", "SourceMissing", "SourceUnreadable", "read_source"]

_Found = tuple[Table, list[str], list[Trouble]]
_MOST_PLACED = 50
_CSV = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz")
_FOR_PEOPLE = ("readme", "read_me", "license", "licence", "notice", "changelog", "copying")
_PARQUET = (".parquet", ".pq")


class SourceMissing(BadInput):
    """The file or folder of a data source does not exist."""

    code = "FB-DATA-001"


class SourceUnreadable(BadInput):
    """A data source exists but is no table: an unknown kind of file, a folder without tables, no permission."""

    code = "FB-DATA-002"


@dataclass(frozen=True, slots=True)
class Read:
    """A table as read; `notes` say what was handled on the way, `name` what the source calls itself.

    `troubles` are the columns with cells that do not fit; the notes tell of them too.
    """

    table: Table
    notes: list[str]
    name: str
    troubles: list[Trouble] = field(default_factory=list)


def read_source(source: Any, *, name: str | None = None, schema: Schema | None = None, typed: bool = False) -> Read:
    """Read a CSV, TSV or Parquet file, a folder of them, or a table in memory (pandas, Polars, Arrow, mapping).

    `schema` is that of the model which the table is for: text columns in it are read as text whatever they look like;
    with `typed` its numbers and times are read as such too, where at least half of their cells are: the others are missing,
    and said.
    Raises SourceMissing, SourceUnreadable, SourceEmpty, SourceDamaged, DuplicateColumns, RaggedLines, SourcesDiffer
    or WrongEncoding; each says what, where and how to go on.
    """
    if not isinstance(source, (str, os.PathLike)):
        table, notes = read_memory(source, schema if typed else None)
        if table.rows == 0 or not table.names:
            raise SourceEmpty(
                "the table has no rows" if table.names else "the table has no columns",
                fix="give a table with a header and rows",
            )
        return Read(table, notes, name or "table")
    path = _path(source)
    files = _files(path)
    try:
        read = _read_parquet if _is(files[0], _PARQUET) else _read_csv
        table, notes, troubles = read(files, schema, typed=typed)
    except OSError as error:
        raise SourceUnreadable(
            f"cannot read {path.name}", where=str(path), why=error.strerror or str(error), fix="check its permissions"
        ) from error
    return Read(table, notes, name or path.name.split(".")[0], troubles)


def _read_csv(files: list[Path], known: Schema | None, *, typed: bool) -> _Found:
    with staging(files, ".csv") as stage:
        forms, notes = load_csv(stage)
        semicolons = forms[0].delimiter == ";"
        fields, columns, said, troubles = typed_columns(
            stage, forms[0].names, from_text=True, known=known, typed=typed, semicolons=semicolons
        )
        troubles = _placed(troubles, forms, files)
        notes += [*(trouble.note() for trouble in troubles), *said]
        return Table(Schema(tuple(fields)), columns), notes, troubles


def _placed(troubles: list[Trouble], forms: list[CsvForm], files: list[Path]) -> list[Trouble]:
    """The troubles with the lines of their first cells; of very many columns only the first get theirs."""
    wanted = {trouble.index: trouble.values for trouble in troubles[:_MOST_PLACED]}
    places: dict[int, list[str]] = {index: [] for index in wanted}
    for form, file in zip(forms, files, strict=True):
        pending = {index: values[len(places[index]) :] for index, values in wanted.items()}
        column_of = {index: form.names.index(forms[0].names[index]) for index in wanted}
        if not any(pending.values()):
            break
        found = lines_of_values(form, {column_of[index]: values for index, values in pending.items()})
        for index in wanted:
            lines = found[column_of[index]]
            places[index] += [f"line {line}" if len(files) == 1 else f"{file.name} line {line}" for line in lines]
    whole = {index for index, values in wanted.items() if len(places[index]) == len(values)}
    return [trouble.at(places[trouble.index]) if trouble.index in whole else trouble for trouble in troubles]


def _read_parquet(files: list[Path], known: Schema | None, *, typed: bool) -> _Found:
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
        names, notes = load_parquet(stage)
        fields, columns, said, troubles = typed_columns(stage, names, from_text=False, known=known, typed=typed)
        notes += [*(trouble.note() for trouble in troubles), *said]
        return Table(Schema(tuple(fields)), columns), notes, troubles


def _path(source: str | os.PathLike[str]) -> Path:
    """The path that a user wrote. Raises SourceUnreadable for what can be none."""
    written = os.fspath(source)
    if not written.strip():
        raise SourceUnreadable("no table was named", why="the name is empty", fix="give a CSV or Parquet file")
    if "://" in written or re.match(r"[a-z]+:/", written):
        raise SourceUnreadable(
            f"{written} is an address, not a file",
            why="tables are read from files and folders of this machine",
            fix="fetch it first, for example with curl -O, and give the file",
        )
    path = Path(written)
    if written.startswith("~"):
        with suppress(RuntimeError):
            path = path.expanduser()
    if not _is_utf8(path):
        raise SourceUnreadable(
            "the name of the table is not UTF-8 text",
            where=ascii(str(path)),
            why="a project file is UTF-8, so it could not name this file",
            fix="rename the file or the folder",
        )
    return path


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


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
    inside = sorted(file for file in path.rglob("*") if file.is_file() and not _hidden(file, path) and _is_utf8(file))
    tables = [file for file in inside if _is(file, _CSV + _PARQUET) and not _is_about_it(file)]
    if not tables:
        raise SourceUnreadable(
            f"the folder {path.name} holds no tables",
            where=str(path),
            why=f"it holds {counted(len(inside), 'file')}, none of them a table" if inside else "it is empty",
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
    if path.is_symlink():
        return SourceMissing(
            f"{path.name} is a link to a file that is not there",
            where=str(path.absolute()),
            why=f"it points to {path.readlink()}",
            fix="bring that file back, or give the table itself",
        )
    beside = sorted(file.name for file in parent.iterdir() if _is_utf8(file)) if parent.is_dir() else []
    hint = near_miss(path.name, beside)
    return SourceMissing(
        f"there is no {path.name}",
        where=str(parent.absolute()) if parent.is_dir() else f"{parent.absolute()} (which does not exist either)",
        fix=hint or "check the name; a relative path starts from the current folder",
    )


def _is(path: Path, endings: tuple[str, ...]) -> bool:
    return path.name.lower().endswith(endings)


def _is_about_it(file: Path) -> bool:
    """Whether a file beside a table's parts is there for people: a readme or a licence."""
    return file.suffix.lower() == ".txt" and file.stem.lower() in _FOR_PEOPLE


def _hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
