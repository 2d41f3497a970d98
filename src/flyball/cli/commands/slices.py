"""`flyball slices`: where a version is weak."""

from __future__ import annotations

from flyball.cli.answer import Answer
from flyball.cli.options import AsJson, ProjectFolder

__all__ = ["slices"]


def slices(
    ref: str,
    *,
    by: str | None = None,
    folder: ProjectFolder = None,
    as_json: AsJson = False,
) -> Answer:
    """Show the segments of the test rows in which a version is worse than overall, and its quality by column.

    Segments are searched when a version is made, with the chance of naming any by accident held at 5 %. "None found" and
    "not enough data" are answers. Columns marked personal are left out.

    For example:
        flyball slices machines@3
        flyball slices machines@production --by Type

    Parameters
    ----------
    ref
        The version: NAME@ALIAS or NAME@VERSION.
    by
        A column: list the quality at every one of its levels, or in five ranges of a number.
    """
    from flyball.cli.judging import slices_summary
    from flyball.project import open as open_project

    data = open_project(folder).slices(ref, by=by)
    return Answer(data, slices_summary(data))
