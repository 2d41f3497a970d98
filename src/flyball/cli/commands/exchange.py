"""`flyball import` and `flyball export`: the way from and to other tracking stores."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App, Parameter

from flyball.cli.answer import Answer
from flyball.cli.options import AsJson, ProjectFolder

__all__ = ["export_app", "import_app"]

import_app = App(
    name="import",
    help="Bring in what another tracking store holds.",
    help_format="plaintext",
    default_parameter=Parameter(negative=()),
)
export_app = App(
    name="export",
    help="Write what the project tracks as a store of another tool's.",
    help_format="plaintext",
    default_parameter=Parameter(negative=()),
)


@import_app.command(name="mlflow")
def import_mlflow(
    source: str,
    *,
    artifacts: list[Path] | None = None,
    without_artifacts: bool = False,
    allow_missing: bool = False,
    dry_run: bool = False,
    folder: ProjectFolder = None,
    as_json: AsJson = False,
) -> Answer:
    """Import a store of MLflow's: experiments, runs with every point, logged and registered models, files; MLflow itself is
    not needed.

    Ids stay, times are kept as the store states them, and the ledger says so. Imported versions stand as "imported, not
    evaluated": an alias or stage that has a gate is not moved to them. What was interrupted goes on where it stopped; a
    second import brings only what is new. The store is only read.

    For example:
        flyball import mlflow sqlite:///mlflow.db --artifacts mlartifacts --dry-run
        flyball import mlflow postgresql://mlflow@db.plant/mlflow --artifacts /srv/mlartifacts
        flyball import mlflow mlruns --json

    Parameters
    ----------
    source
        The store: an SQLite file or its URL, a PostgreSQL URL, or the folder mlruns.
    artifacts
        A folder that the store's files lie in; may be given several times. Nothing outside is read. Default: mlartifacts,
        mlruns and artifacts beside the store.
    without_artifacts
        Leave the files where they are; runs and versions go on naming them there.
    allow_missing
        Import versions whose files are not there, without files.
    dry_run
        Look and count, and write nothing.
    """
    from flyball.cli.exchange import import_summary
    from flyball.cli.progress import console_progress
    from flyball.exchange import import_mlflow as bring
    from flyball.project import open as open_project

    project = open_project(folder)
    progress = console_progress()
    try:
        imported = bring(
            project, source, artifacts=artifacts or (), without_artifacts=without_artifacts,
            allow_missing=allow_missing, dry_run=dry_run, progress=progress,
        )  # fmt: skip
    finally:
        progress.close()
        project.close()
    data = imported.to_dict()
    return Answer(data, import_summary(data))


@export_app.command(name="mlflow")
def export_mlflow(
    target: Path, *, without_artifacts: bool = False, folder: ProjectFolder = None, as_json: AsJson = False
) -> Answer:
    """Write experiments, runs, logged and registered models and their files as a store that MLflow opens.

    In the new folder are mlflow.db, with the tables of MLflow 3.0, which a later MLflow brings to its own when it opens it,
    and the folder artifacts. The folder appears whole or not at all. Versions that Flyball made have bundles, which are no
    models of MLflow's: `flyball backup` keeps those.

    For example:
        flyball export mlflow ../for-mlflow
        flyball export mlflow ../for-mlflow --without-artifacts --json

    Parameters
    ----------
    target
        A new folder.
    without_artifacts
        Leave the files out.
    """
    from flyball.cli.exchange import export_summary
    from flyball.cli.progress import console_progress
    from flyball.exchange import export_mlflow as write
    from flyball.project import open as open_project

    project = open_project(folder)
    progress = console_progress()
    try:
        exported = write(project, target, without_artifacts=without_artifacts, progress=progress)
    finally:
        progress.close()
        project.close()
    data = exported.to_dict()
    return Answer(data, export_summary(data))
