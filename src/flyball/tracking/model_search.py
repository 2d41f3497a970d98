"""Queries over logged models as SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, FromClause, Select, and_, case, exists, func, or_, select, true

from flyball.tracking.errors import QueryInvalid
from flyball.tracking.fields import Domain, Term, number_is, text_is
from flyball.tracking.query import parse
from flyball.tracking.records import ACTIVE
from flyball.tracking.search import condition
from flyball.tracking.tables import model_metrics, model_params, model_tags, models

__all__ = ["ModelOrder", "models_page"]

Datasets = Sequence[tuple[str, str | None]]
_ATTRIBUTES = {
    "name": "name", "model_id": "id", "model_type": "type", "source_run_id": "run", "status": "status",
    "artifact_location": "location", "lifecycle_stage": "stage", "experiment_id": "experiment",
    "creation_time": "created", "creation_timestamp": "created", "creation_timestamp_ms": "created",
    "last_updated_timestamp": "updated", "last_updated_timestamp_ms": "updated",
}  # fmt: skip
_DOMAIN = Domain(
    {"": "attribute", "attributes": "attribute", "metrics": "metric", "params": "param", "tags": "tag"},
    _ATTRIBUTES,
    frozenset(("created", "updated")),
    None,
    frozenset(),
)


class ModelOrder(NamedTuple):
    """A field to order by: an attribute, or `metrics.KEY`, then perhaps measured on one dataset."""

    field: str
    ascending: bool = True
    dataset_name: str | None = None
    dataset_digest: str | None = None


def models_page(
    where: str | None, order_by: Sequence[ModelOrder], *, within: Sequence[int], datasets: Datasets, dialect: str
) -> Select[Any]:
    """The statement that finds models, in their order. Raises QueryInvalid."""
    measured: list[str] = []

    def meets(term: Term) -> ColumnElement[bool]:
        if term.kind == "metric":
            measured.append(term.key)
        return _meets(term, datasets, dialect)

    wanted = condition(parse(where, plain=True), _DOMAIN, meets)
    if datasets and not measured:
        wanted = and_(wanted, exists().where(model_metrics.c.model == models.c.number, _on(datasets)))
    source: FromClause = models
    clauses: list[ColumnElement[Any]] = []
    for order in order_by:
        source, value = _ordered_by(source, order)
        clauses += [case((value.is_(None), 1), else_=0), value.asc() if order.ascending else value.desc()]
    named = {_ATTRIBUTES.get(order.field) for order in order_by}
    clauses += [] if "created" in named else [models.c.created.desc()]
    clauses += [] if "id" in named else [models.c.id.asc()]
    columns = [column for column in models.c if column.name != "waiting"]
    query = select(*columns).select_from(source).where(models.c.stage == ACTIVE)
    return query.where(models.c.experiment.in_(list(within)), wanted).order_by(*clauses)


def _meets(term: Term, datasets: Datasets, dialect: str) -> ColumnElement[bool]:
    if term.kind == "attribute":
        column = models.c[term.key]
        if term.key in _DOMAIN.numbers:
            return number_is(column, term.operator, term.value)
        return text_is(column, term.operator, term.value, dialect)
    if term.kind == "metric":
        columns = model_metrics.c
        measured = number_is(columns.value, term.operator, float(term.value))
        return exists().where(columns.model == models.c.number, columns.key == term.key, measured, _on(datasets))
    table = model_params if term.kind == "param" else model_tags
    met = text_is(table.c.value, term.operator, term.value, dialect)
    return exists().where(table.c.model == models.c.number, table.c.key == term.key, met)


def _on(datasets: Datasets) -> ColumnElement[bool]:
    columns = model_metrics.c
    each = [
        and_(columns.dataset_name == name, true() if digest is None else columns.dataset_digest == digest)
        for name, digest in datasets
    ]
    return or_(*each) if each else true()


def _ordered_by(source: FromClause, order: ModelOrder) -> tuple[FromClause, ColumnElement[Any]]:
    kind, point, key = order.field.partition(".")
    if not point:
        if kind not in _ATTRIBUTES:
            raise QueryInvalid(f"models cannot be ordered by {kind!r}", why="there is no such attribute")
        return source, models.c[_ATTRIBUTES[kind]]
    if kind != "metrics":
        raise QueryInvalid(f"models cannot be ordered by {order.field!r}", why="only by attributes and metrics")
    columns = model_metrics.c
    place = func.row_number().over(
        partition_by=columns.model, order_by=(columns.timestamp.desc(), columns.step.desc(), columns.run.asc())
    )
    inner = select(columns.model, columns.value, place.label("place")).where(columns.key == key)
    if order.dataset_name:
        inner = inner.where(_on([(order.dataset_name, order.dataset_digest)]))
    ranked = inner.subquery()
    joined = source.outerjoin(ranked, and_(ranked.c.model == models.c.number, ranked.c.place == 1))
    return joined, ranked.c.value
