"""What a command that changed something does at its end: let webhooks be told, once, whatever became of the command."""

from __future__ import annotations

from pathlib import Path

from flyball_runtime.errors import FlyballError

__all__ = ["CHANGING", "tell_webhooks"]

CHANGING = frozenset(("run", "promote", "watch", "alerts", "import"))


def tell_webhooks(folder: Path | None) -> None:
    """Make the tries that are due. What fails stays in the store, for the next command or a server; nothing is raised.

    folder: as given with --dir.
    """
    from flyball.config import PROJECT_FILE
    from flyball.project.opening import nearest
    from flyball.project.opening import open as open_project

    place = nearest() if folder is None else folder
    try:
        # Most projects have none: looking at the text costs nothing beside opening the store once more.
        if b"webhooks" not in (place / PROJECT_FILE).read_bytes():
            return
        project = open_project(place)
        try:
            project.webhooks.deliver()
        finally:
            project.close()
    except (FlyballError, OSError):
        return
