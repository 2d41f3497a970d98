"""Importing a store of MLflow's: looked at whole, then brought in batch by batch; a second time brings only what is new."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from flyball.core.counting import counted
from flyball.core.progress import NoProgress, Progress
from flyball.exchange.artifacts_in import ArtifactsIn, Home
from flyball.exchange.file_source import FOLDER
from flyball.exchange.places import Places
from flyball.exchange.records import Counts, Source
from flyball.exchange.registry_in import RegistryIn
from flyball.exchange.sources import folder_of, open_source
from flyball.exchange.summary import Imported, Tally
from flyball.exchange.tracking_in import TrackingIn
from flyball.ledger import Actor, Draft

if TYPE_CHECKING:
    from flyball.project import Project

__all__ = ["ENTRY", "Imported", "import_mlflow"]

ENTRY = "store.imported"
_BATCH = 500


def import_mlflow(
    project: Project,
    source: str | os.PathLike[str],
    *,
    artifacts: Sequence[str | os.PathLike[str]] = (),
    without_artifacts: bool = False,
    allow_missing: bool = False,
    dry_run: bool = False,
    actor: Actor | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Bring a store of MLflow's into a project: experiments, runs with every point, logged and registered models, files.

    source: an SQLite file or its URL, a PostgreSQL URL, or the folder mlruns. artifacts: the folders that its files lie in
    (default: mlartifacts, mlruns and artifacts beside the store); nothing outside them is read. without_artifacts: files
    stay where they are, and are named there. allow_missing: bring versions without files that are not there. dry_run: only look.

    Ids of runs and models stay; times are kept as the source states them, and the ledger says so. Versions stand as
    imported, not evaluated: aliases and stages that have a gate are not moved. Each batch is one transaction: what was
    killed goes on where it stopped. Raises SourceUnreadable, SourceForeign, SchemaUnknown, SourceDamaged,
    ArtifactsMissing and the project's errors.
    """
    text = os.fspath(source)
    with closing(open_source(text)) as opened:
        store = Path(opened.location) if opened.revision == FOLDER else None
        places = Places([Path(root) for root in artifacts] or None, folder_of(text), store)
        return _Import(
            project, opened, places, actor=actor or project.actor, progress=progress or NoProgress(),
            keep_places=without_artifacts, allow_missing=allow_missing,
        ).run(dry_run=dry_run)  # fmt: skip


class _Import:
    """One import under way."""

    def __init__(
        self, project: Project, source: Source, places: Places, *, actor: Actor, progress: Progress, keep_places: bool,
        allow_missing: bool,
    ) -> None:  # fmt: skip
        self._project = project
        self._source = source
        self._actor = actor
        self._progress = progress
        self._keep_places = keep_places
        self._tally = Tally()
        self._where = source.location
        self._tracking = TrackingIn(
            project.database, project.tracking, project.ledger, actor=actor, where=self._where, tally=self._tally,
            keep_places=keep_places,
        )  # fmt: skip
        self._files = ArtifactsIn(project.database, project.tracking, project.artifacts, places, self._tally)
        self._registry = RegistryIn(
            project, self._files, places, actor=actor, where=self._where, tally=self._tally, keep_places=keep_places,
            allow_missing=allow_missing,
        )  # fmt: skip

    def run(self, *, dry_run: bool) -> Imported:
        began = time.monotonic()
        self._progress.start("look", self._where)
        found = self._source.counts()
        registered = self._source.registered()
        self._registry.check(registered)
        self._progress.finish(
            "look",
            f"{counted(found.runs, 'run')}, {counted(found.points, 'point')}, {counted(found.versions, 'version')}",
        )
        entry = None
        if not dry_run:
            homes = [*self._runs(found), *self._models(found)]
            if not self._keep_places:
                self._bring_files(homes)
            self._progress.start("registry")
            done = 0

            def step() -> None:
                nonlocal done
                done += 1
                self._progress.update("registry", done / max(1, found.versions))

            for model in registered:
                self._registry.bring(model, step)
            self._progress.finish(
                "registry", f"{counted(len(registered), 'model')}, {counted(found.versions, 'version')}"
            )
            entry = self._told()
        seconds = round(time.monotonic() - began, 3)
        tally = self._tally
        return Imported(
            self._where, self._source.revision, dry_run, found._asdict(), dict(tally.counts), tuple(tally.clashes),
            tuple(tally.notes), entry, seconds,
        )  # fmt: skip

    def _runs(self, found: Counts) -> list[Home]:
        self._progress.start("runs")
        self._tracking.experiments(self._source.experiments())
        homes: list[Home] = []
        for page in self._source.run_pages(_BATCH):
            self._tracking.runs(page)
            for run in page:
                tail = f"{run.id}/artifacts"
                location = self._tracking.location_of(run.experiment, run.uri, tail)
                homes.append(Home(f"run:{run.id}", run.uri, f"{run.experiment}/{tail}", location))
            self._progress.update("runs", len(homes) / max(1, found.runs), f"{len(homes):,} of {found.runs:,}")
        self._progress.finish("runs", f"{len(homes):,} in {found.experiments:,} experiments")
        return homes

    def _models(self, found: Counts) -> list[Home]:
        self._progress.start("models")
        homes: list[Home] = []
        for page in self._source.model_pages(_BATCH):
            self._tracking.models(page)
            for model in page:
                tail = f"models/{model.id}/artifacts"
                location = self._tracking.location_of(model.experiment, model.uri, tail)
                homes.append(Home(f"model:{model.id}", model.uri, f"{model.experiment}/{tail}", location))
            self._progress.update("models", len(homes) / max(1, found.models))
        self._progress.finish("models", f"{len(homes):,} logged models")
        return homes

    def _bring_files(self, homes: Sequence[Home]) -> None:
        self._progress.start("files")
        for home in homes:
            self._files.will_move(home)
        for place, _ in enumerate(self._files.bring(homes)):
            self._progress.update("files", place / max(1, len(homes)))
        files = self._tally.counts["files"]
        self._progress.finish("files", f"{files['new']:,} brought, {files['same']:,} were here")

    def _told(self) -> int | None:
        """The ledger's entry of an import that wrote something."""
        if not self._tally.changed:
            return None
        payload = {
            "source": self._where, "revision": self._source.revision, "clashes": len(self._tally.clashes),
            "counts": {kind: dict(count) for kind, count in self._tally.counts.items()},
        }  # fmt: skip
        why = f"imported from {self._where}"
        with self._project.database.write("exchange.told") as tx:
            draft = Draft(ENTRY, "tracking", self._actor, why, payload=payload)
            return self._project.ledger.append(tx, draft)[0].seq
