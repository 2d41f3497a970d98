"""What an import did, or would do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Imported", "Tally"]


class Tally:
    """Counts while an import goes on."""

    def __init__(self) -> None:
        self.counts: dict[str, dict[str, int]] = defaultdict(lambda: {"new": 0, "changed": 0, "same": 0})
        self.clashes: list[dict[str, str]] = []
        self.notes: list[str] = []

    def add(self, kind: str, *, new: int = 0, changed: int = 0) -> None:
        """What was written."""
        self.counts[kind]["new"] += new
        self.counts[kind]["changed"] += changed

    def same(self, kind: str, number: int) -> None:
        """What was here already as it is at the source."""
        self.counts[kind]["same"] += number

    def count(self, kind: str, *, new: bool, same: bool) -> None:
        """One of a kind."""
        self.counts[kind]["new" if new else "same" if same else "changed"] += 1

    def clash(self, what: str, outcome: str) -> None:
        """A name or an id that was taken, and what became of it."""
        self.clashes.append({"what": what, "outcome": outcome})

    def note(self, text: str) -> None:
        """What people should know."""
        self.notes.append(text)

    @property
    def changed(self) -> bool:
        """Whether anything was written."""
        return any(count["new"] or count["changed"] for count in self.counts.values())


@dataclass(frozen=True, slots=True)
class Imported:
    """An import that was done (or, `dry_run`, only looked at).

    found: what the source holds, by kind; counts: by kind, how many were `new`, `changed` since the last import and the
    `same`; clashes: names and ids that were taken, and what became of them; entry: the ledger's, None when nothing was
    written.
    """

    source: str
    revision: str
    dry_run: bool
    found: Mapping[str, int]
    counts: Mapping[str, Mapping[str, int]]
    clashes: tuple[Mapping[str, str], ...]
    notes: tuple[str, ...]
    entry: int | None
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """What `flyball import mlflow --json` prints."""
        return {
            "source": self.source, "revision": self.revision, "dry_run": self.dry_run, "found": dict(self.found),
            "counts": {kind: dict(count) for kind, count in self.counts.items()},
            "clashes": [dict(clash) for clash in self.clashes], "notes": list(self.notes), "entry": self.entry,
            "seconds": self.seconds,
        }  # fmt: skip
