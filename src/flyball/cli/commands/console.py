"""`flyball console`: the web console on this machine."""

from __future__ import annotations

from flyball.cli.answer import Answer
from flyball.cli.options import AsJson, ProjectFolder

__all__ = ["console"]


def console(
    *,
    port: int = 8000,
    folder: ProjectFolder = None,
    as_json: AsJson = False,
) -> Answer | None:
    """Open the web console of a project on loopback: quality, reasons, gates and history of its models.

    For example:
        flyball console --port 8000

    Parameters
    ----------
    port
        The port to listen on; 0 takes a free one, which the first line names.
    """
    from flyball.api import serve_console
    from flyball.cli.answer import show
    from flyball.project import open as open_project

    project = open_project(folder)

    def ready(url: str) -> None:
        text = f"the console of [bold]{project.name}[/] is at {url}   (stop with Ctrl-C)"
        show(Answer({"url": url}, text), as_json=as_json)

    serve_console(project.view(), port=port, on_ready=ready)
    return None
