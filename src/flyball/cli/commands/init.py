"""`flyball init`: a table becomes a project."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from flyball.cli.answer import Answer
from flyball.cli.options import AsJson

__all__ = ["init"]


def init(
    name: str,
    *,
    from_: Annotated[str, Parameter(name="--from")],
    target: str,
    folder: Annotated[
        Path | None, Parameter(name="--dir", help="Where to make the project; made when missing. Default: this folder.")
    ] = None,
    as_json: AsJson = False,
) -> Answer:
    """Make a project from a table: read it, look at it, write flyball.toml.

    For example:
        flyball init machines --from ai4i2020.csv --target "Machine failure"

    Parameters
    ----------
    name
        What the model and its data will be called.
    from_
        The table: a CSV or Parquet file, or a folder of them.
    target
        The column to predict.
    """
    from flyball.cli.answer import bullet_list, escape
    from flyball.cli.progress import console_progress
    from flyball.project import init as make

    progress = console_progress()
    try:
        made = make(name, source=from_, target=target, directory=folder or Path(), progress=progress)
    finally:
        progress.close()
    made.project.close()
    data = made.to_dict()
    lines = [
        f"[bold]{name}[/]: {data['rows']:,} rows, {data['columns']} columns, a {data['task']} task ({data['task_why']})",
        f"split     by {data['split']['kind']}: {escape(data['split']['why'])}",
        *bullet_list("left out", [f"{item['column']}: {item['why']}" for item in data["left_out"]]),
        *bullet_list("noticed", data["notes"]),
        f"wrote     {escape(data['project_file'])}",
        f"next      {escape(f'cd {shlex.quote(str(folder))} && ') if folder else ''}flyball run",
    ]
    return Answer(data, "\n".join(lines))
