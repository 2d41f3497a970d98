"""The project that a server works on."""

from __future__ import annotations

from pathlib import Path

from flyball.config import PROJECT_FILE, ProjectConfig, load_project, parse_project
from flyball.core.clock import Clock, SystemClock
from flyball.core.files import write_atomic
from flyball.project import Project

__all__ = ["open_for_server"]

_NEW = """# A project for tracking and registered models: no data and no model of its own.
# Rules of [gate.NAME] hold for the alias NAME and for the stage of that name, whoever moves them.
[project]
name = "{name}"
"""


def open_for_server(
    folder: Path, *, store: str | None = None, artifacts: str | None = None, clock: Clock | None = None
) -> tuple[Project, bool]:
    """Open the project of a folder, and whether it was made now: where there is no project file, a small one is written.

    store, artifacts: in place of what the project file says. Raises what is wrong with the file or the store.
    """
    path = folder / PROJECT_FILE
    made = not path.exists()
    config = parse_project(_NEW.format(name="tracking"), path=path.absolute()) if made else load_project(folder)
    project = Project(_with(config, store, artifacts), clock or SystemClock())
    if made:
        write_atomic(path, _NEW.format(name="tracking").encode(), label="server.project")
    return project, made


def _with(config: ProjectConfig, store: str | None, artifacts: str | None) -> ProjectConfig:
    changes = {"store": store, "artifacts": artifacts}
    section = config.project.model_copy(update={name: value for name, value in changes.items() if value})
    return config.model_copy(update={"project": section})
