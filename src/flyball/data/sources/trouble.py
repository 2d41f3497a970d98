"""Cells that do not fit their column, and what is said of them: which lines, which values, and what was done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

__all__ = ["MISSING_WORDS", "MISSING_WORDS_SQL", "Note", "Trouble", "cell_of"]

MISSING_WORDS = ("na", "n/a", "#n/a", "nan", "null", "none", "nil", "-", "--", "?", ".", "missing", "unknown")
MISSING_WORDS_SQL = ", ".join(f"'{word}'" for word in MISSING_WORDS)
_LONGEST = 40


def cell_of(index: int) -> str:
    """SQL for a staged column's trimmed text, NULL where it is blank."""
    return f"nullif(trim(c{index}), '')"


class Note(str):
    """Something said about a table. `column` and `plain`, where given: whose values it shows, and it without them."""

    __slots__ = ("column", "plain")

    def __new__(cls, text: str, *, column: str | None = None, plain: str | None = None) -> Note:
        note = super().__new__(cls, text)
        note.column = column
        note.plain = plain
        return note

    column: str | None
    plain: str | None


@dataclass(frozen=True, slots=True)
class Trouble:
    """Cells of a column of numbers or dates that are neither; `places` are the first three, in the order of the rows."""

    column: str
    index: int
    kind: str
    odd: int
    cells: int
    missing: bool
    values: tuple[str, ...]
    places: tuple[str, ...] = ()

    def at(self, places: Sequence[str]) -> Trouble:
        """The same with the places of its first cells: "line 17", or "b.csv line 17"."""
        return replace(self, places=tuple(places))

    @property
    def outcome(self) -> str:
        return "read as missing" if self.missing else "the column is read as text"

    def told(self, *, values: bool = True) -> str:
        """One sentence: the column, how many cells, the first of them with their lines, and what was done."""
        noun = f"1 cell is no {self.kind[:-1]}" if self.odd == 1 else f"{self.odd:,} cells are no {self.kind}"
        listed = self.where(values=values)
        return f'"{self.column}": {noun} of {self.cells:,}, {self.outcome}{f": {listed}" if listed else ""}'

    def where(self, *, values: bool = True) -> str:
        """The first cells: `line 12 holds "abc"; line 40 holds "-"; …`, or only their lines."""
        shown = [
            " ".join([self.places[number] if self.places else "", f'holds "{_short(value)}"' if values else ""]).strip()
            for number, value in enumerate(self.values)
        ]
        listed = "; ".join(text for text in shown if text)
        more = "; …" if self.odd > len(self.values) and listed else ""
        return f"{listed}{more}" + ("" if values else " (its values are personal and not shown)")

    def note(self) -> Note:
        return Note(self.told(), column=self.column, plain=self.told(values=False))


def _short(value: str) -> str:
    value = "".join(letter if letter.isprintable() else "␣" for letter in value)
    return value if len(value) <= _LONGEST else value[: _LONGEST - 1] + "…"
