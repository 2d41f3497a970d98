"""What a look finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = ["Action", "Finding", "Look", "SplitKind", "Structure"]

Action = Literal["leave out", "keep", "mark", "as missing"]
SplitKind = Literal["random", "time", "group"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. `kind` is a short noun ("leak", "identifier", "constant" …); `column` is None for whole rows.

    `what` says it in words, `why` gives the evidence in numbers, `evidence` the same numbers by name. `action` is what
    is done unless the project file overrules it: "leave out" the column, "keep" it, "mark" it and keep it, or take its
    `values` "as missing" (numbers, texts, or microseconds since 1970, by the column's kind).
    """

    kind: str
    column: str | None
    what: str
    why: str
    action: Action
    evidence: dict[str, float | str] = field(default_factory=dict)
    values: tuple[float | str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Structure:
    """How rows hang together, and so how they must be split.

    `by` is a column's name, or "row_order" for a time order that only the rows' sequence shows; None when random.
    `confidence` in [0, 1]: 1 when declared by the user.
    """

    kind: SplitKind
    by: str | None
    confidence: float
    why: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Look:
    """All findings: `leaks` tell what the model could not know, `columns` everything else, `notes` what is no finding."""

    structure: Structure
    leaks: list[Finding]
    columns: list[Finding]
    notes: list[str]

    @property
    def left_out(self) -> list[str]:
        """Columns that are left out by default, in the order found, each once."""
        found = [item.column for item in (*self.leaks, *self.columns) if item.action == "leave out" and item.column]
        return list(dict.fromkeys(found))

    @property
    def missing(self) -> dict[str, tuple[float | str, ...]]:
        """Values that count as missing, by column."""
        return {item.column: item.values for item in self.columns if item.action == "as missing" and item.column}

    @property
    def personal(self) -> list[str]:
        """Columns that hold personal data."""
        return [item.column for item in self.columns if item.kind == "personal data" and item.column]

    def to_dict(self) -> dict[str, Any]:
        return {
            "structure": self.structure.to_dict(),
            "leaks": [item.to_dict() for item in self.leaks],
            "columns": [item.to_dict() for item in self.columns],
            "notes": list(self.notes),
        }
