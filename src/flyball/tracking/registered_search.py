"""Queries over registered models and their versions as SQL, in the grammar of the MLflow protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, exists, not_, select, true

from flyball.tracking.errors import OrderRepeated, QueryInvalid
from flyball.tracking.fields import Domain, Term, known, number_is, resolve, text_is
from flyball.tracking.query import All, Compare, Node, parse, parse_order
from flyball.tracking.tables import registered, registered_tags, registered_versions, version_tags

__all__ = ["names_page", "versions_page"]

# Prompts are kept as registered models with this tag; only who asks for them finds them.
_PROMPT = "mlflow.prompt.is_prompt"
_KINDS = {"": "attribute", "attribute": "attribute", "tag": "tag", "tags": "tag"}
_MODELS = Domain(_KINDS, {"name": "name"}, frozenset(), frozenset(("name",)), frozenset())
_MODEL_ORDER = {"name": "name", "timestamp": "updated", "last_updated_timestamp": "updated"}
_VERSIONS = Domain(
    _KINDS,
    {"name": "name", "version_number": "number", "run_id": "run", "source_path": "source"},
    frozenset(("number",)),
    frozenset(("name", "run")),
    frozenset(),
)
_VERSION_ORDER = Domain(
    _KINDS,
    {
        "name": "name", "version_number": "number", "creation_timestamp": "created",
        "last_updated_timestamp": "updated",
    },
    frozenset(),
    None,
    frozenset(),
)  # fmt: skip
_USUAL = ("last_updated_timestamp DESC", "name ASC", "version_number DESC")


def names_page(where: str | None, order_by: Sequence[str], *, dialect: str) -> Select[Any]:
    """The statement that finds registered models, in their order. Raises QueryInvalid."""
    terms = _terms(where, _MODELS)
    owner = (registered_tags.c.model == registered.c.model,)
    conditions = [_prompts(terms, registered_tags, owner)]
    conditions += [
        text_is(registered.c.name, term.operator, term.value, dialect) for term in terms if term.kind == "attribute"
    ]
    conditions += _tags(terms, registered_tags, owner, dialect)
    clauses: list[ColumnElement[Any]] = []
    seen: set[str] = set()
    for text in order_by:
        order = parse_order(text)
        key = _MODEL_ORDER.get(order.field.key) if not order.field.kind else None
        if key is None:
            raise QueryInvalid("registered models cannot be ordered so", where=text, why="known are name and timestamp")
        _once(seen, key, text)
        clauses.append(registered.c[key].asc() if order.ascending else registered.c[key].desc())
    if "name" not in seen:
        clauses.append(registered.c.name.asc())
    return select(registered).where(*conditions).order_by(*clauses)


def versions_page(where: str | None, order_by: Sequence[str], *, dialect: str) -> Select[Any]:
    """The statement that finds versions, in their order. Raises QueryInvalid."""
    terms = _terms(where, _VERSIONS)
    columns, shown = registered_versions.c, registered_versions.c.number - registered.c.base
    owner = (version_tags.c.model == columns.model, version_tags.c.number == columns.number)
    conditions = [_prompts(terms, version_tags, owner[:1])]
    for term in terms:
        if term.kind != "attribute":
            continue
        if term.key == "number":
            if isinstance(term.value, float):
                raise QueryInvalid("the number of a version is whole", why=f"it is compared with {term.value}")
            conditions.append(number_is(shown, term.operator, term.value))
        else:
            column = registered.c.name if term.key == "name" else columns[term.key]
            conditions.append(text_is(column, term.operator, term.value, dialect))
    conditions += _tags(terms, version_tags, owner, dialect)
    by: dict[str, ColumnElement[Any]] = {
        "name": registered.c.name, "number": shown, "created": columns.created, "updated": columns.updated
    }  # fmt: skip
    clauses: list[ColumnElement[Any]] = []
    seen: set[str] = set()
    for text in order_by or _USUAL:
        order = parse_order(text)
        kind, key = known(order.field, _VERSION_ORDER)
        if kind != "attribute":
            raise QueryInvalid(f"versions cannot be ordered by a {kind}", where=text)
        _once(seen, key, text)
        clauses.append(by[key].asc() if order.ascending else by[key].desc())
    clauses += [] if "name" in seen else [registered.c.name.asc()]
    clauses += [] if "number" in seen else [shown.desc()]
    query = select(registered_versions).join(registered, registered.c.model == columns.model)
    return query.where(*conditions).order_by(*clauses)


def _terms(where: str | None, domain: Domain) -> list[Term]:
    node: Node = parse(where, plain=True)
    parts = node.parts if isinstance(node, All) else (node,)
    return [resolve(_numbered(part), domain) for part in parts if isinstance(part, Compare)]


def _numbered(compare: Compare) -> Compare:
    """The number of a version may be written as a text."""
    if compare.field.key != "version_number" or not all(value.text.isdigit() for value in compare.values):
        return compare
    return replace(compare, values=tuple(value._replace(number=True) for value in compare.values))


def _once(seen: set[str], key: str, text: str) -> None:
    if key in seen:
        raise OrderRepeated("the order names the same field twice", where=text)
    seen.add(key)


def _tags(
    terms: Sequence[Term], table: Table, owner: Sequence[ColumnElement[bool]], dialect: str
) -> list[ColumnElement[bool]]:
    asked = _asks_for_prompts(terms)
    return [
        exists().where(*owner, table.c.key == term.key, text_is(table.c.value, term.operator, term.value, dialect))
        for term in terms
        if term.kind == "tag" and (term.key != _PROMPT or asked)
    ]


def _prompts(terms: Sequence[Term], table: Table, owner: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
    if _asks_for_prompts(terms):
        return true()
    return not_(exists().where(*owner, table.c.key == _PROMPT, table.c.value == "true"))


def _asks_for_prompts(terms: Sequence[Term]) -> bool:
    for term in terms:
        if term.kind == "tag" and term.key == _PROMPT:
            value = str(term.value).lower()
            return (term.operator == "=" and value == "true") or (term.operator == "!=" and value == "false")
    return False
