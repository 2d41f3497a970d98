"""Exporting what a project tracks and registered as a store that MLflow opens: a database and a folder of files."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from flyball.core.canonical import sha256_hex
from flyball.core.counting import counted
from flyball.core.failpoints import failpoint
from flyball.core.files import CannotWrite, sync_directory
from flyball.core.progress import NoProgress, Progress
from flyball.exchange.errors import TargetTaken
from flyball.exchange.rows_out import RowsOut
from flyball.ledger import Actor, Draft
from flyball.tracking.tables import files

if TYPE_CHECKING:
    from flyball.project import Project

__all__ = ["ENTRY", "FILES", "STORE", "Exported", "export_mlflow"]

ENTRY = "store.exported"
STORE, FILES = "mlflow.db", "artifacts"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Exported:
    """A store that was written: `folder` holds `mlflow.db` and `artifacts`; counts by kind; entry: the ledger's."""

    folder: Path
    counts: Mapping[str, int]
    notes: tuple[str, ...]
    sha256: str
    entry: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """What `flyball export mlflow --json` prints."""
        return {
            "folder": str(self.folder), "store": str(self.folder / STORE), "artifacts": str(self.folder / FILES),
            "counts": dict(self.counts), "notes": list(self.notes), "sha256": self.sha256, "entry": self.entry,
            "seconds": self.seconds,
        }  # fmt: skip


def export_mlflow(
    project: Project,
    target: str | os.PathLike[str],
    *,
    without_artifacts: bool = False,
    actor: Actor | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write experiments, runs with every point, logged and registered models, and files into the new folder `target`, as they
    are at one instant; whole or not at all.

    The database has the tables of MLflow 3.0; a later one brings it to its own when it opens it. `mlflow server
    --backend-store-uri sqlite:///TARGET/mlflow.db --artifacts-destination TARGET/artifacts` serves it. without_artifacts:
    leave the files out. Raises TargetTaken, CannotWrite, ArtifactMissing, ArtifactCorrupt and the project's errors.
    """
    began = time.monotonic()
    progress = progress or NoProgress()
    folder = Path(target).absolute()
    staging = folder.with_name(f".{folder.name}.tmp")
    _refuse_taken(folder)
    notes: list[str] = []
    try:
        shutil.rmtree(staging, ignore_errors=True)
        (staging / FILES).mkdir(parents=True)
        counts = _write_rows(project, staging / STORE, notes, progress)
        if not without_artifacts:
            counts["files"] = _write_files(project, staging / FILES, progress)
        digest = sha256_hex((staging / STORE).read_bytes())
        failpoint("exchange.export:before-rename")
        staging.replace(folder)
        sync_directory(folder.parent)
    except OSError as error:
        raise CannotWrite(
            "the export cannot be written", where=str(error.filename or folder), why=error.strerror,
            fix="check that the folder may be written and that the disk has space left",
        ) from error  # fmt: skip
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    with project.database.write("exchange.exported") as tx:
        why = f"exported for MLflow to {folder}"
        draft = Draft(ENTRY, "tracking", actor or project.actor, why, {"store": digest}, payload={"counts": counts})
        entry = project.ledger.append(tx, draft)[0].seq
    seconds = round(time.monotonic() - began, 3)
    return Exported(folder, counts, tuple(notes), digest, entry, seconds)


def _refuse_taken(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        raise TargetTaken(
            "there is something already where the export is to go", where=str(folder),
            fix="name a new folder, or remove that one first",
        )  # fmt: skip


def _write_rows(project: Project, file: Path, notes: list[str], progress: Progress) -> dict[str, int]:
    progress.start("rows", str(file.name))
    with closing(sqlite3.connect(file)) as target:
        rows = RowsOut(project, target, lambda done: progress.update("rows", done))
        counts = rows.write()
        notes += rows.notes
    progress.finish(
        "rows",
        f"{counted(counts['runs'], 'run')}, {counted(counts['points'], 'point')}, {counted(counts['versions'], 'version')}",
    )
    return counts


def _write_files(project: Project, root: Path, progress: Progress) -> int:
    """Every file that is named, with its content held against its digest while it is read."""
    progress.start("files")
    written, last = 0, None
    with project.database.read() as reader:
        total = reader.execute(select(func.count()).select_from(files).where(files.c.digest.is_not(None))).scalar_one()
        query = select(files.c.folder, files.c.name, files.c.digest).where(files.c.digest.is_not(None))
        query = query.order_by(files.c.folder, files.c.name)
        for row in reader.execute(query.execution_options(yield_per=1000)):
            place = root / row.folder
            if place != last:
                place.mkdir(parents=True, exist_ok=True)
                last = place
            with project.artifacts.open(row.digest) as stream, (place / row.name).open("xb") as copy:
                shutil.copyfileobj(stream, copy, _CHUNK)
            written += 1
            progress.update("files", written / max(1, total))
    progress.finish("files", f"{written:,}")
    return written
