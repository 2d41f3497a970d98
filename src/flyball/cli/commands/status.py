"""`flyball status`: where the project stands."""

from __future__ import annotations

from flyball.cli.answer import Answer
from flyball.cli.options import AsJson, ProjectFolder

__all__ = ["status"]


def status(*, folder: ProjectFolder = None, as_json: AsJson = False) -> Answer:
    """Show the models of a project, what each alias points to, and the state of the ledger.

    For example:
        flyball status
    """
    from flyball.cli.summary import status_summary
    from flyball.project import open as open_project

    data = open_project(folder).status()
    return Answer(data, status_summary(data))
