"""Looking after a project: examine it, copy it to safety and back, give space back, tell what ails it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyball.upkeep.backup import Backup, take_backup
    from flyball.upkeep.cleaning import Cleaned, clean
    from flyball.upkeep.debug import debug_bundle
    from flyball.upkeep.diagnosis import Check, Diagnosis
    from flyball.upkeep.doctor import examine
    from flyball.upkeep.restore import Restored, restore_backup

__all__ = [
    "Backup",
    "Check",
    "Cleaned",
    "Diagnosis",
    "Restored",
    "clean",
    "debug_bundle",
    "examine",
    "restore_backup",
    "take_backup",
]

_HOMES = {
    "backup": ("Backup", "take_backup"),
    "cleaning": ("Cleaned", "clean"),
    "debug": ("debug_bundle",),
    "diagnosis": ("Check", "Diagnosis"),
    "doctor": ("examine",),
    "restore": ("Restored", "restore_backup"),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"flyball.upkeep.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
