"""Where things are kept: tables in a database, blobs in an artifact store, finished steps in a cache."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyball.store.artifacts import (
        ArtifactCorrupt,
        ArtifactMissing,
        ArtifactPlaceInvalid,
        ArtifactStore,
        ArtifactStoreAway,
        ArtifactStoreRefuses,
        ArtifactUnreadable,
        ArtifactWriter,
        PartHeld,
        PartsDiffer,
        Uploads,
        UploadUnknown,
    )
    from flyball.store.backend import DRIVER_ERRORS, Backend
    from flyball.store.database import Database, Done, Reader, Transaction, Write
    from flyball.store.errors import (
        StoreBusy,
        StoreDamaged,
        StoreForeign,
        StoreMissing,
        StoreNewer,
        StoreNotEmpty,
        StoreOlder,
        StoreUnreachable,
        StoreUnsupported,
        ValueRefused,
    )
    from flyball.store.file_artifacts import FileArtifacts
    from flyball.store.lock import file_lock, is_held, open_lock_file
    from flyball.store.places import open_artifacts
    from flyball.store.prepared import Prepared
    from flyball.store.steps import StepCache

__all__ = [
    "DRIVER_ERRORS",
    "ArtifactCorrupt",
    "ArtifactMissing",
    "ArtifactPlaceInvalid",
    "ArtifactStore",
    "ArtifactStoreAway",
    "ArtifactStoreRefuses",
    "ArtifactUnreadable",
    "ArtifactWriter",
    "Backend",
    "Database",
    "Done",
    "FileArtifacts",
    "PartHeld",
    "PartsDiffer",
    "Prepared",
    "Reader",
    "StepCache",
    "StoreBusy",
    "StoreDamaged",
    "StoreForeign",
    "StoreMissing",
    "StoreNewer",
    "StoreNotEmpty",
    "StoreOlder",
    "StoreUnreachable",
    "StoreUnsupported",
    "Transaction",
    "UploadUnknown",
    "Uploads",
    "ValueRefused",
    "Write",
    "file_lock",
    "is_held",
    "open_artifacts",
    "open_lock_file",
]

_HOMES = {
    "artifacts": (
        "ArtifactCorrupt",
        "ArtifactMissing",
        "ArtifactPlaceInvalid",
        "ArtifactStore",
        "ArtifactStoreAway",
        "ArtifactStoreRefuses",
        "ArtifactUnreadable",
        "ArtifactWriter",
        "PartHeld",
        "PartsDiffer",
        "UploadUnknown",
        "Uploads",
    ),
    "backend": ("DRIVER_ERRORS", "Backend"),
    "database": ("Database", "Done", "Reader", "Transaction", "Write"),
    "errors": (
        "StoreBusy",
        "StoreDamaged",
        "StoreForeign",
        "StoreMissing",
        "StoreNewer",
        "StoreNotEmpty",
        "StoreOlder",
        "StoreUnreachable",
        "StoreUnsupported",
        "ValueRefused",
    ),
    "file_artifacts": ("FileArtifacts",),
    "lock": ("file_lock", "is_held", "open_lock_file"),
    "places": ("open_artifacts",),
    "prepared": ("Prepared",),
    "steps": ("StepCache",),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"flyball.store.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
