"""Runs: what was tried, with which parameters, and what was measured."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict, Unpack

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from flyball.store import Database, Prepared, Reader, Transaction, Write
from flyball.tracking.children import Belongings, read_belongings, read_runs
from flyball.tracking.errors import TrackingDeleted, TrackingInvalid, TrackingUnknown
from flyball.tracking.experiments import Experiments
from flyball.tracking.logging import add_inputs, add_metrics, add_params, add_tags
from flyball.tracking.names import check_key, new_name
from flyball.tracking.records import ACTIVE, DELETED, DatasetInput, Metric, ModelLink, Page, Run
from flyball.tracking.search import runs_page
from flyball.tracking.statements import dialect_of, milliseconds
from flyball.tracking.tables import links, metrics, runs, tags

__all__ = ["STATUSES", "Runs"]

STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
_OPEN = ("RUNNING", "SCHEDULED")
NAME_TAG = "mlflow.runName"
# Written as it is in the row, so that one look is enough for all that a call on a run must know of it.
_FIND = Prepared("SELECT number, stage, experiment FROM tracking_runs WHERE id = :wanted")
# Also tells whether there is such an experiment, and where its files lie: a statement costs more than the rest of the call.
_BEGIN = Prepared(
    'INSERT INTO tracking_runs (id, experiment, name, "user", status, stage, location, started) '
    "SELECT :id, id, :name, :user, 'RUNNING', 'active', location || :place, :started "
    "FROM tracking_experiments WHERE id = :experiment AND stage = 'active' RETURNING number, location"
)


class _Found(NamedTuple):
    """What a call on a run must know of it."""

    number: int
    stage: str
    experiment: int


class NewRun(TypedDict, total=False):
    """What a run may begin with. run_id: the id to give it, when it began elsewhere; the same id again is the run it has.

    started: milliseconds since 1970; now, where it is not said.
    """

    name: str | None
    user: str
    started: int | None
    tags: Mapping[str, str] | None
    run_id: str | None


class Runs:
    """The table of runs and what belongs to them. Threads and processes may call every method at once.

    Each method is one transaction: once it has returned, a power cut loses nothing of it.
    """

    def __init__(self, database: Database, experiments: Experiments) -> None:
        self._database = database
        self._experiments = experiments

    # -- life

    def create(self, experiment: int, **given: Unpack[NewRun]) -> Run:
        """Begin a run. Raises TrackingUnknown, TrackingDeleted, TrackingInvalid."""
        return self._database.apply(self.creation(experiment, **given))

    def creation(self, experiment: int, **new: Unpack[NewRun]) -> Write[Run]:
        """What `create` does, for whoever makes several changes in one transaction. Raises TrackingInvalid."""
        name, user, started, run_id = new.get("name"), new.get("user", ""), new.get("started"), new.get("run_id")
        given = dict(new.get("tags") or {})
        for key in given:
            check_key(key, "tag")
        named = given.get(NAME_TAG)
        if name and named and name != named:
            raise TrackingInvalid(f"the run is named {name!r}, and {named!r} by its tag {NAME_TAG}")
        called = name or named or new_name()
        given.setdefault(NAME_TAG, called)
        identity = run_id or uuid.uuid4().hex
        began = milliseconds(self._database.clock) if started is None else started
        row = {"id": identity, "experiment": experiment, "name": called, "user": user, "started": began}
        row["place"] = f"/{identity}/artifacts"

        def work(tx: Transaction) -> Run:
            if run_id is not None and tx.rows(_FIND, {"wanted": run_id}):
                return self._whole(tx, [self._row(tx, run_id)])[0]
            made = tx.rows(_BEGIN, row)
            if not made:
                self._experiments.active(tx, experiment)  # raises why
                raise TrackingUnknown(f"there is no experiment {experiment}")
            number, location = made[0]
            add_tags(tx, number, given)
            return Run(
                number, identity, experiment, called, user, "RUNNING", ACTIVE, location, began, None, tags=given
            )  # fmt: skip

        return Write("tracking.create-run", work, 1 + len(given))

    def update(
        self, run_id: str, *, status: str | None = None, ended: int | None = None, name: str | None = None
    ) -> Run:
        """Change a run's status, end or name; a run that ends waits to be bound in the ledger.

        Raises TrackingUnknown, TrackingDeleted, TrackingInvalid.
        """
        if status is not None and status not in STATUSES:
            raise TrackingInvalid(f"{status!r} is no status of a run", why=f"known are {', '.join(STATUSES)}")
        with self._database.write("tracking.update-run") as tx:
            found = self._active(tx, run_id)
            values: dict[str, Any] = {}
            if status is not None:
                values["status"] = status
                values["waiting"] = None if status in _OPEN else 1
            if ended is not None:
                values["ended"] = ended
            if name:
                values["name"] = name
                add_tags(tx, found.number, {NAME_TAG: name})
            if values:
                tx.execute(update(runs).where(runs.c.number == found.number).values(**values))
            return Run.from_row(self._row(tx, run_id))

    def delete(self, run_id: str) -> None:
        """Mark a run as deleted. Raises TrackingUnknown."""
        self._move(run_id, DELETED)

    def restore(self, run_id: str) -> None:
        """Take a deletion back. Raises TrackingUnknown."""
        self._move(run_id, ACTIVE)

    # -- logging

    def log(
        self,
        run_id: str,
        *,
        metrics: Iterable[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Add points of metrics, parameters and tags, all or nothing. The same point again changes nothing.

        Raises TrackingInvalid (also for a parameter that was logged with another value), TrackingUnknown,
        TrackingDeleted.
        """
        self._database.apply(self.logging(run_id, metrics=metrics, params=params, tags=tags))

    def logging(
        self,
        run_id: str,
        *,
        metrics: Iterable[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Write[None]:
        """What `log` does, for whoever makes several changes in one transaction. Raises TrackingInvalid."""
        points = list(metrics)
        for key in dict.fromkeys(point.key for point in points):
            check_key(key, "metric")
        for key in tags or ():
            check_key(key, "tag")
        for key in params or ():
            check_key(key, "parameter")

        def work(tx: Transaction) -> None:
            found = self._active(tx, run_id)
            if params:
                add_params(tx, found.number, run_id, params)
            if points:
                add_metrics(tx, found.number, points)
            if tags:
                add_tags(tx, found.number, tags)
                if NAME_TAG in tags:
                    tx.execute(update(runs).where(runs.c.number == found.number).values(name=tags[NAME_TAG]))

        return Write("tracking.log", work, len(points) + len(params or ()) + len(tags or ()))

    def delete_tag(self, run_id: str, key: str) -> None:
        """Take a tag off. Raises TrackingUnknown, TrackingDeleted."""
        with self._database.write("tracking.run-tag") as tx:
            found = self._active(tx, run_id)
            gone = tx.execute(delete(tags).where(tags.c.run == found.number, tags.c.key == key))
            if not gone.rowcount:
                raise TrackingUnknown(f"run {run_id} has no tag {key!r}")

    def log_inputs(self, run_id: str, datasets: Sequence[DatasetInput] = (), models: Sequence[ModelLink] = ()) -> None:
        """Say what a run read, or (links of kind "output") made. Raises TrackingUnknown, TrackingDeleted."""
        with self._database.write("tracking.inputs") as tx:
            found = self._active(tx, run_id)
            add_inputs(tx, found.number, found.experiment, datasets)
            for link in models:
                same = (links.c.run == found.number, links.c.kind == link.kind, links.c.model == link.model)
                if tx.execute(select(links.c.run).where(*same, links.c.step == link.step)).first() is None:
                    tx.execute(insert(links), {"run": found.number, **link._asdict()})

    # -- reading

    def get(self, run_id: str) -> Run:
        """One run with all that belongs to it but the history of its metrics. Raises TrackingUnknown."""
        with self._database.read() as connection:
            return self._whole(connection, [self._row(connection, run_id)])[0]

    def count(self) -> int:
        """How many runs there are, the deleted ones left out."""
        query = select(func.count()).select_from(runs).where(runs.c.stage == ACTIVE)
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def search(
        self,
        where: str | None = None,
        *,
        experiments: Sequence[int] | None = None,
        order_by: Sequence[str] = (),
        stages: Sequence[str] = (ACTIVE,),
        limit: int = 1000,
        offset: int = 0,
        plain: bool = False,
    ) -> Page:
        """A page of the runs that a query finds, newest first by default; values that are absent or NaN come last.

        experiments: numbers (None: all); plain: in the grammar of the MLflow protocol. Raises QueryInvalid.
        """
        with self._database.read() as connection:
            rows, following = self._page(
                connection, where, experiments, order_by, stages, limit=limit, offset=offset, plain=plain
            )
            return Page(self._whole(connection, rows), following)

    def search_rows(
        self,
        where: str | None = None,
        *,
        experiments: Sequence[int] | None = None,
        order_by: Sequence[str] = (),
        stages: Sequence[str] = (ACTIVE,),
        limit: int = 1000,
        offset: int = 0,
        plain: bool = False,
    ) -> tuple[Page, Belongings]:
        """As `search`, as rows of the tables: for answers about many runs, of which nobody needs each as an object."""
        with self._database.read() as connection:
            rows, following = self._page(
                connection, where, experiments, order_by, stages, limit=limit, offset=offset, plain=plain
            )
            return Page(rows, following), read_belongings(connection, (row.number for row in rows))

    def _page(
        self,
        connection: Connection,
        where: str | None,
        experiments: Sequence[int] | None,
        order_by: Sequence[str],
        stages: Sequence[str],
        *,
        limit: int,
        offset: int,
        plain: bool,
    ) -> tuple[list[Row[Any]], int | None]:
        if experiments is not None and not experiments:
            return [], None
        query = runs_page(
            where, order_by, within=experiments, stages=stages, limit=limit + 1, offset=offset,
            dialect=dialect_of(connection), plain=plain,
        )  # fmt: skip
        rows = list(connection.execute(query).all())
        return rows[:limit], offset + limit if len(rows) > limit else None

    def history(
        self, run_id: str, key: str, *, limit: int | None = None, offset: int = 0
    ) -> tuple[list[Metric], int | None]:
        """Every point of a metric in the order of time, step and value; and where the next page begins.

        Raises TrackingUnknown.
        """
        with self._database.read() as connection:
            number = self._number(connection, run_id)
            columns = metrics.c
            query = select(columns.value, columns.nan, columns.timestamp, columns.step)
            query = query.where(columns.run == number, columns.key == key)
            query = query.order_by(columns.timestamp, columns.step, columns.value).offset(offset)
            rows = connection.execute(query if limit is None else query.limit(limit + 1)).all()
        more = limit is not None and len(rows) > limit
        points = [_point(key, row) for row in rows[:limit]]
        return points, offset + limit if more and limit is not None else None

    def sampled(self, run_id: str, key: str, most: int, *, steps: tuple[int, int] | None = None) -> list[Metric]:
        """At most `most` points of a metric, evenly over its history, the first and the last among them.

        steps: the first and the last step to take in (None: all). Raises TrackingUnknown.
        """
        with self._database.read() as connection:
            number = self._number(connection, run_id)
            columns = metrics.c
            mine = [columns.run == number, columns.key == key]
            if steps is not None:
                mine.append(columns.step.between(*steps))
            total = connection.execute(select(func.count()).select_from(metrics).where(*mine)).scalar_one()
            order = (columns.timestamp, columns.step, columns.value)
            place = func.row_number().over(order_by=order).label("place")
            inner = select(columns.value, columns.nan, columns.timestamp, columns.step, place).where(*mine).subquery()
            query = select(inner.c.value, inner.c.nan, inner.c.timestamp, inner.c.step).order_by(inner.c.place)
            if total > most:
                last = max(1, most - 1)
                wanted = {1 + part * (total - 1) // last for part in range(most)}
                query = query.where(inner.c.place.in_(sorted(wanted)))
            return [_point(key, row) for row in connection.execute(query)]

    # -- inside

    def _row(self, reader: Reader, run_id: str) -> Row[Any]:
        row = reader.execute(select(runs).where(runs.c.id == run_id)).first()
        if row is None:
            raise _unknown(run_id)
        return row

    def _number(self, reader: Reader, run_id: str) -> int:
        number = reader.execute(select(runs.c.number).where(runs.c.id == run_id)).scalar_one_or_none()
        if number is None:
            raise _unknown(run_id)
        return int(number)

    def _active(self, tx: Transaction, run_id: str) -> _Found:
        rows = tx.rows(_FIND, {"wanted": run_id})
        if not rows:
            raise _unknown(run_id)
        found = _Found(*rows[0])
        if found.stage != ACTIVE:
            raise TrackingDeleted(f"run {run_id} was deleted", fix="restore it first")
        return found

    def _move(self, run_id: str, stage: str) -> None:
        with self._database.write("tracking.run-stage") as tx:
            number = self._number(tx, run_id)
            deleted = milliseconds(self._database.clock) if stage == DELETED else None
            tx.execute(update(runs).where(runs.c.number == number).values(stage=stage, deleted=deleted))

    def _whole(self, reader: Reader, rows: Iterable[Row[Any]]) -> list[Run]:
        return read_runs(reader, list(rows))


def _point(key: str, row: Any) -> Metric:
    return Metric(key, float("nan") if row[1] else row[0], row[2], row[3])


def _unknown(run_id: str) -> TrackingUnknown:
    return TrackingUnknown(f"there is no run {run_id}")
