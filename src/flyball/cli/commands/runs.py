"""`flyball runs`: the tracked runs that a query finds, as a list or as a table in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from flyball.cli.answer import Answer, escape
from flyball.cli.options import AsJson, ProjectFolder
from flyball.core.counting import counted

if TYPE_CHECKING:
    from flyball.client import Columns

__all__ = ["runs"]

_SHOWN = 20


def runs(
    where: str = "",
    *,
    order: Annotated[list[str] | None, Parameter(negative=())] = None,
    limit: int | None = None,
    points: Annotated[list[str] | None, Parameter(negative=())] = None,
    to: Path | None = None,
    url: str | None = None,
    folder: ProjectFolder = None,
    as_json: AsJson = False,
) -> Answer:
    """List tracked runs, or write them, or the whole history of metrics, to a CSV or Parquet file.

    For example:
        flyball runs "metrics.auc > 0.8 AND NOT tags.stage = 'draft'" --order "metrics.auc DESC"
        flyball runs --to runs.parquet --url http://127.0.0.1:5000
        flyball runs "experiment.name = 'north'" --points loss --to loss.csv

    Parameters
    ----------
    where
        The query: comparisons of metrics.KEY, params.KEY, tags.KEY or a field of the run, with AND, OR, NOT and brackets.
    order
        A field to order by, with ASC or DESC; may be given several times. Default: the newest first.
    limit
        At most so many runs. Default: 20, or all that are found with --to.
    points
        A metric whose every point is written instead of the runs; may be given several times. Needs --to.
    to
        The file to write, which ends in .csv or .parquet.
    url
        A tracking server, in place of the project's own store.
    """
    from flyball.client import RunReader
    from flyball.project.tables import write_columns

    if points and to is None:
        from flyball.cli.app import BadUsage

        raise BadUsage("--points needs a file to write to", fix="add, for example, --to points.csv")
    reader = RunReader(url or _store(folder))
    if to is None:
        table = reader.runs(where, order=order or (), limit=_SHOWN if limit is None else limit)
        return Answer({"runs": _rows(table)}, _list(table))
    table = reader.points(where, points) if points else reader.runs(where, order=order or (), limit=limit)
    write_columns(table.columns, to)
    what = "points" if points else "runs"
    text = f"[green]✓[/] {table.rows:,} {what} in {counted(len(table.columns), 'column')} are in {escape(to)}"
    return Answer({what: table.rows, "columns": list(table.columns), "file": str(to)}, text)


def _store(folder: Path | None) -> Any:
    from flyball.project import open as open_project

    return open_project(folder).tracking.bulk


def _rows(table: Columns) -> list[dict[str, Any]]:
    """The table by row, without the cells that are empty; a metric that is no number is null."""
    names = list(table.columns)
    return [
        {name: _plain(value) for name, value in zip(names, row, strict=True) if value is not None}
        for row in zip(*table.columns.values(), strict=True)
    ]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124 - only NaN differs from itself


def _list(table: Columns) -> Any:
    from datetime import UTC, datetime

    from rich.table import Table

    if not table.rows:
        return "no run is found"
    metrics = [name for name in table.columns if name.startswith("metrics.")][:4]
    shown = Table(box=None, pad_edge=False)
    for name in ("run", "name", "status", "started", *(escape(name[8:]) for name in metrics)):
        shown.add_column(name, justify="right" if name.startswith("metrics.") else "left")
    for row in range(table.rows):
        started = datetime.fromtimestamp(table["started"][row] / 1000, UTC).strftime("%Y-%m-%d %H:%M")
        values = [table[name][row] for name in metrics]
        cells = [table["id"][row][:12], escape(table["name"][row]), table["status"][row], started]
        shown.add_row(*cells, *("" if value is None else f"{value:.5g}" for value in values))
    return shown
