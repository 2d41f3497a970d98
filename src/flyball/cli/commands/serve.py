"""`flyball serve`: answer predictions over HTTP."""

from __future__ import annotations

from pathlib import Path

from flyball.cli.answer import Answer
from flyball.cli.options import AsJson, ProjectFolder

__all__ = ["serve"]


def serve(
    ref: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    history: Path | None = None,
    entities: int = 100_000,
    folder: ProjectFolder = None,
    as_json: AsJson = False,
) -> Answer | None:
    """Serve a version: the Open Inference Protocol V2 over REST, and a simple POST /predict with named columns.

    Every prediction is logged under an id; POST /outcomes brings the truth later by that id. Stops on Ctrl-C or SIGTERM
    after answering what is under way. Beyond loopback a bearer token is required in FLYBALL_TOKEN.

    A model that looks back is answered from the rows that came before for the same entity, over restarts too.

    For example:
        flyball serve machines@production --port 8080
        flyball serve engines@production --history last-month.csv

    Parameters
    ----------
    ref
        What to serve: NAME@ALIAS or NAME@VERSION.
    host
        The address to listen on.
    port
        The port to listen on; 0 takes a free one, which the first line names.
    history
        A table of earlier rows to go on from, for a model that looks back. Rows that are known already change nothing.
    entities
        How many entities may have a past, for a model that looks back; a row of one more is refused.
    """
    from flyball.cli.progress import console_progress
    from flyball.project import open as open_project

    progress = console_progress()
    try:
        open_project(folder).serve(
            ref, host=host, port=port, history=history, entities=entities, progress=progress,
            on_ready=lambda url: _announce(ref, url, as_json=as_json),
        )  # fmt: skip
    finally:
        progress.close()
    return None


def _announce(ref: str, url: str, *, as_json: bool) -> None:
    from flyball.cli.answer import show

    name = ref.partition("@")[0]
    text = (
        f"serving [bold]{ref}[/] at {url}   (stop with Ctrl-C)\n"
        f"  try   curl -s {url}/v2/models/{name}\n"
        f"        curl -s {url}/predict -d '{{\"rows\": [{{…}}]}}'"
    )
    show(Answer({"model": ref, "url": url}, text), as_json=as_json)
