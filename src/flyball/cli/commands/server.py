"""`flyball server`: tracking, registry and console for a team."""

from __future__ import annotations

from pathlib import Path

from flyball.cli.answer import Answer
from flyball.cli.options import AsJson, ProjectFolder

__all__ = ["server"]


def server(
    *,
    host: str = "127.0.0.1",
    port: int = 5000,
    store: str | None = None,
    artifacts: str | None = None,
    folder: ProjectFolder = None,
    as_json: AsJson = False,
) -> Answer | None:
    """Serve experiments, runs, registered models and the console to a team; clients of MLflow log here as they are.

    In a folder without a project, a small project file is written, to which gates can be added. Stops on Ctrl-C or
    SIGTERM after answering what is under way. Beyond loopback a token is required in FLYBALL_SERVER_TOKEN; clients of
    MLflow send it when it stands in MLFLOW_TRACKING_TOKEN, or as MLFLOW_TRACKING_PASSWORD with any user name, which the
    ledger then keeps as the one who acts.

    For example:
        flyball server --port 5000
        flyball server --artifacts s3://plant-models/flyball
        flyball server --host 0.0.0.0 --store sqlite:////srv/flyball/flyball.db --artifacts /srv/flyball/artifacts

    Parameters
    ----------
    host
        The address to listen on.
    port
        The port to listen on; 0 takes a free one, which the first line names.
    store
        The store's URL, in place of the one in the project file.
    artifacts
        The folder for files, or the URL of a bucket such as s3://bucket/prefix, in place of the one in the project file.
    """
    from flyball.cli.answer import show
    from flyball.project.opening import nearest
    from flyball.server import open_for_server, serve

    place = nearest() if folder is None else Path(folder)
    project, made = open_for_server(place, store=store, artifacts=artifacts)

    def ready(url: str) -> None:
        text = (
            f"tracking and registry of [bold]{project.name}[/] at {url}   (stop with Ctrl-C)\n"
            f"  try   MLFLOW_TRACKING_URI={url} python train.py"
        )
        new = f"\n  new   {project.config.path}" if made else ""
        show(Answer({"url": url, "project": project.name, "made": made}, text + new), as_json=as_json)

    serve(project, host=host, port=port, on_ready=ready)
    return None
