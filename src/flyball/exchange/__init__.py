"""The way from and to MLflow: its stores brought in with their history, and written again for it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyball.exchange.errors import (
        ArtifactsMissing,
        SchemaUnknown,
        SourceDamaged,
        SourceForeign,
        SourceUnreadable,
        TargetTaken,
    )
    from flyball.exchange.exporting import Exported, export_mlflow
    from flyball.exchange.importing import Imported, import_mlflow

__all__ = [
    "ArtifactsMissing",
    "Exported",
    "Imported",
    "SchemaUnknown",
    "SourceDamaged",
    "SourceForeign",
    "SourceUnreadable",
    "TargetTaken",
    "export_mlflow",
    "import_mlflow",
]

_HOMES = {
    "errors": (
        "ArtifactsMissing",
        "SchemaUnknown",
        "SourceDamaged",
        "SourceForeign",
        "SourceUnreadable",
        "TargetTaken",
    ),
    "exporting": ("Exported", "export_mlflow"),
    "importing": ("Imported", "import_mlflow"),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"flyball.exchange.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
