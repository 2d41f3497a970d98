"""Flyball's errors in the words of the MLflow protocol: an `error_code`, a message, a status."""

from __future__ import annotations

from collections.abc import Sequence

from flyball.registry import AliasMoved, ModelUnknown, VersionUnknown
from flyball.serving.asgi import BodyTooLarge
from flyball.store import (
    ArtifactMissing,
    ArtifactStoreAway,
    ArtifactStoreRefuses,
    StoreBusy,
    StoreUnreachable,
    UploadUnknown,
)
from flyball.tracking import OrderRepeated, TrackingExists, TrackingUnknown
from flyball_runtime.errors import BadInput, FlyballError, Refused

__all__ = ["ProtocolError", "invalid", "told"]

_STATUS = {
    "INVALID_PARAMETER_VALUE": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    "INVALID_STATE": 400,
    "PERMISSION_DENIED": 403,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "ENDPOINT_NOT_FOUND": 404,
    "RESOURCE_CONFLICT": 409,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "INTERNAL_ERROR": 500,
    "NOT_IMPLEMENTED": 501,
    "TEMPORARILY_UNAVAILABLE": 503,
}


class ProtocolError(Exception):
    """An answer that is an error of the protocol: never shown to anybody else."""

    def __init__(self, code: str, message: str, status: int | None = None, *, allowed: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or _STATUS[code]
        self.headers = {"allow": ", ".join(allowed)} if allowed else {}


def invalid(message: str) -> ProtocolError:
    """A request that cannot be used as it is."""
    return ProtocolError("INVALID_PARAMETER_VALUE", message)


def told(error: FlyballError) -> ProtocolError:
    """A coded error as the protocol says it; the whole text goes with it."""
    if isinstance(error, Refused) and _by_a_gate(error):
        return ProtocolError("PERMISSION_DENIED", str(error))
    if isinstance(error, OrderRepeated):
        # The code that the protocol's own server answers with; a status of 500 would make clients try again.
        return ProtocolError("INTERNAL_ERROR", str(error), 400)
    for kinds, code in _CODES:
        if isinstance(error, kinds):
            return ProtocolError(code, str(error), getattr(error, "status", None))
    return ProtocolError("INTERNAL_ERROR", str(error))


def _by_a_gate(error: Refused) -> bool:
    from flyball.governance import GateRefused  # what judges is loaded by then; a server without gates never needs it

    return isinstance(error, GateRefused)


_CODES: tuple[tuple[tuple[type[FlyballError], ...], str], ...] = (
    ((TrackingUnknown, ModelUnknown, VersionUnknown, ArtifactMissing, UploadUnknown), "RESOURCE_DOES_NOT_EXIST"),
    ((TrackingExists,), "RESOURCE_ALREADY_EXISTS"),
    ((AliasMoved,), "RESOURCE_CONFLICT"),
    ((ArtifactStoreRefuses,), "PERMISSION_DENIED"),  # of the server, which trying again does not mend
    ((StoreBusy, StoreUnreachable, ArtifactStoreAway), "TEMPORARILY_UNAVAILABLE"),
    ((BodyTooLarge,), "INVALID_PARAMETER_VALUE"),
    ((BadInput, Refused), "INVALID_PARAMETER_VALUE"),
)
