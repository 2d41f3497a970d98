"""A private DuckDB database in which files become typed columns, shut off from everything but those files."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball_runtime.errors import BadInput

__all__ = [
    "DuplicateColumns",
    "SourceDamaged",
    "SourceEmpty",
    "Staging",
    "check_names",
    "named_columns",
    "staging",
    "texts_of",
]


class SourceEmpty(BadInput):
    """A file holds nothing, or a header without rows."""

    code = "FB-DATA-003"


class SourceDamaged(BadInput):
    """A file is not what its name says: binary data in a CSV file, or a truncated or damaged Parquet file."""

    code = "FB-DATA-004"


class DuplicateColumns(BadInput):
    """Two columns have the same name, so it is unclear which one is meant."""

    code = "FB-DATA-005"


class Staging:
    """A connection, and the links under which it may see the files."""

    def __init__(self, connection: Any, links: Sequence[Path], files: Sequence[Path], folder: Path) -> None:
        self.connection = connection
        self.links = tuple(links)
        self.files = tuple(files)
        self.folder = folder

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a query. Raises SourceDamaged when DuckDB cannot read the files."""
        import duckdb

        try:
            return list(self.connection.execute(sql).fetchall())
        except (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException):
            raise  # our own SQL is at fault, not the file
        except duckdb.Error as error:
            raise self.damaged(error) from error

    def arrays(self, sql: str) -> dict[str, Any]:
        """A query's columns as numpy arrays. Raises SourceDamaged."""
        import duckdb

        try:
            return dict(self.connection.execute(sql).fetchnumpy())
        except (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException):
            raise
        except duckdb.Error as error:
            raise self.damaged(error) from error

    def damaged(self, error: Exception) -> SourceDamaged:
        """DuckDB's complaint with the user's file names in it instead of ours."""
        why = str(error).strip().split("\n", 1)[0]
        for link, file in zip(self.links, self.files, strict=True):
            why = why.replace(str(link), file.name)
        return SourceDamaged(
            f"{self.files[0].name if len(self.files) == 1 else 'a file of the folder'} cannot be read as a table",
            where=str(self.files[0] if len(self.files) == 1 else self.files[0].parent),
            why=why,
            fix="copy or export the file again: it is damaged or only partly there",
        )


@contextmanager
def staging(files: Sequence[Path], suffix: str) -> Iterator[Staging]:
    """A database that may read these files and nothing else, each under a link whose name needs no escaping."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="flyball-read-") as scratch:
        folder = Path(scratch)
        links = []
        for number, file in enumerate(files):
            link = folder / f"{number}{suffix}"
            link.symlink_to(file.resolve())
            links.append(link)
        allowed = ", ".join(f"'{_quoted(path)}'" for path in (*links, *(_rewritten(link) for link in links)))
        connection = duckdb.connect(
            ":memory:", config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
        )
        try:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f"SET allowed_paths = [{allowed}]")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            yield Staging(connection, links, files, folder)
        finally:
            connection.close()


def _rewritten(link: Path) -> Path:
    """Where a decompressed or re-encoded copy of a linked file goes."""
    return link.with_name(f"{link.stem}-plain{link.suffix}")


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def texts_of(values: Any) -> NDArray[Any]:
    """A fetched text column as (rows,) of str or None, equal texts stored once.

    Masked cells are found by the mask: numpy's `filled(None)` would write its default, a question mark.
    """
    missing = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else np.zeros(len(values), dtype=bool)
    seen: dict[Any, Any] = {}
    out = np.empty(len(values), dtype=object)
    cells = np.ma.getdata(values).tolist()
    out[:] = [None if gone else seen.setdefault(cell, cell) for cell, gone in zip(cells, missing.tolist(), strict=True)]
    return out


def named_columns(given: Sequence[str], where: str) -> tuple[list[str], list[str]]:
    """The names with a blank one named by its position, and those so named. Raises DuplicateColumns, SourceDamaged."""
    names = [name if name.strip() else f"column_{place}" for place, name in enumerate(given, start=1)]
    for place, name in enumerate(names, start=1):
        if "\0" in name or any("\ud800" <= letter <= "\udfff" for letter in name):
            raise SourceDamaged(
                f"the name of column {place} is no text",
                where=where,
                why="it holds " + ("a zero byte" if "\0" in name else "half of a surrogate pair"),
                fix="give the column a name of letters",
            )
    check_names(names, where)
    return names, [name for name, cell in zip(names, given, strict=True) if not cell.strip()]


def check_names(names: Sequence[str], where: str) -> None:
    """Raises DuplicateColumns when a name stands twice."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        places = [str(index + 1) for index, name in enumerate(names) if name == twice[0]]
        raise DuplicateColumns(
            f'{len(places)} columns are called "{twice[0]}"',
            where=f"{where}, columns {' and '.join(places)}",
            fix="give each column a name of its own",
            facts={"also": ", ".join(f'"{name}"' for name in twice[1:5])} if len(twice) > 1 else None,
        )
