"""A project: the one place where configuration, store, ledger and steps are put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyball.project.audit import open_for_audit
    from flyball.project.handles import Dataset, LearnedModel, Version
    from flyball.project.opening import init, open  # noqa: A004
    from flyball.project.project import Project
    from flyball.project.reasons import ReasonMissing
    from flyball.project.stores import copy_artifacts, copy_store
    from flyball.project.upkeep import debug_bundle, doctor, restore

__all__ = [
    "Dataset",
    "LearnedModel",
    "Project",
    "ReasonMissing",
    "Version",
    "copy_artifacts",
    "copy_store",
    "debug_bundle",
    "doctor",
    "init",
    "open",
    "open_for_audit",
    "restore",
]

_HOMES = {
    "audit": ("open_for_audit",),
    "handles": ("Dataset", "LearnedModel", "Version"),
    "opening": ("init", "open"),
    "project": ("Project",),
    "reasons": ("ReasonMissing",),
    "stores": ("copy_artifacts", "copy_store"),
    "upkeep": ("debug_bundle", "doctor", "restore"),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"flyball.project.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
