"""Parquet files into the staging database."""

from __future__ import annotations

from flyball.data.sources.csv_file import same_columns
from flyball.data.sources.staging import SourceEmpty, Staging, named_columns

__all__ = ["load_parquet"]


def load_parquet(stage: Staging) -> tuple[tuple[str, ...], list[str]]:
    """Make the view `raw` (columns c0, c1, …) over all staged files; the verbatim column names, and notes.

    Raises SourceEmpty, SourceDamaged, SourcesDiffer or DuplicateColumns.
    """
    headers: list[list[str]] = []
    notes: list[str] = []
    for link, file in zip(stage.links, stage.files, strict=True):
        if file.stat().st_size == 0:
            raise SourceEmpty(f"{file.name} is empty", where=str(file), fix="export it again")
        names, unnamed = named_columns(_column_names(stage, str(link)), file.name)
        headers.append(names)
        if unnamed:
            notes.append(f"{file.name}: no name is given to {', '.join(unnamed[:5])}; named by position")
    same_columns(headers, stage.files)
    parts = []
    for names, link in zip(headers, stage.links, strict=True):
        aliases = ", ".join(f"p{index}" for index in range(len(names)))
        wanted = ", ".join(f"p{names.index(name)} AS c{place}" for place, name in enumerate(headers[0]))
        parts.append(f"SELECT {wanted} FROM read_parquet('{_quoted(link)}') AS part({aliases})")  # noqa: S608
    stage.rows(f"CREATE TEMP VIEW raw AS {' UNION ALL '.join(parts)}")
    if stage.rows("SELECT count(*) FROM raw")[0][0] == 0:
        raise SourceEmpty(
            f"{stage.files[0].name} has no rows", where=str(stage.files[0]), fix="export it again with its rows"
        )
    return tuple(headers[0]), notes


def _column_names(stage: Staging, path: str) -> list[str]:
    """Top-level names as the file spells them: DuckDB itself would rename those that differ only in case."""
    schema = stage.rows(
        f"SELECT name, num_children FROM parquet_schema('{_quoted(path)}')"  # noqa: S608
    )
    names, index = [], 1
    while index < len(schema):
        names.append(str(schema[index][0]))
        pending = int(schema[index][1] or 0)
        index += 1
        while pending:  # walk past the children of a nested column
            pending += int(schema[index][1] or 0) - 1
            index += 1
    return names


def _quoted(path: object) -> str:
    return str(path).replace("'", "''")
