"""`flyball console`: the web console on this machine."""

from __future__ import annotations

from pathlib import Path

from flyball.cli.answer import Answer

__all__ = ["console"]


def console(
    *,
    port: int = 8000,
    dir: Path | None = None,  # noqa: A002 - the option's name
    json: bool = False,
) -> Answer | None:
    """Open the web console of a project on loopback: quality, reasons, gates and history of its models.

    Example:
        flyball console --port 8000

    Parameters
    ----------
    port
        The port to listen on; 0 takes a free one, which the first line names.
    dir
        The project's folder. Default: this folder or the nearest one above it with a flyball.toml.
    json
        Print one JSON object when ready.
    """
    from flyball.api import serve_console
    from flyball.cli.answer import show
    from flyball.project import open as open_project

    project = open_project(dir)

    def ready(url: str) -> None:
        text = f"the console of [bold]{project.name}[/] is at {url}   (stop with Ctrl-C)"
        show(Answer({"url": url}, text), as_json=json)

    serve_console(project.view(), port=port, on_ready=ready)
    return None
