"""`flyball track`: runs that `fb.track()` wrote down while no server was there."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from flyball.cli.answer import Answer, bullet_list
from flyball.cli.options import AsJson, ProjectFolder

__all__ = ["app"]

app = App(name="track", help="Runs that were logged by fb.track() and wait to be sent.")


@app.command
def sync(
    url: str | None = None,
    *,
    folder: ProjectFolder = None,
    as_json: AsJson = False,
) -> Answer:
    """Send what trainings logged while their tracking server was away; what it has already is not doubled.

    For example:
        flyball track sync http://127.0.0.1:5000

    Parameters
    ----------
    url
        The server to send to. Default: FLYBALL_TRACKING_URI or MLFLOW_TRACKING_URI.
    """
    from flyball.client import SPOOL_FOLDER
    from flyball.client.later import sync_waiting
    from flyball.project.opening import nearest

    found = sync_waiting((nearest() if folder is None else Path(folder)) / SPOOL_FOLDER, url)
    lines = [f"sent {len(found.sent)} runs to {found.url}" if found.sent else "no run waits to be sent"]
    lines += bullet_list("refused", list(found.refused)) + bullet_list("under way", list(found.busy))
    data = {"url": found.url, "sent": list(found.sent), "refused": list(found.refused), "under_way": list(found.busy)}
    return Answer(data, "\n".join(lines), 1 if found.refused else 0)
