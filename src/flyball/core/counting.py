"""Numbers with their nouns, as people read them."""

from __future__ import annotations

__all__ = ["counted", "noun"]


def counted(count: int | None, one: str) -> str:
    """A number with its noun, in the plural where it is not one; a dash for a number that is not known.

    >>> counted(1, "window"), counted(1200, "entry"), counted(0, "test row"), counted(2, "class"), counted(None, "key")
    ('1 window', '1,200 entries', '0 test rows', '2 classes', '– keys')
    """
    if count is None:
        return f"– {_plural(one)}"
    return f"{count:,} {noun(count, one)}"


def noun(count: int, one: str) -> str:
    """A noun as it stands after a number.

    >>> noun(1, "entry"), noun(3, "entry")
    ('entry', 'entries')
    """
    return one if count == 1 else _plural(one)


def _plural(one: str) -> str:
    if one.endswith("y") and one[-2:-1] not in "aeou":
        return f"{one[:-1]}ies"
    return f"{one}es" if one.endswith(("s", "x", "ch", "sh")) else f"{one}s"
