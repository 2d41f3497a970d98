"""What an audit can find, and the account that it gives."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from flyball.ledger.checkpoints import Checkpoint

__all__ = ["FIXES", "MEANINGS", "Findings", "Problem", "Verification"]

MEANINGS = {
    "FB-AUDIT-001": "the store, or a table of it, cannot be read",
    "FB-AUDIT-002": "an entry is malformed",
    "FB-AUDIT-003": "an entry does not match its hash: one of them was edited",
    "FB-AUDIT-004": "an entry does not follow from the one before: inserted, reordered or edited",
    "FB-AUDIT-005": "entries are missing",
    "FB-AUDIT-006": "a payload is not the one that its entry holds the hash of",
    "FB-AUDIT-007": "a payload is missing without an entry that erased it",
    "FB-AUDIT-008": "a payload lies where none belongs",
    "FB-AUDIT-009": "a checkpoint is malformed, or its signature does not hold",
    "FB-AUDIT-010": "a checkpoint is signed by a key that is unknown or was revoked",
    "FB-AUDIT-011": "a checkpoint was signed over another history",
    "FB-AUDIT-012": "the ledger was rolled back or cut: a checkpoint knows more entries than there are",
    "FB-AUDIT-013": "the recorded end of the ledger is not its end",
    "FB-AUDIT-014": "checkpoints are missing",
    "FB-AUDIT-015": "a signing key is malformed, or came without the word of the key before it",
    "FB-AUDIT-016": "a governed table is not what follows from the ledger",
    "FB-AUDIT-017": "an entry cannot be replayed into the governed tables",
    "FB-AUDIT-018": "an artifact is missing",
    "FB-AUDIT-019": "an artifact is not what its digest names",
    "FB-AUDIT-020": "a bundle is not the one that was registered",
    "FB-AUDIT-021": "a finished run is not the one that the ledger recorded",
}
_OLDER = "put back the newest backup that verifies: `flyball restore`; and find out who can write to the store"
_ALONE = "`flyball audit rebuild` makes the governed tables anew from the ledger"
_AGAIN = "put it back from a backup; its digest names it"
# How to mend each; what is not here is mended by a backup, because nothing else holds what was lost.
FIXES = {
    "FB-AUDIT-001": f"{_ALONE}; when the database file itself is damaged, `flyball restore` a backup",
    "FB-AUDIT-010": "`flyball keys list` tells which keys are known and which were revoked; otherwise, restore a backup",
    "FB-AUDIT-012": "put the newest store back, or the newest backup that knows the checkpoint",
    "FB-AUDIT-016": _ALONE,
    "FB-AUDIT-018": _AGAIN,
    "FB-AUDIT-019": _AGAIN,
    "FB-AUDIT-020": "delete the bundle's folder: the next command that needs it writes it anew from the artifacts",
    "FB-AUDIT-021": "put back a backup; runs are told from the ledger by `flyball audit log`",
}
FIXES |= {code: _OLDER for code in MEANINGS if code not in FIXES}
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: its stable `code`, `where` it was found and `what` it is."""

    code: str
    where: str
    what: str

    def to_dict(self) -> dict[str, str]:
        return {"code": self.code, "where": self.where, "what": self.what, "means": MEANINGS[self.code]}


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome of an audit: `ok` when nothing is wrong, else every problem; and how much was looked at."""

    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    entries: int
    payloads: int
    checkpoints: int
    outside: int
    rows: int
    artifacts: int
    bundles: int
    newest: Checkpoint | None

    @property
    def ok(self) -> bool:
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        counts = ("entries", "payloads", "checkpoints", "outside", "rows", "artifacts", "bundles")
        return {
            "ok": self.ok,
            "problems": [problem.to_dict() for problem in self.problems],
            "notes": list(self.notes),
            "checked": {name: getattr(self, name) for name in counts},
            "checkpoint": self.newest.to_dict() if self.newest else None,
        }


@dataclass(slots=True)
class Findings:
    """Problems as they are found; after a hundred of one code the rest are only counted."""

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, code: str, where: str, what: str) -> None:
        self.counts[code] += 1
        if self.counts[code] <= _SHOWN:
            self.problems.append(Problem(code, where, what))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def summed(self) -> list[str]:
        """The notes, with what was only counted."""
        more = [
            f"{count - _SHOWN} further problems of {code} ({MEANINGS[code]}) are not listed"
            for code, count in sorted(self.counts.items())
            if count > _SHOWN
        ]
        return [*self.notes, *more]
