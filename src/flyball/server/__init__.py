"""The server of a team: interface, console and the MLflow protocol in one process."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyball.server.opening import open_for_server
    from flyball.server.running import SERVER_TOKEN_VARIABLE, serve

__all__ = ["SERVER_TOKEN_VARIABLE", "open_for_server", "serve"]

_HOMES = {"SERVER_TOKEN_VARIABLE": "running", "open_for_server": "opening", "serve": "running"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
