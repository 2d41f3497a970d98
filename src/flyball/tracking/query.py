"""The query language of tracking: read from text into a tree; nothing of it reaches SQL as text.

    metrics.auc > 0.8 AND (params.model = 'tree' OR NOT tags.stage IN ('draft', 'old'))

A comparison has a field on its left: `metrics.KEY`, `params.KEY`, `tags.KEY`, `datasets.KEY`, `attributes.KEY` or the
plain KEY of an attribute; keys with other characters stand in backticks or double quotes. Operators: `= != > >= < <= LIKE
ILIKE IN NOT IN IS NULL IS NOT NULL`. Clients of the MLflow protocol know AND only; `parse(..., plain=True)` holds to that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from flyball.tracking.errors import QueryInvalid

__all__ = ["All", "Compare", "Either", "Field", "Negated", "Node", "Order", "Value", "parse", "parse_order"]

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.`"]))
    |(?P<text>'(?:''|[^'])*')
    |(?P<field>(?:[^\W\d]\w*|`[^`]*`|"[^"]*")(?:\.(?:[\w]+|`[^`]*`|"[^"]*"))*)
    |(?P<sign>>=|<=|!=|==|<>|=|>|<)
    |(?P<mark>[(),])""",
    re.VERBOSE,
)
_KEYWORDS = frozenset(("AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "ILIKE", "RLIKE"))
_DEEPEST = 50
_LONGEST = 100_000


class Field(NamedTuple):
    """What a comparison is about: `kind` as it was written ("metrics", "" when there was none), and the key."""

    kind: str
    key: str


class Value(NamedTuple):
    """A literal: `number` tells how it was written."""

    text: str
    number: bool


@dataclass(frozen=True, slots=True)
class Compare:
    """One comparison; `values` has one value, several for IN, none for IS NULL."""

    field: Field
    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; no parts: always."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one part holds."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Negated:
    """The part does not hold."""

    part: Node


Node = Compare | All | Either | Negated


class Order(NamedTuple):
    """A field to order by."""

    field: Field
    ascending: bool


class _Token(NamedTuple):
    kind: str
    text: str
    place: int


def parse(text: str | None, *, plain: bool = False) -> Node:
    """The tree of a query; an empty text asks for everything. Raises QueryInvalid.

    plain: comparisons joined by AND, nothing else.

    >>> parse("metrics.auc > 0.8", plain=True).parts[0].field
    Field(kind='metrics', key='auc')
    """
    if not text or not text.strip():
        if text and plain:
            raise _invalid(text, 0, "it is blank")
        return All(())
    if len(text) > _LONGEST:
        raise QueryInvalid("the query is too long", why=f"it has {len(text):,} characters, {_LONGEST:,} are read")
    reader = _Reader(text, list(_tokens(text)))
    found = reader.joined() if plain else reader.either(0)
    reader.end()
    return found


def parse_order(text: str) -> Order:
    """What one entry of an order says: a field, then perhaps ASC or DESC. Raises QueryInvalid.

    >>> parse_order("metrics.`log loss` DESC")
    Order(field=Field(kind='metrics', key='log loss'), ascending=False)
    """
    tokens = list(_tokens(text))
    if not tokens or tokens[0].kind not in ("field", "word") or len(tokens) > 2:
        raise _invalid(text, 0, "an order is a field, then perhaps ASC or DESC")
    direction = tokens[1].text.lower() if len(tokens) == 2 else "asc"
    if direction not in ("asc", "desc"):
        raise _invalid(text, tokens[1].place, "after the field stands ASC or DESC")
    return Order(_field(tokens[0].text), direction == "asc")


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise _invalid(text, place, f"{text[place]!r} does not belong there")
        kind = str(match.lastgroup)
        if kind == "field" and match[0].upper() in _KEYWORDS:
            kind = "word"
        if kind != "space":
            yield _Token(kind, match[0], place)
        place = match.end()


class _Reader:
    """Recursive descent over the tokens of one query."""

    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self._text, self._tokens, self._next = text, tokens, 0

    def joined(self) -> Node:
        """Comparisons with AND between them.

        As the protocol's own server does, an AND too many is passed over, and so is one too few before a comparison with a
        single value.
        """
        parts: list[Node] = []
        apart = True
        while self._next < len(self._tokens):
            if self._taken("AND"):
                apart = True
                continue
            found = self._comparison()
            if not apart and (len(found.values) != 1 or found.operator in ("IN", "NOT IN")):
                raise self._wrong("between comparisons stands AND")
            parts.append(found)
            apart = False
        return All(tuple(parts))

    def either(self, depth: int) -> Node:
        parts = [self._all(depth)]
        while self._taken("OR"):
            parts.append(self._all(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def end(self) -> None:
        if self._next < len(self._tokens):
            raise self._wrong(f"{self._tokens[self._next].text!r} does not belong there")

    def _all(self, depth: int) -> Node:
        parts = [self._one(depth)]
        while self._taken("AND"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _one(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise self._wrong("its brackets are nested too deeply")
        if self._taken("NOT"):
            return Negated(self._one(depth + 1))
        if self._taken("("):
            inner = self.either(depth + 1)
            if not self._taken(")"):
                raise self._wrong("a bracket is not closed")
            return inner
        return self._comparison()

    def _comparison(self) -> Compare:
        token = self._peek()
        if token is None or token.kind != "field":
            raise self._wrong("a comparison begins with a field, such as metrics.auc")
        self._next += 1
        field = _field(token.text)
        if self._taken("IS"):
            absent = not self._taken("NOT")
            if not self._taken("NULL"):
                raise self._wrong("after IS stands NULL or NOT NULL")
            return Compare(field, "IS NULL" if absent else "IS NOT NULL", ())
        if self._taken("NOT"):
            if not self._taken("IN"):
                raise self._wrong("after NOT stands IN")
            return Compare(field, "NOT IN", self._list())
        if self._taken("IN"):
            return Compare(field, "IN", self._list())
        return Compare(field, self._operator(), (self._value(),))

    def _operator(self) -> str:
        token = self._peek()
        if token is None or not (token.kind == "sign" or token.text.upper() in ("LIKE", "ILIKE", "RLIKE")):
            raise self._wrong("after the field stands an operator, such as = or LIKE")
        self._next += 1
        return token.text.upper()

    def _value(self) -> Value:
        token = self._peek()
        if token is not None and token.kind == "number":
            self._next += 1
            return Value(token.text, True)
        if token is not None and (token.kind == "text" or _is_quoted(token.text)):
            self._next += 1
            return Value(token.text[1:-1], False)
        raise self._wrong("after the operator stands a number or a text in quotes")

    def _list(self) -> tuple[Value, ...]:
        if not self._taken("("):
            raise self._wrong("after IN stands a list in brackets")
        values = [self._value()]
        while self._taken(","):
            token = self._peek()
            if token is not None and token.text == ")":
                break
            values.append(self._value())
        if not self._taken(")"):
            raise self._wrong("the list's bracket is not closed")
        return tuple(values)

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _taken(self, word: str) -> bool:
        token = self._peek()
        if token is None or token.kind in ("text", "field", "number") or token.text.upper() != word:
            return False
        self._next += 1
        return True

    def _wrong(self, why: str) -> QueryInvalid:
        token = self._peek()
        return _invalid(self._text, len(self._text) if token is None else token.place, why)


def _field(text: str) -> Field:
    """Kind and key of a field; all after the first point is the key."""
    kind, point, key = text.partition(".") if not _is_quoted(text) else ("", "", text)
    if not point:
        return Field("", _bare(kind or key))
    return Field(_bare(kind), _bare(key))


def _bare(text: str) -> str:
    return text[1:-1] if _is_quoted(text) or (len(text) > 1 and text[0] == text[-1] == "`") else text


def _is_quoted(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] == '"' and '"' not in text[1:-1]


def _invalid(text: str, place: int, why: str) -> QueryInvalid:
    shown = text if len(text) <= 200 else text[:200] + "…"
    return QueryInvalid(
        "the query cannot be read",
        where=f"column {place + 1} of {shown!r}",
        why=why,
        fix="write it like: metrics.auc > 0.8 AND params.model = 'tree'",
    )
