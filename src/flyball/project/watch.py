"""The watch over a model of a project: settings from the project file, the monitor, and where things stand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from flyball.config import MonitorConfig, parse_duration
from flyball.core.clock import rfc3339
from flyball.monitoring import Alert, JudgedWindow, Monitor, Waiting, alarm_range
from flyball_runtime.errors import BadInput

if TYPE_CHECKING:
    from flyball.project.project import Project

__all__ = ["SinceInvalid", "Watch", "standing", "watch"]


class SinceInvalid(BadInput):
    """How far back to look was not given as a length of time ("7d"), or as a moment with its time zone."""

    code = "FB-PROJECT-020"
    status: ClassVar[int] = 400


@dataclass(frozen=True, slots=True)
class Watch:
    """Where a model stands: `state` is "alert" while one is open, "healthy", or "not enough data".

    `judged` are the windows that were judged just now, oldest first; `windows` all that ended since `since`, newest
    first; `waiting` tells of the rows that no window holds yet. `level` is how likely each window is to raise a false
    alarm.
    """

    model: str
    state: str
    since: str
    budget: str
    level: float
    fewest: int
    judged: tuple[JudgedWindow, ...]
    windows: tuple[JudgedWindow, ...]
    waiting: tuple[Waiting, ...]
    alerts: tuple[Alert, ...]
    personal: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        """Whether windows were judged and no alert is open."""
        return self.state == "healthy"

    def to_dict(self) -> dict[str, Any]:
        """What `flyball watch --json` prints."""
        counted = dict.fromkeys(("healthy", "alarm", "not enough data"), 0)
        for window in self.windows:
            counted[window.verdict] += 1
        judged = counted["healthy"] + counted["alarm"]
        return {
            "model": self.model,
            "state": self.state,
            "since": self.since,
            "budget": self.budget,
            "level": self.level,
            "fewest": self.fewest,
            "counts": counted,
            "false_alarm_range": list(alarm_range(judged, self.level)),
            "judged": [window.to_dict() for window in self.judged],
            "windows": [_brief(window) for window in self.windows],
            "waiting": [waiting.to_dict() for waiting in self.waiting],
            "alerts": [alert.to_dict() for alert in self.alerts],
            "not_watched": {"personal": list(self.personal)},
        }

    def to_full_dict(self) -> dict[str, Any]:
        """The same with every column of every window, for the HTTP interface."""
        return {**self.to_dict(), "windows": [window.to_dict() for window in self.windows]}


def watch(
    project: Project,
    model: str,
    *,
    since: str | float | datetime,
    on_window: Callable[[JudgedWindow], None] | None = None,
) -> Watch:
    """Judge what is new and say where the model stands. Raises ModelUnknown for a model without versions."""
    begin = _moment(project, since)
    project.registry.resolve(model)
    judged = []
    for window in _monitor(project, model).judge(begin):
        judged.append(window)
        if on_window is not None:
            on_window(window)
    return standing(project, model, since=begin, judged=tuple(judged))


def standing(
    project: Project,
    model: str,
    *,
    since: str | float | datetime,
    judged: tuple[JudgedWindow, ...] = (),
    limit: int = 1000,
) -> Watch:
    """Where the model stands by the newest `limit` windows, without judging any. Raises ModelUnknown, SinceInvalid."""
    begin = _moment(project, since)
    newest = project.registry.resolve(model)
    settings = _settings(project, model)
    monitor = _monitor(project, model)
    windows = monitor.windows(begin, limit=limit)
    alerts = project.alerts(model)
    enough = any(window.verdict != "not enough data" for window in windows)
    return Watch(
        model=model,
        state="alert" if alerts else "healthy" if enough else "not enough data",
        since=rfc3339(begin),
        budget=settings.budget.text,
        level=settings.budget.level,
        fewest=settings.fewest,
        judged=judged,
        windows=tuple(windows),
        waiting=tuple(monitor.waiting(begin)),
        alerts=tuple(alerts),
        personal=tuple(project.registry.evidence(newest)["data"]["personal"]),
    )


def _settings(project: Project, model: str) -> MonitorConfig:
    """`[monitor.MODEL]` of the project file, or its defaults."""
    return project.config.monitor.get(model, MonitorConfig())


def _monitor(project: Project, model: str) -> Monitor:
    """The monitor of a model, acting for whoever opened the project."""
    settings = _settings(project, model)
    return Monitor(project.registry, project.clock, model, settings=settings, actor=project.actor)


def _moment(project: Project, since: str | float | datetime) -> datetime:
    """Raises SinceInvalid."""
    if isinstance(since, datetime):
        if since.tzinfo is None:
            raise SinceInvalid("a moment to look back to needs a time zone", why=f"it is {since}", fix="add +00:00")
        return since
    try:
        back = timedelta(seconds=parse_duration(since))
        return project.clock.now() - back
    except BadInput as error:
        try:
            moment = datetime.fromisoformat(str(since))
        except ValueError:
            raise SinceInvalid(f"{since!r} does not say how far back", why=error.why, fix='write "7d"') from error
        return _moment(project, moment)
    except OverflowError as error:
        raise SinceInvalid(f"{since!r} is further back than time goes", fix='write "7d"') from error


def _brief(window: JudgedWindow) -> dict[str, Any]:
    """A window without its columns' statistics, but for those that moved."""
    document = window.to_dict()
    document["columns"] = [column for column in document["columns"] or [] if column["moved"]]
    return document
