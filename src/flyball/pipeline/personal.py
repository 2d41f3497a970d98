"""What may be told of columns marked personal: their names and measures, never their values."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from flyball.data import Note, Table
from flyball.data import personal_columns as columns_that_look_personal

__all__ = [
    "class_names",
    "contract_without_values",
    "finding_without_values",
    "notes_without_values",
    "personal_columns",
    "seems_personal",
]

_MEASURES = frozenset(
    ("alone", "base", "chance", "count", "groups", "next", "p", "purity", "q", "r2", "rest", "rows", "share", "z")
)
_LINE = re.compile(r"\blines? \d+\b")
_OUTCOME = re.compile(r"read as (?:missing(?: \([\d,]+ in all\))?|text|numbers)\b")


def personal_columns(
    found: Mapping[str, Any], declared: Collection[str], public: Collection[str] = ()
) -> tuple[str, ...]:
    """The columns that the project file declares personal, or that a look at the data found to be and nobody denied."""
    seen = {item["column"] for item in found["columns"] if item["kind"] == "personal data" and item["column"]}
    return tuple(sorted((seen - set(public)) | set(declared)))


def seems_personal(table: Table, declared: Collection[str], public: Collection[str]) -> frozenset[str]:
    """The same before there is a target to look with: what must not be quoted of a table that was just read."""
    seen = {str(finding.column) for finding in columns_that_look_personal(table, "")}
    return frozenset((seen - set(public)) | set(declared))


def finding_without_values(
    finding: Mapping[str, Any], personal: Collection[str], columns: Sequence[str]
) -> dict[str, Any]:
    """A finding as it may be shown: what is found of a personal column is told by its measures, not by its values.

    `columns`: all of the table's, whose names may be told.
    """
    if finding["column"] not in personal or finding["kind"] == "personal data":
        return dict(finding)
    measured = {name: value for name, value in (finding["evidence"] or {}).items() if name in _MEASURES}
    told = ", ".join(f"{name} {value:.6g}" for name, value in measured.items() if isinstance(value, int | float))
    what = finding["what"] if _names_only(finding["what"], columns) else f"shows signs of: {finding['kind']}"
    why = "its values are personal and not shown" + (f"; {told}" if told else "")
    return {**finding, "what": what, "why": why, "evidence": measured}


def contract_without_values(contract: Mapping[str, Any], personal: Collection[str]) -> dict[str, Any]:
    """A contract that promises no values of personal columns: their levels and ranges are left open."""
    silent = {"low": None, "high": None, "levels": None}
    columns = [{**column, **silent} if column["name"] in personal else column for column in contract["columns"]]
    return {**contract, "columns": columns}


def notes_without_values(notes: Iterable[str], personal: Collection[str]) -> list[str]:
    """What reading said, without the cells of personal columns that it quotes: the line and the outcome stay."""
    return [_quiet(note, personal) for note in notes]


def _quiet(note: str, personal: Collection[str]) -> str:
    if isinstance(note, Note) and note.plain is not None:
        return note.plain if note.column in personal else note
    named = next((name for name in personal if f'"{name}"' in note), None)
    if named is None or re.fullmatch(rf'"{re.escape(named)}"[^"\'\d]*', note):
        return note
    line, outcome = _LINE.search(note), _OUTCOME.search(note)
    place = line[0] if line else "a row"
    return f'"{named}": {place} holds what is personal and not shown' + (f"; {outcome[0]}" if outcome else "")


def class_names(classes: Sequence[Any], *, hidden: bool) -> list[Any]:
    """The classes as they may be told: numbered in their order when the target is personal.

    >>> class_names(["healthy", "ill"], hidden=True)
    ['class 1', 'class 2']
    """
    return [f"class {place}" for place in range(1, len(classes) + 1)] if hidden else list(classes)


def _names_only(text: str, columns: Sequence[str]) -> bool:
    """Whether a sentence quotes nothing but column names, and no number."""
    for name in sorted(columns, key=len, reverse=True):
        text = text.replace(f'"{name}"', "")
    return not re.search(r"[\d\"“”]", text)
