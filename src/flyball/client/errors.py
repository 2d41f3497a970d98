"""What goes wrong between a client of tracking and its server."""

from __future__ import annotations

from flyball_runtime.errors import BadInput, InternalError

__all__ = ["Damaged", "NoServer", "Refusal"]


class Refusal(BadInput):
    """The tracking server does not take what was logged, or what was asked: another value of a parameter, a run that was
    deleted, a query that it cannot read."""

    code = "FB-CLIENT-001"
    answered = 0  # the status that the server answered with, where it was one


class NoServer(BadInput):
    """No tracking server was named, or the one that was does not answer; what waits stays where it is."""

    code = "FB-CLIENT-002"


class Damaged(InternalError):
    """A file that was fetched is not the one that the tracking server has registered, so it was thrown away."""

    code = "FB-CLIENT-003"
