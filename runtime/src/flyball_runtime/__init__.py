"""Open, verify and score a Flyball model bundle, in a server or on a device."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyball_runtime.bundle import Bundle, open_bundle
    from flyball_runtime.errors import BadInput, FlyballError, InternalError, Refused
    from flyball_runtime.profile import Profile
    from flyball_runtime.schema import Field, Schema
    from flyball_runtime.session import Session

__all__ = [
    "BadInput",
    "Bundle",
    "Field",
    "FlyballError",
    "InternalError",
    "Profile",
    "Refused",
    "Schema",
    "Session",
    "open_bundle",
]
__version__ = "0.1.0"

_HOME = {
    "BadInput": "errors",
    "Bundle": "bundle",
    "Field": "schema",
    "FlyballError": "errors",
    "InternalError": "errors",
    "Profile": "profile",
    "Refused": "errors",
    "Schema": "schema",
    "Session": "session",
    "open_bundle": "bundle",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
