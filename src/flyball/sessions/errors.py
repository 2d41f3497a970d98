"""What can keep a server from going on with a past."""

from __future__ import annotations

from typing import ClassVar

from flyball_runtime.errors import BadInput, InternalError, Refused

__all__ = ["NoPastWanted", "PastLost", "PastPersonal", "SessionsHeld", "TooManyPasts"]


class SessionsHeld(Refused):
    """Another server goes on with the sessions of this version: one entity's past cannot go on in two places."""

    code = "FB-PAST-001"


class PastPersonal(Refused):
    """A model's window features read a personal column, whose values a server would have to keep."""

    code = "FB-PAST-002"


class TooManyPasts(Refused):
    """A row names an entity not seen before, and as many as the server may keep have a past already."""

    code = "FB-PAST-003"
    status: ClassVar[int] = 507


class PastLost(InternalError):
    """Rows before these could not be written, so that an answer to these would stand on a past that nobody keeps."""

    code = "FB-PAST-004"
    status: ClassVar[int] = 503


class NoPastWanted(BadInput):
    """A table of earlier rows was given to serve a model that looks at single rows."""

    code = "FB-PAST-005"
