"""Looking after a project from outside: examine it, restore it, collect what a report of a fault needs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flyball.config import PROJECT_FILE, ProjectConfig, load_project
from flyball.core.clock import Clock, SystemClock
from flyball.core.progress import NoProgress, Progress
from flyball.ledger import Verification
from flyball.project.opening import NotAProject, nearest
from flyball.project.project import Project
from flyball.registry import Registry

if TYPE_CHECKING:
    from flyball.upkeep import Diagnosis, Restored

__all__ = ["debug_bundle", "doctor", "restore"]

Location = str | os.PathLike[str]


def doctor(
    path: Location | None = None, *, deep: bool = False, clock: Clock | None = None, progress: Progress | None = None
) -> Diagnosis:
    """Examine the installation and, when there is one, the project in a folder (default: this one or one above it).

    Changes nothing; damage is reported, not raised. `deep` checks every hash. Raises NotAProject for a `path` without one.
    """
    from flyball.upkeep import examine

    clock = clock or SystemClock()

    def opened(config: ProjectConfig) -> Registry:
        return Project(config, clock, reads_only=True).registry

    return examine(_folder(path), opened=opened, clock=clock, progress=progress or NoProgress(), deep=deep)


def debug_bundle(
    destination: Location | None = None,
    *,
    path: Location | None = None,
    clock: Clock | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write a zip with what a report of a fault needs and nothing of the data; what and how much is in it."""
    from flyball.upkeep import debug_bundle as collect

    clock, progress = clock or SystemClock(), progress or NoProgress()

    def opened(config: ProjectConfig) -> Registry:
        return Project(config, clock, reads_only=True).registry

    return collect(
        _folder(path), Path(destination) if destination else None, opened=opened, clock=clock, progress=progress,
        examine=lambda: doctor(path, clock=clock, progress=progress),
    )  # fmt: skip


def restore(
    file: Location,
    folder: Location,
    *,
    checkpoints: Sequence[Location | Mapping[str, Any]] = (),
    clock: Clock | None = None,
    progress: Progress | None = None,
) -> Restored:
    """Make a project anew, in a folder that is absent or empty, from what `project.backup` wrote; verified, or not at all.

    checkpoints: kept elsewhere (`project.anchor()`, or files of them): a backup from before them is refused. Raises
    BackupDamaged, FolderTaken, NotVerified.
    """
    from flyball.project.audit import read_checkpoint
    from flyball.upkeep import restore_backup

    clock = clock or SystemClock()
    given = [one if isinstance(one, Mapping) else read_checkpoint(Path(one)) for one in checkpoints]

    def prove(staged: Path) -> tuple[Verification, Mapping[str, int]]:
        with closing(Project(load_project(staged), clock)) as project:
            versions = [one for model in project.registry.models() for one in project.registry.versions(model.name)]
            for version in versions:
                project.registry.restore_bundle(version)
            with project.log() as log:
                predictions = log.totals()["predictions"]
            counts = {"versions": len(versions), "predictions": predictions}
            return project.registry.verify(checkpoints=given), counts

    return restore_backup(Path(file), Path(folder), prove=prove, progress=progress or NoProgress())


def _folder(path: Location | None) -> Path | None:
    """The project's folder, None when there is none and none was named."""
    folder = nearest() if path is None else Path(path)
    if (folder / PROJECT_FILE).is_file():
        return folder.absolute()
    if path is None:
        return None
    raise NotAProject(
        "there is no project here", where=str(folder.absolute()), why=f"no {PROJECT_FILE} in it",
        fix="name the project's folder, or leave --dir out to examine the installation alone",
    )  # fmt: skip
