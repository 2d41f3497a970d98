"""`flyball compare`: two versions on the same rows."""

from __future__ import annotations

from pathlib import Path

from flyball.cli.answer import Answer
from flyball.cli.options import AsJson, ProjectFolder

__all__ = ["compare"]


def compare(
    ref: str,
    other: str,
    *,
    data: Path | None = None,
    folder: ProjectFolder = None,
    as_json: AsJson = False,
) -> Answer:
    """Hold a version against another on the same rows: each metric's difference with its interval and p-value.

    The rows are those that the first was tested on. Rows that a version learned from would flatter it: they are left out
    where enough remain, and otherwise the answer says that it is not fair.

    For example:
        flyball compare machines@4 machines@production
        flyball compare machines@4 machines@3 --data last-month.csv

    Parameters
    ----------
    ref
        The version in question: NAME@ALIAS or NAME@VERSION.
    other
        The version to hold it against.
    data
        A table with the target, to compare on instead of the test rows.
    """
    from flyball.cli.judging import comparison_summary
    from flyball.project import open as open_project

    found = open_project(folder).compare(ref, other, data=data)
    return Answer(found, comparison_summary(found))
