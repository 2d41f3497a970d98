"""`flyball run`: the loop, from the table to a registered version."""

from __future__ import annotations

from pathlib import Path

from flyball.cli.answer import Answer

__all__ = ["run"]


def run(
    model: str | None = None,
    *,
    budget: str | None = None,
    reason: str = "",
    dir: Path | None = None,  # noqa: A002 - the option's name
    json: bool = False,
) -> Answer:
    """Make, prove, gate and register a version of the project's model; steps that did not change are reused.

    Examples:
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
    dir
        The project's folder. Default: this folder or the nearest one above it with a flyball.toml.
    json
        Print one JSON object.
    """
    from flyball.cli.progress import console_progress
    from flyball.cli.summary import run_summary
    from flyball.project import open as open_project

    project = open_project(dir)
    progress = console_progress()
    try:
        outcome = project.run(model, budget=budget, reason=reason, progress=progress)
    finally:
        progress.close()
    data = outcome.to_dict()
    return Answer(data, run_summary(data), exit_code=0 if outcome.registered else 1)
