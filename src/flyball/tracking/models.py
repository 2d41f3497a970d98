"""Logged models: what a run wrote down as a model, before anybody registers it."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, Table, delete, insert, select, update

from flyball.store import Database, Reader, Transaction, Write
from flyball.tracking.errors import TrackingInvalid, TrackingUnknown
from flyball.tracking.experiments import Experiments
from flyball.tracking.model_search import ModelOrder, models_page
from flyball.tracking.names import new_name
from flyball.tracking.records import ACTIVE, DELETED, LoggedModel, ModelMetric, Page
from flyball.tracking.statements import SET_MODEL_TAG, chunks, dialect_of, milliseconds, storable
from flyball.tracking.tables import model_metrics, model_params, model_tags, models

__all__ = ["PENDING", "LoggedModels"]

PENDING = 1
_FORBIDDEN = frozenset("/:.%\"'")


class LoggedModels:
    """The table of logged models. Threads and processes may call every method at once."""

    def __init__(self, database: Database, experiments: Experiments) -> None:
        self._database = database
        self._experiments = experiments

    def create(
        self,
        experiment: int,
        *,
        name: str | None = None,
        run: str = "",
        kind: str = "",
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> LoggedModel:
        """Begin a model; its files are to follow. Raises TrackingInvalid, TrackingUnknown, TrackingDeleted."""
        if name is not None and (not name or _FORBIDDEN & set(name)):
            raise TrackingInvalid(
                f"{name!r} cannot be the name of a model", why="""it is empty or holds / : . % " or '"""
            )
        with self._database.write("tracking.create-model") as tx:
            home = self._experiments.active(tx, experiment)
            identity, now = f"m-{uuid.uuid4().hex}", milliseconds(self._database.clock)
            row = {
                "id": identity,
                "experiment": experiment,
                "name": name or new_name(),
                "type": kind,
                "run": run,
                "status": PENDING,
                "stage": ACTIVE,
                "location": f"{home.location}/models/{identity}/artifacts",
                "created": now,
                "updated": now,
            }
            made = tx.execute(insert(models).values(**row)).inserted_primary_key
            number = int(made[0]) if made else 0
            _add_params(tx, number, params or {})
            self._tag(tx, number, tags or {})
            return self._whole(tx, [self._row(tx, identity)])[0]

    def get(self, model_id: str, *, deleted: bool = False) -> LoggedModel:
        """One model; a deleted one only when asked for. Raises TrackingUnknown."""
        with self._database.read() as connection:
            row = self._row(connection, model_id)
            if row.stage == DELETED and not deleted:
                raise _unknown(model_id)
            return self._whole(connection, [row])[0]

    def finish(self, model_id: str, status: int) -> LoggedModel:
        """Say how the logging of a model ended: 2 ready, 3 failed. Raises TrackingUnknown."""
        with self._database.write("tracking.finish-model") as tx:
            self._row(tx, model_id)
            self._change(tx, model_id, status=status)
            return self._whole(tx, [self._row(tx, model_id)])[0]

    def delete(self, model_id: str) -> None:
        """Mark a model as deleted. Raises TrackingUnknown."""
        with self._database.write("tracking.delete-model") as tx:
            self._row(tx, model_id)
            self._change(tx, model_id, stage=DELETED)

    def add_params(self, model_id: str, params: Mapping[str, str]) -> None:
        """Add parameters. Raises TrackingUnknown, TrackingInvalid for one that is there already."""
        with self._database.write("tracking.model-params") as tx:
            number = self._row(tx, model_id).number
            known = select(model_params.c.key).where(
                model_params.c.model == number, model_params.c.key.in_(list(params))
            )
            if (there := tx.execute(known).scalars().first()) is not None:
                raise TrackingInvalid(f"the parameter {there!r} of model {model_id} was logged before")
            _add_params(tx, number, params)

    def set_tags(self, model_id: str, tags: Mapping[str, str]) -> None:
        """Set tags. Raises TrackingUnknown."""
        with self._database.write("tracking.model-tags") as tx:
            self._tag(tx, self._row(tx, model_id).number, tags)

    def delete_tag(self, model_id: str, key: str) -> None:
        """Take a tag off. Raises TrackingUnknown."""
        with self._database.write("tracking.model-tags") as tx:
            number = self._row(tx, model_id).number
            gone = tx.execute(delete(model_tags).where(model_tags.c.model == number, model_tags.c.key == key))
            if not gone.rowcount:
                raise TrackingUnknown(f"model {model_id} has no tag {key!r}")

    def add_metrics(self, points: Mapping[str, Sequence[ModelMetric]]) -> None:
        """Add points by the id of the model that they are of; the same point again changes nothing.

        Points of a model that there is not are passed over: the run they belong to keeps them.
        """
        self._database.apply(Write("tracking.model-metrics", lambda tx: self.put_metrics(tx, points)))

    def put_metrics(self, tx: Transaction, points: Mapping[str, Sequence[ModelMetric]]) -> None:
        """As `add_metrics`, in the caller's transaction."""
        columns = model_metrics.c
        for model_id, logged in points.items():
            number = tx.execute(select(models.c.number).where(models.c.id == model_id)).scalar_one_or_none()
            if number is None:
                continue
            query = select(columns.run, columns.key, columns.timestamp, columns.step)
            known = {tuple(row) for row in tx.execute(query.where(columns.model == number))}
            for point in logged:
                place = (point.run, point.key, point.timestamp, point.step)
                if place not in known:
                    known.add(place)
                    row = {"model": number, **point._asdict(), "value": storable(point.value)[0]}
                    tx.execute(insert(model_metrics), row)

    def search(
        self,
        experiments: Sequence[int],
        where: str | None = None,
        *,
        order_by: Sequence[ModelOrder] = (),
        datasets: Sequence[tuple[str, str | None]] = (),
        limit: int = 100,
        offset: int = 0,
    ) -> Page:
        """A page of the models that a query finds, newest first by default. Raises QueryInvalid.

        datasets: name and digest (None: any) of data, on one of which the metrics of the query were measured.
        """
        if not experiments:
            return Page([], None)
        with self._database.read() as connection:
            query = models_page(where, order_by, within=experiments, datasets=datasets, dialect=dialect_of(connection))
            rows = connection.execute(query.limit(limit + 1).offset(offset)).all()
            found = self._whole(connection, rows[:limit])
        return Page(found, offset + limit if len(rows) > limit else None)

    # -- inside

    def _row(self, reader: Reader, model_id: str) -> Row[Any]:
        row = reader.execute(select(models).where(models.c.id == model_id)).first()
        if row is None:
            raise _unknown(model_id)
        return row

    def _change(self, tx: Transaction, model_id: str, **values: Any) -> None:
        now = milliseconds(self._database.clock)
        tx.execute(update(models).where(models.c.id == model_id).values(updated=now, **values))

    def _tag(self, tx: Transaction, number: int, tags: Mapping[str, str]) -> None:
        if tags:
            tx.each(SET_MODEL_TAG, [{"owner": number, "key": key, "value": value} for key, value in tags.items()])

    def _whole(self, reader: Reader, rows: Iterable[Row[Any]]) -> list[LoggedModel]:
        rows = list(rows)
        params, tags = _pairs(reader, rows, model_params), _pairs(reader, rows, model_tags)
        measured: dict[int, list[ModelMetric]] = defaultdict(list)
        columns = model_metrics.c
        query = select(
            columns.model, columns.key, columns.value, columns.timestamp, columns.step, columns.run,
            columns.dataset_name, columns.dataset_digest,
        )  # fmt: skip
        for numbers in chunks(row.number for row in rows):
            for number, *point in reader.execute(query.where(columns.model.in_(numbers))):
                measured[number].append(ModelMetric(*point))
        return [
            LoggedModel.from_row(
                row, params=params[row.number], tags=tags[row.number], metrics=tuple(measured[row.number])
            )
            for row in rows
        ]


def _pairs(reader: Reader, rows: Sequence[Row[Any]], table: Table) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = defaultdict(dict)
    for numbers in chunks(row.number for row in rows):
        for number, key, value in reader.execute(select(table).where(table.c.model.in_(numbers))):
            found[number][key] = value
    return found


def _add_params(tx: Transaction, number: int, params: Mapping[str, str]) -> None:
    if params:
        tx.execute(
            insert(model_params), [{"model": number, "key": key, "value": value} for key, value in params.items()]
        )


def _unknown(model_id: str) -> TrackingUnknown:
    return TrackingUnknown(f"there is no logged model {model_id}")
