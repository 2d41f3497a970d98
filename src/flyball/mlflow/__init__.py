"""The MLflow protocol, for the clients that speak it: experiments, runs, files, registered models."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyball.mlflow.app import MlflowApp
    from flyball.mlflow.links import Links
    from flyball.mlflow.service import Service

__all__ = ["Links", "MlflowApp", "Service"]

_HOMES = {"Links": "links", "MlflowApp": "app", "Service": "service"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
