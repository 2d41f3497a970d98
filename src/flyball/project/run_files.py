"""Files of tracked runs, taken out of a project's own store."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from flyball.project.project import Project
from flyball.store import ArtifactStore
from flyball.tracking import TrackingUnknown
from flyball.tracking.records import FileEntry

__all__ = ["take_files"]

_CHUNK = 1 << 20


def take_files(project: Project, run: str, path: str, to: Path) -> list[Path]:
    """Copy a file of a run, or a folder ("": all of them), into the folder `to`, each verified by its hash.

    Where they lie, in order. Raises TrackingUnknown, PathRefused, ArtifactMissing, ArtifactCorrupt, OSError.
    """
    files, inner = project.tracking.files, path.strip("/")
    root = project.tracking.runs.get(run).location.partition(":")[2].strip("/")
    place = f"{root}/{inner}" if inner else root
    found: dict[str, FileEntry] = files.walk(place)
    if not found and inner:
        found = {"": files.find(place)}
    taken = []
    for name, entry in sorted(found.items()):
        if entry.digest is None:
            raise TrackingUnknown(f"there is no file in {path[:200]}")
        target = to.joinpath(*(part for part in (inner, name) if part))
        _write(files.artifacts, entry.digest, target)
        taken.append(target)
    return taken


def _write(artifacts: ArtifactStore, digest: str, target: Path) -> None:
    """The file appears whole, or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    try:
        with artifacts.open(digest) as stream, staging.open("xb") as file:
            while piece := stream.read(_CHUNK):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        staging.replace(target)
    finally:
        staging.unlink(missing_ok=True)
