"""`flyball run`: the loop, from the table to a registered version."""

from __future__ import annotations

from flyball.cli.answer import Answer
from flyball.cli.options import AsJson, ProjectFolder

__all__ = ["run"]


def run(
    model: str | None = None,
    *,
    budget: str | None = None,
    reason: str = "",
    folder: ProjectFolder = None,
    as_json: AsJson = False,
) -> Answer:
    """Make, prove, gate and register a version of the project's model; steps that did not change are reused.

    For example:
        flyball run
        flyball run machines --budget 60s --json

    Parameters
    ----------
    model
        Which model of the project file; needed only when it declares several.
    budget
        Time for the search, from its start to the verified export: 90s, 10m, 1h. Default: the project file's.
    reason
        Why this version is made; it goes into the ledger.
    """
    from flyball.cli.progress import console_progress
    from flyball.cli.summary import run_summary
    from flyball.project import open as open_project

    project = open_project(folder)
    progress = console_progress()
    try:
        outcome = project.run(model, budget=budget, reason=reason, progress=progress)
    finally:
        progress.close()
    data = outcome.to_dict()
    return Answer(data, run_summary(data), exit_code=0 if outcome.registered else 1)
