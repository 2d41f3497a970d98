"""Writing a project's rows into the tables of MLflow."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, func, select

from flyball.registry.tables import aliases
from flyball.tracking import tables
from flyball.tracking.statements import plain_rows

if TYPE_CHECKING:
    from flyball.project import Project

__all__ = ["RowsOut"]

_BATCH = 500
_SCHEMA = Path(__file__).with_name("schema.sql")
_NAMES = uuid.UUID("8d1f1c9e-3a39-5f0b-9a5c-1f6a4f0f7b52")


class RowsOut:
    """Writes one database. `notes` says what could not be written as it is."""

    def __init__(self, project: Project, target: sqlite3.Connection, tell: Callable[[float], None]) -> None:
        self._project = project
        self._target = target
        self._tell = tell
        self.notes: list[str] = []
        self.counts = dict.fromkeys(("experiments", "runs", "points", "models", "registered", "versions"), 0)

    def write(self) -> dict[str, int]:
        """All of it, from one instant of the project; how much, by kind."""
        self._target.executescript(_SCHEMA.read_text())
        with self._project.database.read() as reader, self._target:
            self._experiments(reader)
            self._runs(reader)
            self._models(reader)
            self._registered(reader)
        return self.counts

    def _add(self, table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
        """Add rows; `columns` are those that are written, in their order."""
        marks = ", ".join("?" for _ in columns.split(", "))
        self._target.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)  # noqa: S608 - fixed names

    def _experiments(self, reader: Connection) -> None:
        known = tables.experiments.c
        rows = reader.execute(
            select(known.id, known.name, known.location, known.stage, known.created, known.updated).order_by(known.id)
        ).all()
        columns = "experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time"
        self._add("experiments", columns, map(tuple, rows))
        tags = tables.experiment_tags.c
        self._add(
            "experiment_tags", '"key", value, experiment_id',
            map(tuple, reader.execute(select(tags.key, tags.value, tags.experiment))),
        )  # fmt: skip
        self.counts["experiments"] = len(rows)

    def _runs(self, reader: Connection) -> None:
        known, last = tables.runs.c, 0
        total = reader.execute(select(func.count()).select_from(tables.runs)).scalar_one()
        while True:
            query = select(tables.runs).where(known.number > last).order_by(known.number).limit(_BATCH)
            page = reader.execute(query).all()
            if not page:
                return
            last = page[-1].number
            self._add(
                "runs",
                "run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, "
                "source_version, lifecycle_stage, artifact_uri, experiment_id, deleted_time",
                [
                    (
                        run.id, run.name, "UNKNOWN", "", "", run.user, run.status, run.started, run.ended, "", run.stage,
                        run.location, run.experiment, run.deleted,
                    )
                    for run in page
                ],
            )  # fmt: skip
            self._belongings(reader, page)
            self.counts["runs"] += len(page)
            self._tell(self.counts["runs"] / max(1, total))

    def _belongings(self, reader: Connection, page: Sequence[Row[Any]]) -> None:
        ids = {run.number: run.id for run in page}
        for table, ours in (("params", tables.params), ("tags", tables.tags)):
            rows = _of(reader, select(ours.c.run, ours.c.key, ours.c.value), ours.c.run, ids)
            self._add(table, '"key", value, run_uuid', [(key, value, ids[run]) for run, key, value in rows])
        for table, ours in (("metrics", tables.metrics), ("latest_metrics", tables.latest)):
            known = ours.c
            query = select(known.run, known.key, known.value, known.timestamp, known.step, known.nan)
            rows = _of(reader, query, known.run, ids)
            columns = '"key", value, timestamp, step, is_nan, run_uuid'
            self._add(table, columns, [(*point, ids[run]) for run, *point in rows])
            self.counts["points"] += len(rows) if ours is tables.metrics else 0
        self._inputs(reader, ids)
        links = _of(reader, select(tables.links), tables.links.c.run, ids)
        ends = {"input": ("RUN_INPUT", "MODEL_INPUT"), "output": ("RUN_OUTPUT", "MODEL_OUTPUT")}
        newest = {
            (run, kind, model): step for run, kind, model, step in sorted(links)
        }  # one step of each is kept there
        self._add(
            "inputs",
            "input_uuid, source_type, source_id, destination_type, destination_id, step",
            [
                (_name(ids[run], kind, model), ends[kind][0], ids[run], ends[kind][1], model, step)
                for (run, kind, model), step in newest.items()
            ],
        )

    def _inputs(self, reader: Connection, ids: dict[int, str]) -> None:
        data, read = tables.datasets.c, tables.inputs.c
        query = select(read.run, read.tags, *tables.datasets.c)
        query = query.join(tables.datasets, data.number == read.dataset)
        rows = reader.execute(query.where(read.run.in_(list(ids)))).all()
        self._target.executemany(
            "INSERT OR IGNORE INTO datasets VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    _name("dataset", row.number), row.experiment, row.name, row.digest, row.source_type, row.source,
                    row.schema, row.profile,
                )
                for row in rows
            ],
        )  # fmt: skip
        named = [(_name(ids[row.run], "data", row.number), row) for row in rows]
        self._add(
            "inputs",
            "input_uuid, source_type, source_id, destination_type, destination_id",
            [(name, "DATASET", _name("dataset", row.number), "RUN", ids[row.run]) for name, row in named],
        )
        self._add(
            "input_tags",
            "input_uuid, name, value",
            [(name, key, value) for name, row in named for key, value in json.loads(row.tags).items()],
        )

    def _models(self, reader: Connection) -> None:
        rows = reader.execute(select(tables.models).order_by(tables.models.c.number)).all()
        self._add(
            "logged_models",
            "model_id, experiment_id, name, artifact_location, creation_timestamp_ms, last_updated_timestamp_ms, status, "
            "lifecycle_stage, model_type, source_run_id",
            [
                (
                    one.id, one.experiment, one.name, one.location, one.created, one.updated, one.status, one.stage,
                    one.type, one.run or None,
                )
                for one in rows
            ],
        )  # fmt: skip
        homes = {one.number: (one.id, one.experiment) for one in rows}
        for table, ours, columns in (
            ("logged_model_params", tables.model_params, "model_id, experiment_id, param_key, param_value"),
            ("logged_model_tags", tables.model_tags, "model_id, experiment_id, tag_key, tag_value"),
        ):
            pairs = reader.execute(select(ours.c.model, ours.c.key, ours.c.value)).all()
            self._add(table, columns, [(*homes[number], key, value) for number, key, value in pairs])
        known = tables.model_metrics.c
        points = reader.execute(
            select(
                known.model, known.key, known.timestamp, known.step, known.value, known.run, known.dataset_name,
                known.dataset_digest,
            ).where(known.run.in_(select(tables.runs.c.id)))
        ).all()  # fmt: skip
        every = reader.execute(select(func.count()).select_from(tables.model_metrics)).scalar_one()
        if every > len(points):
            self.notes.append(f"{every - len(points):,} points of logged models name runs that were removed: left out")
        columns = (
            "model_id, experiment_id, metric_name, metric_timestamp_ms, metric_step, metric_value, run_id, dataset_name, "
            "dataset_digest"
        )
        self._add("logged_model_metrics", columns, [(*homes[number], *point) for number, *point in points])
        self.counts["models"] = len(rows)

    def _registered(self, reader: Connection) -> None:
        rows = reader.execute(select(tables.registered).order_by(tables.registered.c.name)).all()
        self._add(
            "registered_models",
            "name, creation_time, last_updated_time, description",
            [(one.name, one.created, one.updated, one.description or None) for one in rows],
        )
        homes = {one.model: one for one in rows}
        tags = reader.execute(select(tables.registered_tags)).all()
        tagged = [(key, value, homes[model].name) for model, key, value in tags]
        self._add("registered_model_tags", '"key", value, name', tagged)
        versions = reader.execute(select(tables.registered_versions)).all()
        self._add(
            "model_versions",
            "name, version, creation_time, last_updated_time, description, current_stage, source, run_id, status, run_link, "
            "storage_location",
            [
                (
                    homes[one.model].name, one.number - homes[one.model].base, one.created, one.updated, one.description,
                    one.stage, one.source, one.run or None, "READY", one.run_link or None, one.storage,
                )
                for one in versions
            ],
        )  # fmt: skip
        places = {(one.model, one.number): homes[one.model] for one in versions}
        version_tags = reader.execute(select(tables.version_tags)).all()
        self._add(
            "model_version_tags",
            '"key", value, name, version',
            [
                (key, value, places[model, number].name, number - places[model, number].base)
                for model, number, key, value in version_tags
                if (model, number) in places
            ],
        )
        held = reader.execute(select(aliases.c.model, aliases.c.alias, aliases.c.number)).all()
        self._add(
            "registered_model_aliases",
            "alias, version, name",
            [
                (alias, number - places[model, number].base, places[model, number].name)
                for model, alias, number in held
                if (model, number) in places
            ],
        )
        self.counts["registered"], self.counts["versions"] = len(rows), len(versions)
        ours = len(held) - sum((model, number) in places for model, _, number in held)
        if ours:
            self.notes.append(
                f"{ours:,} aliases name versions that Flyball made; their bundles are no models of MLflow's"
            )


def _of(reader: Connection, query: Any, owner: Any, ids: Iterable[int]) -> list[Any]:
    return plain_rows(reader.execute(query.where(owner.in_(list(ids)))))


def _name(*parts: object) -> str:
    """The same id for the same thing, in every export."""
    return uuid.uuid5(_NAMES, "/".join(map(str, parts))).hex
