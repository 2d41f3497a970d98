"""`flyball track`: runs that `fb.track()` wrote down while no server was there."""

from __future__ import annotations

import time
from pathlib import Path

from cyclopts import App

from flyball.cli.answer import Answer, bullet_list
from flyball.cli.options import AsJson, ProjectFolder

__all__ = ["app"]

app = App(name="track", help="Runs that were logged by fb.track() and wait to be sent; files of runs on a server.")


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


@app.command
def download(
    run: str,
    path: str = "",
    *,
    to: Path = Path(),
    url: str | None = None,
    folder: ProjectFolder = None,
    as_json: AsJson = False,
) -> Answer:
    """Fetch files of a run from a tracking server, or from the store of this project; each is verified by its hash.

    What broke off on its way from a server goes on where it was when the same is asked again.

    For example:
        flyball track download 4f1c2a90d3 model --to fetched --url http://127.0.0.1:5000

    Parameters
    ----------
    run
        The run's id.
    path
        A file of the run, or a folder. Default: all of its files.
    to
        The folder to write into. Default: the one this is typed in.
    url
        The server. Default: FLYBALL_TRACKING_URI or MLFLOW_TRACKING_URI; without one, the project's own store.
    """
    import flyball as fb
    from flyball.client import ServedFiles
    from flyball.client.later import server_in_environment
    from flyball.project.run_files import take_files

    began, given = time.monotonic(), url or (None if folder else server_in_environment())
    if given is None:
        project = fb.open(folder)
        try:
            files = take_files(project, run, path, to)
        finally:
            project.close()
    else:
        files = ServedFiles(given).download(run, path, to)
    size = sum(file.stat().st_size for file in files)
    data = {"url": given, "run": run, "files": list(map(str, files)), "bytes": size}
    said = "\n".join([f"fetched {len(files)} files, {size:,} bytes", *(f"  {file}" for file in files)])
    return Answer({**data, "seconds": round(time.monotonic() - began, 3)}, said)
