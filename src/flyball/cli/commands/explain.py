"""`flyball explain`: the reasons for one row's score."""

from __future__ import annotations

from pathlib import Path

from flyball.cli.answer import Answer
from flyball.cli.options import AsJson, ProjectFolder

__all__ = ["explain"]


def explain(
    ref: str,
    *,
    row: int,
    source: Path | None = None,
    folder: ProjectFolder = None,
    as_json: AsJson = False,
) -> Answer:
    """Show what moved the score of one row: contributions of the columns that sum to the score.

    For example:
        flyball explain machines@production --row 17

    Parameters
    ----------
    ref
        The version: NAME@ALIAS or NAME@VERSION.
    row
        Which row, counted from 0.
    source
        The table that holds the row. Default: the data that the version was made from.
    """
    from rich.text import Text

    from flyball.project import open as open_project

    explained = open_project(folder).explain_row(ref, row, source=source)
    return Answer(explained.data, Text(explained.text))
