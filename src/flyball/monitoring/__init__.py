"""The watch: windows of the prediction log judged against the world that a model was made in, and alerts."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyball.monitoring.alerts import Alert, Alerts, AlertSettled, AlertUnknown
    from flyball.monitoring.judging import Baseline, Judgement, judge_window
    from flyball.monitoring.monitor import JudgedWindow, Monitor, Waiting
    from flyball.monitoring.projection import ALERTS
    from flyball.monitoring.ranges import alarm_range
    from flyball.monitoring.reference import Reference
    from flyball.monitoring.watched import WATCHED_NAME, Watched, score_columns

__all__ = [
    "ALERTS",
    "WATCHED_NAME",
    "Alert",
    "AlertSettled",
    "AlertUnknown",
    "Alerts",
    "Baseline",
    "JudgedWindow",
    "Judgement",
    "Monitor",
    "Reference",
    "Waiting",
    "Watched",
    "alarm_range",
    "judge_window",
    "score_columns",
]

_HOMES = {
    "alerts": ("Alert", "AlertSettled", "AlertUnknown", "Alerts"),
    "judging": ("Baseline", "Judgement", "judge_window"),
    "monitor": ("JudgedWindow", "Monitor", "Waiting"),
    "projection": ("ALERTS",),
    "ranges": ("alarm_range",),
    "reference": ("Reference",),
    "watched": ("WATCHED_NAME", "Watched", "score_columns"),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"flyball.monitoring.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
