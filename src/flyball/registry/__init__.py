"""The registry: dataset versions, runs, models, versions, aliases with their history, lineage."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyball.registry.bundles import BundleRefused
    from flyball.registry.names import (
        AliasMoved,
        AliasUnknown,
        ModelUnknown,
        NameRefused,
        VersionExternal,
        VersionUnknown,
    )
    from flyball.registry.projection import REGISTRY
    from flyball.registry.records import AliasMove, AliasNow, DatasetVersion, Model, ModelVersion, Run
    from flyball.registry.registry import UNSET, Registry
    from flyball.registry.runs import RunRefused

__all__ = [
    "REGISTRY",
    "UNSET",
    "AliasMove",
    "AliasMoved",
    "AliasNow",
    "AliasUnknown",
    "BundleRefused",
    "DatasetVersion",
    "Model",
    "ModelUnknown",
    "ModelVersion",
    "NameRefused",
    "Registry",
    "Run",
    "RunRefused",
    "VersionExternal",
    "VersionUnknown",
]

_HOMES = {
    "bundles": ("BundleRefused",),
    "names": ("AliasMoved", "AliasUnknown", "ModelUnknown", "NameRefused", "VersionExternal", "VersionUnknown"),
    "projection": ("REGISTRY",),
    "records": ("AliasMove", "AliasNow", "DatasetVersion", "Model", "ModelVersion", "Run"),
    "registry": ("UNSET", "Registry"),
    "runs": ("RunRefused",),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"flyball.registry.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
