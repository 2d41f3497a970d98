"""The coded error base: every refusal says what, where, why and how to fix it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

_LONGEST_NAME = 500

__all__ = ["BadInput", "FlyballError", "InternalError", "Refused", "near_miss"]


class FlyballError(Exception):
    """Base of every error that Flyball raises on purpose.

    `code` is stable and has a page in the documentation; `exit_code` is what the command line ends with.
    `what` is one line; `where` names a file, line, column or object; `why` gives the cause; `fix` the next step.
    `facts` are further labelled lines, in order.
    """

    code: ClassVar[str] = "FB-CORE-000"
    exit_code: ClassVar[int] = 3

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        why: str | None = None,
        fix: str | None = None,
        facts: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.fix = fix
        self.facts = dict(facts or {})

    def lines(self) -> list[tuple[str, str]]:
        """The labelled lines below the first one, in reading order."""
        labelled = [("where", self.where), ("why", self.why), *self.facts.items(), ("fix", self.fix)]
        return [(label, text) for label, text in labelled if text]

    def to_dict(self) -> dict[str, Any]:
        """The error as one JSON object, the shape that `--json` and the HTTP interfaces answer with."""
        return {
            "code": self.code,
            "what": self.what,
            "where": self.where,
            "why": self.why,
            "fix": self.fix,
            "facts": self.facts,
        }

    def __str__(self) -> str:
        width = max((len(label) for label, _ in self.lines()), default=0)
        body = [f"  {label.ljust(width)}  {text}" for label, text in self.lines()]
        return "\n".join(_printable(line) for line in (f"{self.code}  {self.what}", *body))


def _printable(line: str) -> str:
    """A line without what a column's or file's name could do to a terminal: control characters are escaped."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)


class Refused(FlyballError):
    """A gate, check or policy said no; nothing was changed. Exit code 1."""

    code = "FB-CORE-001"
    exit_code = 1


class BadInput(FlyballError):
    """What the user gave cannot be used as it is. Exit code 2."""

    code = "FB-CORE-002"
    exit_code = 2


class InternalError(FlyballError):
    """Flyball itself failed, or what it stored is damaged. Exit code 3."""

    code = "FB-CORE-003"
    exit_code = 3


def near_miss(name: str, known: Iterable[str]) -> str | None:
    """A sentence that offers the closest known names, or None when nothing is close.

    >>> near_miss("incme", ["income", "age"])
    'did you mean "income"?'
    """
    folded: dict[str, str] = {}
    for candidate in known:
        folded.setdefault(str(candidate).casefold(), str(candidate))
    name = str(name)
    if len(name) > _LONGEST_NAME:  # comparing grows with the square of the length
        return None
    close = difflib.get_close_matches(name.casefold(), list(folded), n=3, cutoff=0.6)
    if not close:
        return None
    return "did you mean " + " or ".join(f'"{folded[match]}"' for match in close) + "?"
