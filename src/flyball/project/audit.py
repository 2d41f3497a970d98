"""Verifying a project, also one whose store is too damaged to be opened."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from flyball.config import ProjectConfig
from flyball.core.clock import SystemClock
from flyball.core.files import CannotWrite
from flyball.project.opening import find_project
from flyball.project.opening import open as open_project
from flyball.project.project import Project
from flyball.store import Database, StoreOlder, StoreUnreachable
from flyball_runtime.errors import BadInput, FlyballError, InternalError

__all__ = ["AuditTarget", "CheckpointUnreadable", "StoreGone", "open_for_audit", "read_checkpoint", "verify_project"]


class CheckpointUnreadable(BadInput):
    """A checkpoint given to `flyball audit verify` is not the JSON that `flyball audit anchor` prints."""

    code = "FB-PROJECT-006"


class StoreGone(InternalError):
    """The project file names a store that is not there: nothing can be verified, and nothing is made in its place."""

    code = "FB-PROJECT-009"


class AuditTarget:
    """A project to verify: open, or the reason why its store cannot be opened."""

    def __init__(self, project: Project | None, damage: FlyballError | None) -> None:
        self._project = project
        self._damage = damage

    def verify(self, checkpoints: Sequence[Path], accepted_keys: Sequence[str] = ()) -> dict[str, Any]:
        """What `flyball audit verify --json` prints."""
        given = [read_checkpoint(path) for path in checkpoints]
        if self._project is not None:
            return verify_project(self._project, given, accepted_keys)
        damage = self._damage
        assert damage is not None
        problem = {
            "code": damage.code,
            "where": damage.where or "the store",
            "what": f"{damage.what}: {damage.why or ''}",
        }
        return {"ok": False, "problems": [problem], "notes": [], "checked": {}, "checkpoint": None}

    def close(self) -> None:
        """Let go of the store."""
        if self._project is not None:
            self._project.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_for_audit(path: str | os.PathLike[str] | None = None) -> AuditTarget:
    """A project to verify; damage that keeps it from opening becomes a finding. Raises BadInput as `open` does.

    An audit makes nothing: a store that is gone is a finding, not a reason to begin a new one.
    """
    try:
        config = find_project(path)
        store = config.store_file
        if store is not None and not store.exists():
            raise StoreGone(
                "the project's store is gone",
                where=str(store),
                why="its ledger, and with it every proof, was kept there",
                fix="restore it from a backup; checkpoints kept elsewhere tell whether the backup is whole",
            )
        if store is None:
            _check_there(config)
        try:
            return AuditTarget(open_project(path), None)
        except (CannotWrite, StoreUnreachable):
            # Read-only media, or another's project: an audit needs no more than to read it.
            return AuditTarget(Project(config, SystemClock(), reads_only=True), None)
    except InternalError as damage:
        return AuditTarget(None, damage)


def _check_there(config: ProjectConfig) -> None:
    """That a store on a server has its tables: opening the project would make them. Raises StoreMissing."""
    with contextlib.suppress(StoreOlder):  # it is upgraded as by any other command
        Database.open(config.store_url, SystemClock(), create=False).close()


def verify_project(
    project: Project, checkpoints: Sequence[object], accepted_keys: Sequence[str] = ()
) -> dict[str, Any]:
    """Hold entries, checkpoints, tables, artifacts and bundles against each other.

    `accepted_keys`: ids of keys to believe although no older key endorsed them, after a key was lost.
    """
    found = project.registry.verify(checkpoints=checkpoints, accepted_keys=accepted_keys)
    return found.to_dict()


def read_checkpoint(path: Path) -> Any:
    """A checkpoint kept in a file. Raises CheckpointUnreadable."""
    try:
        checkpoint = json.loads(path.read_bytes())
        if not checkpoint:
            raise ValueError("it holds nothing")
        return checkpoint
    except (OSError, ValueError) as error:
        raise CheckpointUnreadable(
            "the checkpoint cannot be read", where=str(path), why=str(error),
            fix="pass a file that `flyball audit anchor > FILE` wrote",
        ) from error  # fmt: skip
