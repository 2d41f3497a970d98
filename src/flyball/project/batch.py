"""New rows with the features that a model needs of them: computed from the project's tables, as of each row's time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from flyball.data import Table, read_source
from flyball.pipeline.read import load_table
from flyball.pipeline.related import featurise, stored_schema
from flyball_runtime.errors import near_miss
from flyball_runtime.schema import Schema
from flyball_runtime.table import MissingColumn

if TYPE_CHECKING:
    from flyball.project.project import Project

__all__ = ["known_schema", "made_columns", "with_features"]


def made_columns(evidence: Mapping[str, Any], schema: Schema) -> list[str]:
    """Those of a model's inputs that are made from other tables, in their order."""
    related = evidence["data"].get("related")
    made = {one["name"] for one in related["features"]} if related else set()
    return [name for name in schema.names if name in made]


def known_schema(evidence: Mapping[str, Any], schema: Schema) -> Schema:
    """The columns that rows to predict bring themselves: inputs of the model, and keys and times by which features are
    found."""
    related = evidence["data"].get("related")
    if not related:
        return schema
    made, base = set(made_columns(evidence, schema)), related["base"]
    own = [field for field in schema if field.name not in made]
    said = related["relations"][base]
    followed = {said["key"], said["time"], *said["refers"]} - set(schema.names)
    links = [field for field in stored_schema(related, base) if field.name in followed]
    return Schema((*own, *links))


def with_features(
    project: Project, evidence: Mapping[str, Any], schema: Schema, rows: Table, *, where: str | None = None
) -> Table:
    """The rows with the made columns of a model's inputs; others are not made.

    What the project's tables hold now is their history; tables that the project file does not declare are taken as they
    were when the version was made. Raises MissingColumn, and what reading a table raises.
    """
    names = made_columns(evidence, schema)
    if not names:
        return rows
    related = evidence["data"]["related"]
    tables = {name: _table(project, related, name) for name in related["tables"]}
    return featurise(related, tables, rows, names, where=where)


def _table(project: Project, related: Mapping[str, Any], name: str) -> Table:
    stored, schema = related["tables"][name], stored_schema(related, name)
    if name not in project.config.data:
        return load_table(project.artifacts, stored["artifact"])
    data = project.config.data[name]
    table = _of_kinds(read_source(project.config.resolve(data.source), schema=schema).table, schema, data.source)
    if data.test is None or name != related["base"]:
        return table
    test = _of_kinds(read_source(project.config.resolve(data.test), schema=schema).table, schema, data.test)
    return Table(schema, {one: np.concatenate([table[one], test[one]]) for one in schema.names})


def _of_kinds(table: Table, schema: Schema, source: str) -> Table:
    """The columns that features follow, in the kinds that they had. Raises MissingColumn."""
    for field in schema:
        if field.name not in table or table.schema[field.name].kind != field.kind:
            there = field.name in table
            raise MissingColumn(
                f'the column "{field.name}" {"holds other values than before" if there else "is missing"}',
                where=source,
                why=f"features are made from the {field.kind}s that it held"
                if there
                else near_miss(field.name, table.names),
                fix="give the table with the columns that the version was made from, or make a new one: flyball run",
            )
    return table.select(schema.names)
