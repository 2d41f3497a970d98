"""What goes wrong between a client of tracking and its server."""

from __future__ import annotations

from flyball_runtime.errors import BadInput

__all__ = ["NoServer", "Refusal"]


class Refusal(BadInput):
    """The tracking server does not take what was logged, or what was asked: another value of a parameter, a run that was
    deleted, a query that it cannot read."""

    code = "FB-CLIENT-001"


class NoServer(BadInput):
    """No tracking server was named, or the one that was does not answer; what waits stays where it is."""

    code = "FB-CLIENT-002"
