"""A store of MLflow's in a database: read by plain SQL, without MLflow."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, inspect, text

from flyball.exchange.errors import SourceDamaged, SourceForeign, SourceUnreadable
from flyball.exchange.records import (
    Counts,
    Point,
    SourceExperiment,
    SourceModel,
    SourceRegistered,
    SourceRun,
    SourceVersion,
)
from flyball.exchange.revisions import check_revision
from flyball.store import DRIVER_ERRORS
from flyball.tracking import DatasetInput, ModelLink, ModelMetric

__all__ = ["SqlSource", "open_database", "open_file"]

_NEEDED = frozenset(("experiments", "runs", "metrics", "params", "tags", "alembic_version"))
_GONE = "Deleted_Internal"
_WORKSPACE = "default"
Pairs = dict[Any, dict[str, str]]


def open_file(path: Path) -> SqlSource:
    """The store in an SQLite file, as it is at one instant. Raises SourceUnreadable, SourceForeign, SchemaUnknown,
    SourceDamaged.

    It is copied first, so that a server that uses it need not wait for an import.
    """
    if not path.is_file():
        raise SourceUnreadable(
            "there is no store to import", where=str(path), why="no such file",
            fix="name the database of the MLflow server, its folder mlruns, or its URL",
        )  # fmt: skip
    folder = tempfile.TemporaryDirectory(prefix="flyball-import-")
    copy = Path(folder.name) / "source.db"
    try:
        _copy(path, copy)
        source = SqlSource(create_engine(URL.create("sqlite", database=str(copy))), f"sqlite:///{path.resolve()}")
    except BaseException:
        folder.cleanup()
        raise
    source.after_close = folder.cleanup
    return source


def _copy(path: Path, copy: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as old,
            closing(sqlite3.connect(copy)) as new,
        ):
            old.backup(new)
            found = new.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if "not a database" in str(error):
            raise SourceForeign("the file is no database", where=str(path), fix="name the one of the server") from error
        if "malformed" in str(error):
            raise _damaged_file(path, str(error)) from error
        raise _unreadable(str(path), error) from error
    if found != ("ok",):
        raise _damaged_file(path, str(found[0]).splitlines()[0])


def _damaged_file(path: Path, why: str) -> SourceDamaged:
    return SourceDamaged(
        "the store's file is damaged", where=str(path), why=why,
        fix="import a backup of it, or mend a copy: sqlite3 mlflow.db .recover",
    )  # fmt: skip


def open_database(url: URL) -> SqlSource:
    """The store in a PostgreSQL database, as it is at one instant. Raises SourceUnreadable, SourceForeign, SchemaUnknown."""
    shown = url.render_as_string(hide_password=True)
    try:
        engine = create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="REPEATABLE READ")
    except ImportError as error:
        raise SourceUnreadable(
            "PostgreSQL cannot be read without its driver", where=shown, fix="pip install 'flyball[postgres]'"
        ) from error
    return SqlSource(engine.execution_options(postgresql_readonly=True), shown)


class SqlSource:
    """Implements `Source` on the tables of MLflow 2.0 and later. Tables and columns that a layout lacks count as empty."""

    def __init__(self, engine: Engine, location: str) -> None:
        self.location = location
        self._engine = engine
        self._columns: dict[str, frozenset[str]] = {}
        self.after_close: Any = None
        try:
            self._connection: Connection = engine.connect()
        except DRIVER_ERRORS as error:
            engine.dispose()
            raise _unreadable(location, error) from error
        try:
            self.revision = self._checked()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        with suppress(*DRIVER_ERRORS):
            self._connection.close()
        self._engine.dispose()
        if self.after_close is not None:
            self.after_close()

    # -- what there is

    def counts(self) -> Counts:
        versions = self._rows("model_versions", ("current_stage",))
        return Counts(
            self._count("experiments"), self._count("runs"), self._count("metrics"), self._count("logged_models"),
            self._count("registered_models"), sum(stage != _GONE for (stage,) in versions),
        )  # fmt: skip

    def experiments(self) -> list[SourceExperiment]:
        tags = self._pairs("experiment_tags", "experiment_id", "key", "value")
        names = ("experiment_id", "name", "artifact_location", "lifecycle_stage", "creation_time", "last_update_time")
        return [
            SourceExperiment(str(number), name, location or "", stage or "active", created, updated, tags[number])
            for number, name, location, stage, created, updated in self._rows("experiments", names, "experiment_id")
        ]

    def run_pages(self, size: int) -> Iterator[list[SourceRun]]:
        names = (
            "run_uuid", "experiment_id", "name", "user_id", "status", "lifecycle_stage", "artifact_uri", "start_time",
            "end_time", "deleted_time",
        )  # fmt: skip
        for rows in self._pages("runs", names, "run_uuid", size):
            yield self._runs(rows)

    def model_pages(self, size: int) -> Iterator[list[SourceModel]]:
        names = (
            "model_id", "experiment_id", "name", "model_type", "source_run_id", "status", "lifecycle_stage",
            "artifact_location", "creation_timestamp_ms", "last_updated_timestamp_ms",
        )  # fmt: skip
        for rows in self._pages("logged_models", names, "model_id", size):
            ids = [row[0] for row in rows]
            params = self._pairs("logged_model_params", "model_id", "param_key", "param_value", ids)
            tags = self._pairs("logged_model_tags", "model_id", "tag_key", "tag_value", ids)
            measured: dict[str, list[ModelMetric]] = defaultdict(list)
            columns = (
                "model_id", "metric_name", "metric_value", "metric_timestamp_ms", "metric_step", "run_id",
                "dataset_name", "dataset_digest",
            )  # fmt: skip
            for model, key, value, *rest in self._of("logged_model_metrics", columns, "model_id", ids):
                measured[model].append(ModelMetric(key, float("nan") if value is None else value, *rest))
            yield [
                SourceModel(
                    identity, str(experiment), name, kind or "", run or "", status, stage or "active", uri, created, updated,
                    params[identity], tags[identity], sorted(measured[identity], key=repr),
                )
                for identity, experiment, name, kind, run, status, stage, uri, created, updated in rows
            ]  # fmt: skip

    def registered(self) -> list[SourceRegistered]:
        tags: Pairs = defaultdict(dict)
        for workspace, name, key, value in self._rows("registered_model_tags", ("workspace", "name", "key", "value")):
            tags[workspace or _WORKSPACE, name][key] = value or ""
        aliases: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
        columns = ("workspace", "name", "alias", "version")
        for workspace, name, alias, version in self._rows("registered_model_aliases", columns):
            aliases[workspace or _WORKSPACE, name][alias] = version
        versions = self._versions()
        names = ("workspace", "name", "creation_time", "last_updated_time", "description")
        found = []
        for workspace, name, created, updated, description in self._rows("registered_models", names, "name"):
            home = (workspace or _WORKSPACE, name)
            found.append(
                SourceRegistered(
                    name, home[0], created or 0, updated or created or 0, description or "", _sorted(tags[home]),
                    _sorted(aliases[home]), versions[home],
                )
            )  # fmt: skip
        return found

    # -- inside

    def _checked(self) -> str:
        """The revision of the tables; that the needed ones are there, and that no run lacks its experiment."""
        try:
            inspector = inspect(self._connection)
            for table in inspector.get_table_names():
                self._columns[table] = frozenset(column["name"] for column in inspector.get_columns(table))
        except DRIVER_ERRORS as error:
            raise _unreadable(self.location, error) from error
        if missing := sorted(_NEEDED - self._columns.keys()):
            raise SourceForeign(
                "this is no store of MLflow's", where=self.location, why=f"it has no table {missing[0]}",
                fix="name the backend store of an MLflow server, such as sqlite:///mlflow.db",
            )  # fmt: skip
        revision = check_revision([row[0] for row in self._rows("alembic_version", ("version_num",))], self.location)
        lost = self._run("SELECT run_uuid FROM runs WHERE experiment_id NOT IN (SELECT experiment_id FROM experiments)")
        if lost:
            raise SourceDamaged(
                "runs belong to experiments that are not there", where=self.location,
                why=f"{len(lost):,} of them, {lost[0][0]} among them", fix="import a backup, or remove these runs",
            )  # fmt: skip
        return revision

    def _runs(self, rows: Sequence[Sequence[Any]]) -> list[SourceRun]:
        ids = [row[0] for row in rows]
        params = self._pairs("params", "run_uuid", "key", "value", ids)
        tags = self._pairs("tags", "run_uuid", "key", "value", ids)
        points: dict[str, list[Point]] = defaultdict(list)
        columns = ("run_uuid", "key", "timestamp", "step", "value", "is_nan")
        for run, key, timestamp, step, value, nan in self._of("metrics", columns, "run_uuid", ids):
            points[run].append(Point(key, timestamp, step, 0.0 if nan else value, 1 if nan else 0))
        inputs, links = self._inputs(ids), self._links(ids)
        return [
            SourceRun(
                identity, str(experiment), name or tags[identity].get("mlflow.runName", ""), user or "", status,
                stage or "active", uri or "", started or 0, ended, deleted, params[identity], tags[identity],
                sorted(points[identity]), inputs[identity], links[identity],
            )
            for identity, experiment, name, user, status, stage, uri, started, ended, deleted in rows
        ]  # fmt: skip

    def _inputs(self, ids: Sequence[str]) -> dict[str, list[DatasetInput]]:
        found: dict[str, list[DatasetInput]] = _Lists()
        if "inputs" not in self._columns:
            return found
        names = ("input_uuid", "source_id", "destination_id")
        of_runs = " AND source_type = 'DATASET' AND destination_type = 'RUN'"
        read = self._of("inputs", names, "destination_id", ids, of_runs)
        tags = self._pairs("input_tags", "input_uuid", "name", "value", [row[0] for row in read])
        columns = (
            "dataset_uuid", "name", "digest", "dataset_source_type", "dataset_source", "dataset_schema", "dataset_profile",
        )  # fmt: skip
        sources = sorted({row[1] for row in read})
        data = {row[0]: row[1:] for row in self._of("datasets", columns, "dataset_uuid", sources)}
        for identity, dataset, run in read:
            if dataset in data:
                name, digest, kind, place, schema, profile = data[dataset]
                found[run].append(DatasetInput(name, digest, kind, place, schema, profile, tags[identity]))
        for some in found.values():
            some.sort(key=repr)
        return found

    def _links(self, ids: Sequence[str]) -> dict[str, list[ModelLink]]:
        found: dict[str, list[ModelLink]] = _Lists()
        if "inputs" not in self._columns:
            return found
        names = ("source_id", "source_type", "destination_id", "step")
        of_runs = " AND source_type IN ('RUN_INPUT', 'RUN_OUTPUT')"
        for run, kind, model, step in sorted(self._of("inputs", names, "source_id", ids, of_runs), key=repr):
            found[run].append(ModelLink("input" if kind == "RUN_INPUT" else "output", model, step or 0))
        return found

    def _versions(self) -> dict[tuple[str, str], list[SourceVersion]]:
        tags: Pairs = defaultdict(dict)
        columns = ("workspace", "name", "version", "key", "value")
        for workspace, name, number, key, value in self._rows("model_version_tags", columns):
            tags[workspace or _WORKSPACE, name, number][key] = value or ""
        names = (
            "workspace", "name", "version", "creation_time", "last_updated_time", "description", "user_id",
            "current_stage", "source", "storage_location", "run_id", "run_link",
        )  # fmt: skip
        found: dict[tuple[str, str], list[SourceVersion]] = defaultdict(list)
        for workspace, name, number, created, updated, *texts in self._rows("model_versions", names, "version"):
            description, user, stage, source, storage, run, link = (value or "" for value in texts)
            if stage != _GONE:
                home = (workspace or _WORKSPACE, name)
                found[home].append(
                    SourceVersion(
                        number, created or 0, updated or created or 0, description, user, stage or "None", source,
                        storage or source, run, link, _sorted(tags[*home, number]),
                    )
                )  # fmt: skip
        return found

    def _pages(self, table: str, names: Sequence[str], key: str, size: int) -> Iterator[list[tuple[Any, ...]]]:
        last = None
        while True:
            after = "" if last is None else f" WHERE {key} > :last"
            query = f"{self._select(table, names)}{after} ORDER BY {key} LIMIT :size" if table in self._columns else ""
            rows = self._run(query, last=last, size=size) if query else []
            if rows:
                yield rows
            if len(rows) < size:
                return
            last = rows[-1][0]

    def _pairs(self, table: str, owner: str, key: str, value: str, ids: Sequence[Any] | None = None) -> Pairs:
        names = (owner, key, value)
        rows = self._rows(table, names) if ids is None else self._of(table, names, owner, ids)
        found: Pairs = defaultdict(dict)
        for identity, name, said in sorted(rows, key=repr):
            found[identity][name] = said or ""
        return found

    def _of(self, table: str, names: Sequence[str], key: str, ids: Iterable[Any], more: str = "") -> list[Any]:
        """The rows of some owners, by their ids as a list that both databases take apart."""
        wanted = list(ids)
        if table not in self._columns or not wanted:
            return []
        some = "SELECT value FROM json_each(:ids)"
        if self._engine.dialect.name != "sqlite":
            some = "SELECT json_array_elements_text(CAST(:ids AS json))"
        return self._run(f"{self._select(table, names)} WHERE {key} IN ({some}){more}", ids=json.dumps(wanted))

    def _rows(self, table: str, names: Sequence[str], order: str = "") -> list[tuple[Any, ...]]:
        if table not in self._columns:
            return []
        return self._run(self._select(table, names) + (f" ORDER BY {order}" if order else ""))

    def _select(self, table: str, names: Sequence[str]) -> str:
        there = self._columns[table]
        return f"SELECT {', '.join(name if name in there else 'NULL' for name in names)} FROM {table}"  # noqa: S608 - fixed names

    def _count(self, table: str) -> int:
        return int(self._run(f"SELECT count(*) FROM {table}")[0][0]) if table in self._columns else 0  # noqa: S608 - fixed names

    def _run(self, statement: str, **values: Any) -> list[Any]:
        try:
            return [tuple(row) for row in self._connection.execute(text(statement), values)]
        except DRIVER_ERRORS as error:
            raise SourceDamaged(
                "the store could not be read to its end", where=self.location,
                why=str(getattr(error, "orig", None) or error).strip().splitlines()[0],
                fix="what was imported until here is whole: run the command again once the store can be read",
            ) from error  # fmt: skip


class _Lists(dict[str, Any]):
    """A dictionary whose missing keys are empty lists."""

    def __missing__(self, key: str) -> list[Any]:
        found: list[Any] = []
        self[key] = found
        return found


def _sorted(pairs: Mapping[str, Any]) -> dict[str, Any]:
    return dict(sorted(pairs.items()))


def _unreadable(where: str, error: BaseException) -> SourceUnreadable:
    return SourceUnreadable(
        "the store cannot be opened", where=where,
        why=str(getattr(error, "orig", None) or error).strip().splitlines()[0],
        fix="check that it is there, that it may be read, and that the URL is that of the MLflow server",
    )  # fmt: skip
