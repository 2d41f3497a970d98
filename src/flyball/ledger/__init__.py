"""The memory: entries, checkpoints, signing keys, and the audit that holds them against each other."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyball.ledger.audit import Problem, Verification, verify
    from flyball.ledger.checkpoints import Checkpoint
    from flyball.ledger.entries import Actor, Draft, Entry, NotRecordable
    from flyball.ledger.keyring import KeyRing
    from flyball.ledger.keys import Key, KeyFiles, KeyMissing, KeyUnknown
    from flyball.ledger.ledger import CannotErase, EntryUnknown, Ledger, LedgerDamaged
    from flyball.ledger.projection import Projection

__all__ = [
    "Actor",
    "CannotErase",
    "Checkpoint",
    "Draft",
    "Entry",
    "EntryUnknown",
    "Key",
    "KeyFiles",
    "KeyMissing",
    "KeyRing",
    "KeyUnknown",
    "Ledger",
    "LedgerDamaged",
    "NotRecordable",
    "Problem",
    "Projection",
    "Verification",
    "verify",
]

_HOMES = {
    "audit": ("Problem", "Verification", "verify"),
    "checkpoints": ("Checkpoint",),
    "entries": ("Actor", "Draft", "Entry", "NotRecordable"),
    "keyring": ("KeyRing",),
    "keys": ("Key", "KeyFiles", "KeyMissing", "KeyUnknown"),
    "ledger": ("CannotErase", "EntryUnknown", "Ledger", "LedgerDamaged"),
    "projection": ("Projection",),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"flyball.ledger.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
