"""The inference server: the Open Inference Protocol and named columns over one scoring path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyball.serving.guard import TOKEN_VARIABLE, NotLoopback, check_host
from flyball.serving.run import Address, PortTaken, run

if TYPE_CHECKING:
    from flyball.serving.app import serving_app
    from flyball.serving.asgi import Limits
    from flyball.serving.served import Served

__all__ = [
    "TOKEN_VARIABLE",
    "Address",
    "Limits",
    "NotLoopback",
    "PortTaken",
    "Served",
    "check_host",
    "run",
    "serving_app",
]

_HOMES = {"Limits": "asgi", "Served": "served", "serving_app": "app"}


def __getattr__(name: str) -> Any:
    # The app reaches the database, the rest only numpy: each is imported when it is asked for.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
