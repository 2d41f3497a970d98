"""Tracking: experiments, runs, their metrics and files, and models before they are registered."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyball.tracking.errors import (
        OrderRepeated,
        PathRefused,
        QueryInvalid,
        TrackingDeleted,
        TrackingExists,
        TrackingInvalid,
        TrackingUnknown,
    )
    from flyball.tracking.model_search import ModelOrder
    from flyball.tracking.records import (
        DatasetInput,
        Experiment,
        FileEntry,
        LoggedModel,
        Metric,
        ModelLink,
        ModelMetric,
        Page,
        Run,
    )
    from flyball.tracking.tracking import Tracking

__all__ = [
    "DatasetInput",
    "Experiment",
    "FileEntry",
    "LoggedModel",
    "Metric",
    "ModelLink",
    "ModelMetric",
    "ModelOrder",
    "OrderRepeated",
    "Page",
    "PathRefused",
    "QueryInvalid",
    "Run",
    "Tracking",
    "TrackingDeleted",
    "TrackingExists",
    "TrackingInvalid",
    "TrackingUnknown",
]

_HOMES = {
    "errors": (
        "OrderRepeated",
        "PathRefused",
        "QueryInvalid",
        "TrackingDeleted",
        "TrackingExists",
        "TrackingInvalid",
        "TrackingUnknown",
    ),
    "model_search": ("ModelOrder",),
    "records": (
        "DatasetInput",
        "Experiment",
        "FileEntry",
        "LoggedModel",
        "Metric",
        "ModelLink",
        "ModelMetric",
        "Page",
        "Run",
    ),
    "tracking": ("Tracking",),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"flyball.tracking.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
