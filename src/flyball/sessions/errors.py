"""What can keep a server from going on with a past."""

from __future__ import annotations

from typing import ClassVar

from flyball_runtime.errors import InternalError, Refused

__all__ = ["PastLost", "PastPersonal", "SessionsHeld", "TooManyPasts"]


class SessionsHeld(Refused):
    """Another server goes on with the sessions of this version: one entity's past cannot go on in two places."""

    code = "FB-SESSION-002"


class PastPersonal(Refused):
    """A model's window features read a personal column, whose values a server would have to keep."""

    code = "FB-SESSION-003"


class TooManyPasts(Refused):
    """A row names an entity not seen before, and as many as the server may keep have a past already."""

    code = "FB-SESSION-004"
    status: ClassVar[int] = 507


class PastLost(InternalError):
    """Rows before these could not be written, so that an answer to these would stand on a past that nobody keeps."""

    code = "FB-SESSION-005"
    status: ClassVar[int] = 503
