"""Moving a project's tables or artifacts to another place: copy, verify, then change one line of the project file."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flyball.config import PROJECT_FILE, STATE_FOLDER, ProjectConfig, load_project
from flyball.core.clock import Clock, SystemClock
from flyball.core.counting import counted
from flyball.core.progress import NoProgress, Progress
from flyball.ledger import KeyFiles, Ledger
from flyball.monitoring import ALERTS
from flyball.project.opening import nearest
from flyball.registry import REGISTRY
from flyball.store import Database, open_artifacts
from flyball_runtime.errors import BadInput

if TYPE_CHECKING:
    from flyball.ledger import Verification

__all__ = ["Copied", "CopiedArtifacts", "StoreNotNamed", "copy_artifacts", "copy_store"]


class StoreNotNamed(BadInput):
    """No store was named to copy from, and there is no project here whose store that could be."""

    code = "FB-PROJECT-012"


@dataclass(frozen=True, slots=True)
class Copied:
    """A store that was copied: `rows` by table, and what an audit of the copy's ledger said of it."""

    source: str
    target: str
    rows: Mapping[str, int]
    verification: Verification
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the ledger of the copy verifies."""
        return self.verification.ok

    def to_dict(self) -> dict[str, Any]:
        """What `flyball store copy --json` prints."""
        told = self.verification.to_dict()
        return {
            "ok": self.ok, "from": self.source, "to": self.target, "rows": dict(self.rows),
            "total_rows": sum(self.rows.values()), "problems": told["problems"], "entries": self.verification.entries,
            "checkpoint": told["checkpoint"], "seconds": self.seconds,
        }  # fmt: skip


def copy_store(
    target: str,
    *,
    source: str | None = None,
    path: str | os.PathLike[str] | None = None,
    clock: Clock | None = None,
    progress: Progress | None = None,
) -> Copied:
    """Copy the store at `source` (default: that of the project in `path`) into the empty one at `target`; all or nothing.

    The source is read at one instant and not changed; what is written to it meanwhile is not in the copy, so stop servers
    first. Every table is held against what was read, then the copy's ledger is verified. Raises StoreNotNamed,
    StoreNotEmpty, ValueRefused and the stores' errors.
    """
    from flyball.store.copying import copy_store as copy_rows

    began = time.monotonic()
    clock, progress = clock or SystemClock(), progress or NoProgress()
    config = _project(path)
    if source is None:
        if config is None:
            raise StoreNotNamed(
                "which store is to be copied?", where=str(Path(path or ".").absolute()),
                why=f"there is no {PROJECT_FILE} here that names one",
                fix="flyball store copy --from URL --to URL, or type it in the project's folder",
            )  # fmt: skip
        source = config.store_url
    with (
        closing(Database.open(source, clock, create=False)) as old,
        closing(Database.open(target, clock)) as new,
    ):
        progress.start("copy", old.location)
        rows = copy_rows(old, new, lambda done, table: progress.update("copy", done, table))
        progress.finish("copy", f"{sum(rows.values()):,} rows of {len(rows)} tables")
        progress.start("verify", "every hash of the ledger")
        verification = _verify(new, config, clock)
        progress.finish("verify", counted(verification.entries, "entry"))
        seconds = round(time.monotonic() - began, 3)
        return Copied(old.location, new.location, rows, verification, seconds)


@dataclass(frozen=True, slots=True)
class CopiedArtifacts:
    """Artifacts that were copied to another place: how many, their bytes, and how many were there before."""

    source: str
    target: str
    copied: int
    bytes: int
    present: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """What `flyball store copy-artifacts --json` prints."""
        names = {"source": "from", "target": "to"}
        return {names.get(one.name, one.name): getattr(self, one.name) for one in fields(self)}


def copy_artifacts(
    target: str,
    *,
    source: str | None = None,
    path: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> CopiedArtifacts:
    """Copy every artifact of `source` (default: that of the project in `path`) to `target`: a folder, or a bucket's URL.

    Each is verified by its hash on its way; those that are there are left alone, so that a copy that was interrupted goes
    on. Raises StoreNotNamed, ArtifactPlaceInvalid, ArtifactCorrupt and the errors of the two places.
    """
    began, progress = time.monotonic(), progress or NoProgress()
    if source is None:
        config = _project(path)
        if config is None:
            raise StoreNotNamed(
                "which artifacts are to be copied?", where=str(Path(path or ".").absolute()),
                why=f"there is no {PROJECT_FILE} here that names their place",
                fix="flyball store copy-artifacts --from PLACE --to PLACE, or type it in the project's folder",
            )  # fmt: skip
        source = config.artifacts_place
    old, new = open_artifacts(source), open_artifacts(target)
    progress.start("copy", old.location)
    digests, there = list(old.digests()), set(new.digests())
    copied = size = 0
    for number, digest in enumerate(digests):
        progress.update("copy", number / len(digests), digest[:12])
        if digest not in there:
            with old.open(digest) as stream:
                new.put(stream)
            copied, size = copied + 1, size + new.size(digest)
    progress.finish("copy", f"{copied:,} artifacts, {size:,} bytes")
    seconds = round(time.monotonic() - began, 3)
    return CopiedArtifacts(old.location, new.location, copied, size, len(digests) - copied, seconds)


def _project(path: str | os.PathLike[str] | None) -> ProjectConfig | None:
    folder = nearest() if path is None else Path(path)
    return load_project(folder) if (folder / PROJECT_FILE).is_file() else None


def _verify(store: Database, config: ProjectConfig | None, clock: Clock) -> Verification:
    """The ledger and its tables; held against head.json where a project is at hand. No private key is needed."""
    from flyball.registry.audit import with_runs

    with tempfile.TemporaryDirectory(prefix="flyball-") as empty:
        state = Path(empty) if config is None else config.folder / STATE_FOLDER
        head = state / "head.json"
        ledger = Ledger(store, clock, KeyFiles(state / "keys"), projections=[REGISTRY, ALERTS], head=head)
        return with_runs(ledger.verify(), store, ledger)
