"""Queries over runs and experiments as SQL: one statement finds the page, its children are read by number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, Table, and_, case, exists, not_, or_, select, true

from flyball.tracking.errors import OrderRepeated, QueryInvalid
from flyball.tracking.fields import Domain, Term, known, number_is, resolve, text_is
from flyball.tracking.query import All, Compare, Either, Node, parse, parse_order
from flyball.tracking.tables import datasets, experiment_tags, experiments, inputs, latest, params, runs, tags

__all__ = ["EXPERIMENTS", "PLAIN_RUNS", "RUNS", "condition", "experiments_where", "order_experiments", "runs_page"]

_RUN_KINDS = {
    "": "attribute", "attribute": "attribute", "attributes": "attribute", "attr": "attribute", "run": "attribute",
    "metric": "metric", "metrics": "metric", "parameter": "param", "parameters": "param", "param": "param",
    "params": "param", "tag": "tag", "tags": "tag", "dataset": "dataset", "datasets": "dataset",
}  # fmt: skip
_RUN_ATTRIBUTES = {
    "run_id": "id", "run_name": "name", "run name": "name", "Run name": "name", "Run Name": "name", "user_id": "user",
    "status": "status", "start_time": "started", "created": "started", "Created": "started", "end_time": "ended",
    "artifact_uri": "location",
}  # fmt: skip
_RUN_NUMBERS = frozenset(("started", "ended"))
_DATASET_KEYS = frozenset(("name", "digest", "context"))
# What the clients of the MLflow protocol may ask, and what ours may.
PLAIN_RUNS = Domain(
    _RUN_KINDS, _RUN_ATTRIBUTES, _RUN_NUMBERS, frozenset(("id", "dataset")), frozenset(("tag", "param")), _DATASET_KEYS
)
RUNS = Domain(
    {**_RUN_KINDS, "experiment": "experiment", "experiments": "experiment"},
    {**_RUN_ATTRIBUTES, "id": "id", "name": "name", "user": "user", "started": "started", "ended": "ended"},
    _RUN_NUMBERS,
    None,
    frozenset(("tag", "param", "metric")),
    _DATASET_KEYS,
)
EXPERIMENTS = Domain(
    {"": "attribute", "attribute": "attribute", "tag": "tag", "tags": "tag"},
    {"name": "name", "experiment_id": "id", "creation_time": "created", "last_update_time": "updated"},
    frozenset(("created", "updated")),
    frozenset(("id",)),
    frozenset(("tag",)),
)

Compile = Callable[[Term], ColumnElement[bool]]


def condition(node: Node, domain: Domain, compile_term: Compile) -> ColumnElement[bool]:
    """A query's tree as one SQL condition. Raises QueryInvalid."""
    if isinstance(node, Compare):
        return compile_term(resolve(node, domain))
    if isinstance(node, All):
        parts = [(_is_rare(part), condition(part, domain, compile_term)) for part in node.parts]
        # What else is asked is then asked of few rows: databases keep the order that is written.
        return and_(true(), *(part for _, part in sorted(parts, key=lambda pair: not pair[0])))
    if isinstance(node, Either):
        return or_(*(condition(part, domain, compile_term) for part in node.parts))
    return not_(condition(node.part, domain, compile_term))


def _is_rare(node: Node) -> bool:
    """Whether few rows can be expected to meet it: those that equal something."""
    return isinstance(node, Compare) and node.operator in ("=", "==", "IN")


def runs_page(
    where: str | None,
    order_by: Sequence[str],
    *,
    within: Sequence[int] | None,
    stages: Sequence[str],
    limit: int,
    offset: int,
    dialect: str,
    plain: bool,
) -> Select[Any]:
    """The statement that finds one page of runs, in their order. Raises QueryInvalid.

    within: numbers of experiments (None: all); plain: in the grammar of the MLflow protocol.
    """
    domain = PLAIN_RUNS if plain else RUNS
    wanted = condition(parse(where, plain=plain), domain, lambda term: _run_meets(term, dialect))
    source: FromClause = runs
    clauses: list[ColumnElement[Any]] = []
    seen: set[tuple[str, str]] = set()
    for text in order_by:
        order = parse_order(text)
        named = known(order.field, domain)
        if named in seen:
            raise OrderRepeated("the order names the same field twice", where=text)
        seen.add(named)
        source, value, absent = _ordered_by(source, *named)
        clauses += [absent, value.asc() if order.ascending else value.desc()]
    if ("attribute", "started") not in seen:
        clauses.append(runs.c.started.desc())
    query = select(runs).select_from(source).where(runs.c.stage.in_(list(stages)), wanted)
    if within is not None:
        query = query.where(runs.c.experiment == within[0] if len(within) == 1 else runs.c.experiment.in_(list(within)))
    return query.order_by(*clauses, runs.c.id).limit(limit).offset(offset)


def _run_meets(term: Term, dialect: str) -> ColumnElement[bool]:
    if term.kind == "attribute":
        column = runs.c[term.key]
        numeric = term.key in _RUN_NUMBERS
        return (
            number_is(column, term.operator, term.value)
            if numeric
            else text_is(column, term.operator, term.value, dialect)
        )
    if term.kind == "metric":
        return _metric_is(term)
    if term.kind == "dataset":
        column = inputs.c.context if term.key == "context" else datasets.c[term.key]
        return exists().where(
            inputs.c.run == runs.c.number,
            datasets.c.number == inputs.c.dataset,
            text_is(column, term.operator, term.value, dialect),
        )
    if term.kind == "experiment":
        if term.key != "name":
            raise QueryInvalid(f"experiments cannot be asked for {term.key!r}", why="known is experiment.name")
        return exists().where(
            experiments.c.id == runs.c.experiment, text_is(experiments.c.name, term.operator, term.value, dialect)
        )
    return _pair_is(params if term.kind == "param" else tags, term, dialect)


def _pair_is(table: Table, term: Term, dialect: str) -> ColumnElement[bool]:
    there = exists().where(table.c.run == runs.c.number, table.c.key == term.key)
    if term.operator == "IS NULL":
        return not_(there)
    if term.operator == "IS NOT NULL":
        return there
    return there.where(text_is(table.c.value, term.operator, term.value, dialect))


def _metric_is(term: Term) -> ColumnElement[bool]:
    """A value that is no number equals nothing, so it differs from everything."""
    there = exists().where(latest.c.run == runs.c.number, latest.c.key == term.key)
    if term.operator == "IS NULL":
        return not_(there)
    if term.operator == "IS NOT NULL":
        return there
    met = number_is(latest.c.value, term.operator, float(term.value))
    return there.where(or_(met, latest.c.nan == 1) if term.operator == "!=" else and_(met, latest.c.nan == 0))


def _ordered_by(source: FromClause, kind: str, key: str) -> tuple[FromClause, ColumnElement[Any], ColumnElement[Any]]:
    """The source joined with what to order by; that value; and where rows without one go, which is last."""
    if kind == "attribute":
        column = runs.c[key]
        return source, column, case((column.is_(None), 1), else_=0)
    tables = {"metric": latest, "param": params, "tag": tags}
    if kind not in tables:
        raise QueryInvalid(f"runs cannot be ordered by a {kind}")
    joined = tables[kind].alias()
    source = source.outerjoin(joined, and_(joined.c.run == runs.c.number, joined.c.key == key))
    value = joined.c.value
    if kind == "metric":
        return source, value, case((joined.c.nan == 1, 1), (value.is_(None), 2), else_=0)
    return source, value, case((value.is_(None), 1), else_=0)


def experiments_where(where: str | None, dialect: str) -> ColumnElement[bool]:
    """A query over experiments, in the grammar of the MLflow protocol. Raises QueryInvalid."""
    return condition(parse(where, plain=True), EXPERIMENTS, lambda term: _experiment_meets(term, dialect))


def _experiment_meets(term: Term, dialect: str) -> ColumnElement[bool]:
    if term.kind == "tag":
        there = exists().where(experiment_tags.c.experiment == experiments.c.id, experiment_tags.c.key == term.key)
        if term.operator == "IS NULL":
            return not_(there)
        if term.operator == "IS NOT NULL":
            return there
        return there.where(text_is(experiment_tags.c.value, term.operator, term.value, dialect))
    if term.key == "id":
        return _id_is(term)
    column = experiments.c[term.key]
    if term.key == "name":
        return text_is(column, term.operator, term.value, dialect)
    if isinstance(term.value, float):
        raise QueryInvalid(f"{term.key} is a whole number of milliseconds", why=f"it is compared with {term.value}")
    return number_is(column, term.operator, term.value)


def _id_is(term: Term) -> ColumnElement[bool]:
    given = term.value if isinstance(term.value, tuple) else (term.value,)
    if term.operator not in ("=", "!=", "IN", "NOT IN"):
        raise QueryInvalid(f"ids of experiments cannot be compared by {term.operator}")
    try:
        ids = [int(value) for value in given]
    except ValueError as error:
        raise QueryInvalid("the id of an experiment is a whole number", why=f"it is compared with {given}") from error
    column = experiments.c.id
    return column.in_(ids) if term.operator in ("=", "IN") else column.not_in(ids)


def order_experiments(order_by: Sequence[str]) -> list[ColumnElement[Any]]:
    """The order of a search for experiments; newest first when none is asked for. Raises QueryInvalid."""
    clauses: list[ColumnElement[Any]] = []
    keys = set()
    for text in order_by or ("creation_time DESC", "experiment_id ASC"):
        order = parse_order(text)
        kind, key = known(order.field, EXPERIMENTS)
        if kind != "attribute":
            raise QueryInvalid(f"experiments cannot be ordered by a {kind}", where=text)
        keys.add(key)
        clauses.append(experiments.c[key].asc() if order.ascending else experiments.c[key].desc())
    return clauses if "id" in keys else [*clauses, experiments.c.id.desc()]
