"""What a query may ask of runs, experiments and the rest: which fields there are, and what they may be compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func

from flyball.tracking.errors import QueryInvalid
from flyball.tracking.query import Compare, Field
from flyball_runtime.errors import near_miss

__all__ = ["Domain", "Term", "known", "number_is", "resolve", "text_is"]

_NUMERIC = frozenset(("=", "!=", ">", ">=", "<", "<="))
_TEXTUAL = frozenset(("=", "!=", "LIKE", "ILIKE"))
_LISTS = frozenset(("IN", "NOT IN"))
_NULLS = frozenset(("IS NULL", "IS NOT NULL"))


@dataclass(frozen=True, slots=True)
class Domain:
    """The fields of one kind of record.

    kinds: how a kind may be written, and what it then is ("attribute", "metric", "param", "tag", "dataset").
    attributes: key as written -> key; `numbers` are those that are compared with numbers. `lists` names the attributes
    (and kinds) that take IN; None: all that are texts. `nulls`: the kinds that take IS NULL.
    """

    kinds: Mapping[str, str]
    attributes: Mapping[str, str]
    numbers: frozenset[str]
    lists: frozenset[str] | None
    nulls: frozenset[str]
    dataset_keys: frozenset[str] = frozenset()


class Term(NamedTuple):
    """A comparison that was found sound: `value` is a float or an int, a text, a tuple of texts, or None."""

    kind: str
    key: str
    operator: str
    value: Any


def known(field: Field, domain: Domain) -> tuple[str, str]:
    """Kind and key of a field. Raises QueryInvalid when the domain has none such."""
    kind = domain.kinds.get(field.kind)
    if kind is None:
        names = sorted(name for name in domain.kinds if name)
        raise QueryInvalid(
            f"there is no field {field.kind}.{field.key}",
            why=near_miss(field.kind, names) or f"before the point stands one of {', '.join(names)}",
        )
    if kind == "attribute" and field.key not in domain.attributes:
        raise QueryInvalid(
            f"there is no attribute {field.key!r}",
            why=near_miss(field.key, domain.attributes) or f"known are {', '.join(sorted(domain.attributes))}",
        )
    if kind == "dataset" and field.key not in domain.dataset_keys:
        raise QueryInvalid(f"datasets have no {field.key!r}", why=f"known are {', '.join(sorted(domain.dataset_keys))}")
    return kind, domain.attributes[field.key] if kind == "attribute" else field.key


def resolve(compare: Compare, domain: Domain) -> Term:
    """A comparison with its field found and its value of the right type. Raises QueryInvalid."""
    kind, key = known(compare.field, domain)
    operator, values = compare.operator, compare.values
    named = ".".join(part for part in compare.field if part)
    if operator in _NULLS:
        if kind not in domain.nulls:
            raise QueryInvalid(f"{named} cannot be asked for {operator}", why="only tags and parameters may be absent")
        return Term(kind, key, operator, None)
    if kind == "metric" or (kind == "attribute" and key in domain.numbers):
        if operator not in _NUMERIC:
            raise QueryInvalid(f"{named} is a number, which {operator} does not compare")
        if not values[0].number:
            raise QueryInvalid(f"{named} is a number", why=f"it is compared with the text {values[0].text!r}")
        return Term(kind, key, operator, _number(values[0].text, whole=kind == "attribute"))
    if any(value.number for value in values):
        raise QueryInvalid(f"{named} is a text", why="it is compared with a number", fix="put the value into quotes")
    if operator in _LISTS:
        if domain.lists is not None and not {key if kind == "attribute" else kind} & domain.lists:
            raise QueryInvalid(f"{named} cannot be asked for {operator}")
        return Term(kind, key, operator, tuple(value.text for value in values))
    if operator not in _TEXTUAL:
        raise QueryInvalid(f"{named} is a text, which {operator} does not compare")
    return Term(kind, key, operator, values[0].text)


def _number(text: str, *, whole: bool) -> float | int:
    try:
        return int(text) if whole and text.lstrip("-").isdigit() else float(text)
    except (ValueError, OverflowError) as error:
        raise QueryInvalid(f"{text!r} is no number that can be compared with") from error


def number_is(column: ColumnElement[Any], operator: str, value: Any) -> ColumnElement[bool]:
    """The condition that a column compares so with a value."""
    conditions: dict[str, ColumnElement[bool]] = {
        "=": column == value,
        "!=": column != value,
        ">": column > value,
        ">=": column >= value,
        "<": column < value,
        "<=": column <= value,
    }
    return conditions[operator]


def text_is(column: ColumnElement[Any], operator: str, value: Any, dialect: str) -> ColumnElement[bool]:
    """The condition that a text column meets a term. LIKE minds capitals, ILIKE does not, on every database."""
    if operator in ("=", "!="):
        return number_is(column, operator, value)
    if operator == "IN":
        return column.in_(value)
    if operator == "NOT IN":
        return column.not_in(value)
    if operator == "ILIKE":
        return func.lower(column).like(func.lower(value))
    # SQLite's own LIKE takes capitals for small letters.
    return column.op("GLOB", is_comparison=True)(_glob(value)) if dialect == "sqlite" else column.like(value)


def _glob(pattern: str) -> str:
    """A LIKE pattern in the form that SQLite's GLOB reads.

    >>> _glob("a%_[*]")
    'a*?[[][*]]'
    """
    forms = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}
    return "".join(forms.get(letter, letter) for letter in pattern)
