"""`flyball status`: where the project stands."""

from __future__ import annotations

from pathlib import Path

from flyball.cli.answer import Answer

__all__ = ["status"]


def status(*, dir: Path | None = None, json: bool = False) -> Answer:  # noqa: A002 - the option's name
    """Show the models of a project, what each alias points to, and the state of the ledger.

    Example:
        flyball status

    Parameters
    ----------
    dir
        The project's folder. Default: this folder or the nearest one above it with a flyball.toml.
    json
        Print one JSON object.
    """
    from flyball.cli.summary import status_summary
    from flyball.project import open as open_project

    data = open_project(dir).status()
    return Answer(data, status_summary(data))
