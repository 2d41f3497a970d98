"""Files of tracked runs, taken out of a project's own store."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from flyball.project.project import Project
from flyball.store import ArtifactStore
from flyball.tracking import TrackingUnknown

__all__ = ["take_files"]

_CHUNK = 1 << 20


def take_files(project: Project, run: str, path: str, to: Path) -> list[Path]:
    """Copy a file of a run, or a folder ("": all of them), into the folder `to`, each verified by its hash.

    Where they lie, in order. Raises TrackingUnknown, PathRefused, ArtifactMissing, ArtifactCorrupt, OSError.
    """
    inner = path.strip("/")
    try:
        found = _found(project, run, inner)
    except TrackingUnknown as error:
        raise TrackingUnknown(
            error.what,
            where=project.path.as_posix(),
            fix="`flyball runs` lists runs; without a path all files of one are taken",
        ) from error
    taken = []
    for name, digest in sorted(found.items()):
        target = to.joinpath(*(part for part in (inner, name) if part))
        _write(project.tracking.files.artifacts, digest, target)
        taken.append(target)
    return taken


def _found(project: Project, run: str, inner: str) -> dict[str, str]:
    """Digests by path below `inner`; by "" when that is a file itself."""
    files = project.tracking.files
    root = project.tracking.runs.get(run).location.partition(":")[2].strip("/")
    place = f"{root}/{inner}" if inner else root
    found = {name: entry.digest for name, entry in files.walk(place).items() if entry.digest is not None}
    return {"": files.find_file(place).digest} if not found and inner else found


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
