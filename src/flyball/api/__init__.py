"""The HTTP control plane of a project, and the console that reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyball.api.view import ProjectView

if TYPE_CHECKING:
    from flyball.api.app import control_app
    from flyball.api.console import serve_console

__all__ = ["ProjectView", "control_app", "serve_console"]

_HOMES = {"control_app": "app", "serve_console": "console"}


def __getattr__(name: str) -> Any:
    # FastAPI and pydantic cost a quarter of a second: they are imported when an app is made.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
