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
    workers: int | None = None,
    folder: ProjectFolder = None,
    as_json: AsJson = False,
) -> Answer:
    """Make, prove, gate and register a version of the project's model; steps that did not change are reused.

    For example:
        flyball run
        flyball run machines --budget 60s --json
        flyball run --budget "20 trials" --workers 2

    Parameters
    ----------
    model
        Which model of the project file; needed only when it declares several.
    budget
        Time for the search, from its start to the verified export: 90s, 10m, 1h; or "20 trials", which gives the same
        model on any machine. Default: the project file's. Ctrl-C ends the search with the best so far, a second one ends all.
    reason
        Why this version is made; it goes into the ledger.
    workers
        How many folds are fitted at a time. Default: one a core.
    """
    from flyball.cli.interrupt import ending_early
    from flyball.cli.progress import console_progress
    from flyball.cli.summary import run_summary
    from flyball.project import open as open_project

    project = open_project(folder, workers=workers)
    progress = console_progress()
    try:
        with ending_early(progress) as cancellation:
            outcome = project.run(model, budget=budget, reason=reason, progress=progress, cancellation=cancellation)
    finally:
        progress.close()
    data = outcome.to_dict()
    return Answer(data, run_summary(data), exit_code=0 if outcome.registered else 1)
