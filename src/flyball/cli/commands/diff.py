"""`flyball diff`: what changed between two versions, or between tracked runs."""

from __future__ import annotations

import re

from flyball.cli.answer import Answer
from flyball.cli.options import AsJson, ProjectFolder

__all__ = ["diff"]

_RUN = re.compile(r"[0-9a-f]{32}")


def diff(first: str, second: str, *more: str, folder: ProjectFolder = None, as_json: AsJson = False) -> Answer:
    """Show what differs between two versions (data, features, settings, metrics, explanations, verdicts, code), or runs.

    Metrics are those on each version's own test rows; `flyball compare` holds two versions against the same rows.

    For example:
        flyball diff machines@3 machines@4
        flyball diff machines@production machines@latest
        flyball diff 0a8e5c0c7f3b4d1f9d2e6b7a8c9d0e1f 5b1f0e9d8c7b6a5f4e3d2c1b0a9f8e7d

    Parameters
    ----------
    first
        A version (NAME@NUMBER, NAME@ALIAS) or the id of a tracked run.
    second
        What it is held against, of the same kind.
    more
        Further runs.
    """
    from flyball.cli.differences import runs_summary, versions_summary
    from flyball.project import open as open_project

    refs = (first, second, *more)
    project = open_project(folder)
    if all(_RUN.fullmatch(ref) for ref in refs):
        found = project.diff_runs(refs)
        return Answer(found, runs_summary(found))
    if more:
        from flyball.cli.app import BadUsage

        raise BadUsage("two versions are compared, or the ids of runs", where=" ".join(refs), fix="flyball diff --help")
    found = project.diff(first, second)
    return Answer(found, versions_summary(found))
