"""Flyball, the governor for machine-learning models.

import flyball as fb

project = fb.open(".")
model = project.learn(project.dataset("adult.parquet", target="income"), budget="2m")
version = project.propose(model, reason="first version")
version.promote("production", reason="quarterly refresh")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyball.core.version import __version__

if TYPE_CHECKING:
    from flyball.client import track
    from flyball.project import Dataset, LearnedModel, Project, Version, init, open, restore  # noqa: A004
    from flyball_runtime.errors import BadInput, FlyballError, InternalError, Refused

__all__ = [
    "BadInput",
    "Dataset",
    "FlyballError",
    "InternalError",
    "LearnedModel",
    "Project",
    "Refused",
    "Version",
    "__version__",
    "init",
    "open",
    "restore",
    "track",
]

_HOMES = {
    **dict.fromkeys(("BadInput", "FlyballError", "InternalError", "Refused"), "flyball_runtime.errors"),
    "track": "flyball.client",
}


def __getattr__(name: str) -> Any:
    """Load the parts on first use, so that `import flyball` stays light."""
    if name not in __all__:
        raise AttributeError(f"module 'flyball' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES.get(name, "flyball.project")), name)


def __dir__() -> list[str]:
    return sorted(__all__)
