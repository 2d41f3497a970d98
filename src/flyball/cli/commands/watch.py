"""`flyball watch`: judge what was asked of a model lately."""

from __future__ import annotations

from typing import Any

from flyball.cli.answer import Answer
from flyball.cli.options import AsJson, ProjectFolder

__all__ = ["watch"]


def watch(
    model: str | None = None,
    *,
    since: str = "7d",
    follow: bool = False,
    every: str = "10s",
    folder: ProjectFolder = None,
    as_json: AsJson = False,
) -> Answer:
    """Judge the prediction log of a model, window by window: is it asked what it was made for?

    Each window is held against the data that the version was made from, and judged once. Alarms come within the
    false-alarm budget of the project file and are kept as alerts in the ledger. Exit code 0 when healthy or when there
    is not enough data to say, 1 while an alert is open.

    For example:
        flyball watch machines --since 7d

    Parameters
    ----------
    model
        The model; needless when the project has one.
    since
        How far back to look, such as 12h or 7d; rows from before are not judged any more.
    follow
        Go on judging as requests come in, until Ctrl-C; one line for each window.
    every
        With --follow: how often to look at the log.
    """
    from flyball.cli.watching import watch_summary
    from flyball.project import open as open_project

    project = open_project(folder)
    if follow:
        return _follow(project, model, since, every, as_json=as_json)
    seen = project.watch(model, since=since)
    return Answer(seen.to_dict(), watch_summary(seen), exit_code=1 if seen.state == "alert" else 0)


def _follow(project: Any, model: str | None, since: str, every: str, *, as_json: bool) -> Answer:
    """One line a window until Ctrl-C; the last answer is where the model stands then."""
    import time

    from flyball.cli.answer import show
    from flyball.cli.watching import watch_summary, window_line
    from flyball.config import parse_duration

    pause = max(0.1, parse_duration(every))

    def tell(window: Any) -> None:
        show(Answer(window.to_dict(), window_line(window)), as_json=as_json)

    seen = project.watch(model, since=since, on_window=tell)
    try:
        while True:
            time.sleep(pause)
            seen = project.watch(model, since=since, on_window=tell)
    except KeyboardInterrupt:
        return Answer(seen.to_dict(), watch_summary(seen), exit_code=1 if seen.state == "alert" else 0)
