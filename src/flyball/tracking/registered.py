"""Registered models as clients of the MLflow protocol see them: names, descriptions, tags, stages.

What is governed (versions, aliases, who and why) lies in the registry; these rows say what it is called outside.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, text, update

from flyball.store import Database, Reader, Transaction
from flyball.tracking.errors import TrackingExists, TrackingUnknown
from flyball.tracking.records import Page
from flyball.tracking.registered_search import names_page, versions_page
from flyball.tracking.statements import chunks, dialect_of, milliseconds
from flyball.tracking.tables import registered, registered_tags, registered_versions, version_tags

__all__ = ["RegisteredModel", "RegisteredModels", "RegisteredVersion"]

NO_STAGE = "None"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SET_TAG = text(
    "INSERT INTO tracking_registered_tags (model, key, value) VALUES (:model, :key, :value) "
    "ON CONFLICT (model, key) DO UPDATE SET value = excluded.value"
)
_SET_VERSION_TAG = text(
    "INSERT INTO tracking_version_tags (model, number, key, value) VALUES (:model, :number, :key, :value) "
    "ON CONFLICT (model, number, key) DO UPDATE SET value = excluded.value"
)


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A registered model. `model` is its name in the registry; version n outside is n + `base` there."""

    name: str
    model: str
    base: int
    description: str
    created: int
    updated: int
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """A version of a registered model; `number` counts as the registry does, `version` as clients do."""

    name: str
    model: str
    number: int
    version: int
    description: str
    stage: str
    source: str
    storage: str
    run: str
    run_link: str
    created: int
    updated: int
    tags: Mapping[str, str] = field(default_factory=dict)


class RegisteredModels:
    """The tables of registered models. Methods that take a transaction write into it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- models

    def create(
        self, tx: Transaction, name: str, *, description: str, tags: Mapping[str, str], base: int
    ) -> RegisteredModel:
        """Make a registered model without versions. Raises TrackingExists."""
        self._free(tx, name)
        now = milliseconds(self._database.clock)
        row = {"name": name, "model": plain_name(name), "base": base, "description": description}
        if tx.execute(select(registered.c.name).where(registered.c.model == row["model"])).first() is not None:
            row["model"] = plain_name(name, taken=True)  # another one was given this name before it was renamed
        tx.execute(insert(registered), {**row, "created": now, "updated": now})
        self.set_tags(tx, str(row["model"]), tags)
        return self.get(tx, name)

    def get(self, reader: Reader, name: str) -> RegisteredModel:
        """One registered model. Raises TrackingUnknown."""
        row = reader.execute(select(registered).where(registered.c.name == name)).first()
        if row is None:
            raise TrackingUnknown(f"there is no registered model {name!r}")
        return self._models(reader, [row])[0]

    def search(self, where: str | None, *, order_by: Sequence[str], limit: int, offset: int) -> Page:
        """A page of the registered models that a query finds, by name. Raises QueryInvalid."""
        with self._database.read() as connection:
            query = names_page(where, order_by, dialect=dialect_of(connection))
            rows = connection.execute(query.limit(limit + 1).offset(offset)).all()
            found = self._models(connection, rows[:limit])
        return Page(found, offset + limit if len(rows) > limit else None)

    def rename(self, tx: Transaction, name: str, new: str) -> None:
        """Give a registered model another name; in the registry it keeps its own. Raises TrackingUnknown, TrackingExists."""
        model = self.get(tx, name)
        if new != name:
            self._free(tx, new)
        now = milliseconds(self._database.clock)
        tx.execute(update(registered).where(registered.c.name == name).values(name=new, updated=now))
        mine = registered_versions.c.model == model.model
        tx.execute(update(registered_versions).where(mine).values(updated=now))

    def describe(self, tx: Transaction, name: str, description: str) -> None:
        """Change the description. Raises TrackingUnknown."""
        self.get(tx, name)
        self._touch(tx, name, description=description)

    def delete(self, tx: Transaction, model: RegisteredModel) -> None:
        """Take away a registered model with its versions' rows; what the registry knows of them stays."""
        tx.execute(delete(registered).where(registered.c.name == model.name))
        for table in (registered_tags, registered_versions, version_tags):
            tx.execute(delete(table).where(table.c.model == model.model))

    def set_tags(self, tx: Transaction, model: str, tags: Mapping[str, str]) -> None:
        """Set tags of a registered model, by its name in the registry."""
        if tags:
            tx.execute(_SET_TAG, [{"model": model, "key": key, "value": value} for key, value in tags.items()])

    def delete_tag(self, tx: Transaction, model: str, key: str) -> None:
        """Take a tag off, if it is there."""
        tx.execute(delete(registered_tags).where(registered_tags.c.model == model, registered_tags.c.key == key))

    # -- versions

    def add_version(self, tx: Transaction, model: RegisteredModel, number: int, **values: str) -> None:
        """Note version `number` of the registry: description, source, storage, run, run_link."""
        now = milliseconds(self._database.clock)
        row = {"model": model.model, "number": number, "stage": NO_STAGE, **values, "created": now, "updated": now}
        tx.execute(insert(registered_versions), row)
        self._touch(tx, model.name)

    def version(self, reader: Reader, name: str, version: int) -> RegisteredVersion:
        """One version. Raises TrackingUnknown."""
        row = reader.execute(select(registered).where(registered.c.name == name)).first()
        if row is not None:
            columns = registered_versions.c
            query = select(registered_versions).where(columns.model == row.model, columns.number == version + row.base)
            found = self._versions(reader, [row], reader.execute(query).all())
            if found:
                return found[0]
        raise TrackingUnknown(f"there is no version {version} of a registered model {name!r}")

    def versions(self, reader: Reader, models: Iterable[RegisteredModel]) -> list[RegisteredVersion]:
        """Every version of some registered models, oldest first."""
        found: list[RegisteredVersion] = []
        columns = registered_versions.c
        for some in chunks(models):
            query = select(registered_versions).where(columns.model.in_([model.model for model in some]))
            found += self._versions(reader, some, reader.execute(query.order_by(columns.model, columns.number)).all())
        return found

    def newest_by_stage(self, reader: Reader, models: Sequence[RegisteredModel]) -> list[RegisteredVersion]:
        """The newest version in each stage of some registered models; the stage that was reached first comes first."""
        found: list[RegisteredVersion] = []
        columns = registered_versions.c
        for some in chunks(models):
            stage = (columns.model, columns.stage)
            place = func.row_number().over(partition_by=stage, order_by=columns.number.desc())
            first = func.min(columns.number).over(partition_by=stage)
            ranked = select(columns.model, columns.number, place.label("place"), first.label("first"))
            ranked_rows = ranked.where(columns.model.in_([model.model for model in some])).subquery()
            query = select(registered_versions).join(
                ranked_rows,
                (ranked_rows.c.model == columns.model)
                & (ranked_rows.c.number == columns.number)
                & (ranked_rows.c.place == 1),
            )
            found += self._versions(
                reader, some, reader.execute(query.order_by(columns.model, ranked_rows.c.first)).all()
            )
        return found

    def search_versions(self, where: str | None, *, order_by: Sequence[str], limit: int, offset: int) -> Page:
        """A page of the versions that a query finds, last changed first. Raises QueryInvalid."""
        with self._database.read() as connection:
            query = versions_page(where, order_by, dialect=dialect_of(connection))
            rows = connection.execute(query.limit(limit + 1).offset(offset)).all()
            homes = {row.model: row for row in rows}
            query_homes = select(registered).where(registered.c.model.in_(list(homes)))
            found = self._versions(connection, connection.execute(query_homes).all(), rows[:limit])
        return Page(found, offset + limit if len(rows) > limit else None)

    def change_version(self, tx: Transaction, version: RegisteredVersion, **values: str) -> None:
        """Change a version's description or stage."""
        now = milliseconds(self._database.clock)
        columns = registered_versions.c
        mine = (columns.model == version.model, columns.number == version.number)
        tx.execute(update(registered_versions).where(*mine).values(updated=now, **values))

    def delete_version(self, tx: Transaction, version: RegisteredVersion) -> None:
        """Take away a version's rows; what the registry knows of it stays."""
        for table in (registered_versions, version_tags):
            tx.execute(delete(table).where(table.c.model == version.model, table.c.number == version.number))
        self._touch(tx, version.name)

    def set_version_tags(self, tx: Transaction, model: str, number: int, tags: Mapping[str, str]) -> None:
        """Set tags of a version, by its place in the registry."""
        if tags:
            rows = [{"model": model, "number": number, "key": key, "value": value} for key, value in tags.items()]
            tx.execute(_SET_VERSION_TAG, rows)

    def delete_version_tag(self, tx: Transaction, model: str, number: int, key: str) -> None:
        """Take a tag off, if it is there."""
        columns = version_tags.c
        tx.execute(delete(version_tags).where(columns.model == model, columns.number == number, columns.key == key))

    def touch(self, tx: Transaction, name: str) -> None:
        """Note that a registered model was changed now."""
        self._touch(tx, name)

    # -- inside

    def _free(self, tx: Transaction, name: str) -> None:
        if tx.execute(select(registered.c.name).where(registered.c.name == name)).first() is not None:
            raise TrackingExists(f"there is a registered model {name!r} already")

    def _touch(self, tx: Transaction, name: str, **values: str) -> None:
        now = milliseconds(self._database.clock)
        tx.execute(update(registered).where(registered.c.name == name).values(updated=now, **values))

    def _models(self, reader: Reader, rows: Iterable[Row[Any]]) -> list[RegisteredModel]:
        rows = list(rows)
        tags: dict[str, dict[str, str]] = defaultdict(dict)
        for names in chunks(row.model for row in rows):
            query = select(registered_tags).where(registered_tags.c.model.in_(names))
            for model, key, value in reader.execute(query):
                tags[model][key] = value
        return [
            RegisteredModel(row.name, row.model, row.base, row.description, row.created, row.updated, tags[row.model])
            for row in rows
        ]

    def _versions(self, reader: Reader, homes: Iterable[Any], rows: Iterable[Row[Any]]) -> list[RegisteredVersion]:
        named = {home.model: home for home in homes}
        rows = list(rows)
        tags: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
        for names in chunks({row.model for row in rows}):
            query = select(version_tags).where(version_tags.c.model.in_(names))
            if len(rows) == 1:
                query = query.where(version_tags.c.number == rows[0].number)
            for model, number, key, value in reader.execute(query):
                tags[model, number][key] = value
        return [
            RegisteredVersion(
                named[row.model].name, row.model, row.number, row.number - named[row.model].base, row.description,
                row.stage, row.source, row.storage, row.run, row.run_link, row.created, row.updated,
                tags[row.model, row.number],
            )
            for row in rows
        ]  # fmt: skip


def plain_name(name: str, *, taken: bool = False) -> str:
    """What a registered model is called in the registry: its own name where that is plain enough for paths and URLs.

    >>> plain_name("machines"), plain_name("my model")
    ('machines', 'my-model-a1ca1aa6')
    """
    if _PLAIN.fullmatch(name) and not taken:
        return name
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:80] or "model"
    return f"{slug}-{hashlib.sha256(name.encode()).hexdigest()[: 16 if taken else 8]}"
