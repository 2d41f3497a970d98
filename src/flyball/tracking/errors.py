"""What tracking refuses, and why."""

from __future__ import annotations

from flyball_runtime.errors import BadInput, Refused

__all__ = [
    "OrderRepeated",
    "PathRefused",
    "QueryInvalid",
    "TrackingDeleted",
    "TrackingExists",
    "TrackingInvalid",
    "TrackingUnknown",
]


class TrackingUnknown(BadInput):
    """There is no experiment, run, logged model, registered model, tag or file of this name or id."""

    code = "FB-TRACK-001"


class TrackingExists(Refused):
    """An experiment or a registered model of this name exists already; deleted experiments keep their names."""

    code = "FB-TRACK-002"


class TrackingInvalid(BadInput):
    """A name or a value cannot be kept: of the wrong form, too long, or a parameter that was logged before."""

    code = "FB-TRACK-003"


class TrackingDeleted(Refused):
    """The run or the experiment was deleted, so nothing can be added to it until it is restored."""

    code = "FB-TRACK-004"


class QueryInvalid(BadInput):
    """A search query, an order or a page token cannot be read, or asks for a field that there is not."""

    code = "FB-TRACK-005"


class OrderRepeated(QueryInvalid):
    """A search is ordered by the same field twice."""

    code = "FB-TRACK-006"


class PathRefused(BadInput):
    """A file's path is not a plain relative one, so it could lead out of the folder that it is meant for."""

    code = "FB-TRACK-007"
