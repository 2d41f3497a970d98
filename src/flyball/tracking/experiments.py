"""Experiments: named groups of runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, update

from flyball.store import Database, Reader, Transaction
from flyball.tracking.errors import TrackingDeleted, TrackingExists, TrackingInvalid, TrackingUnknown
from flyball.tracking.names import check_experiment_name, check_key, check_length
from flyball.tracking.records import ACTIVE, DELETED, Experiment, Page
from flyball.tracking.search import experiments_where, order_experiments
from flyball.tracking.statements import SET_EXPERIMENT_TAG, dialect_of, milliseconds
from flyball.tracking.tables import experiment_tags, experiments, runs

__all__ = ["Experiments", "experiment_number"]

DEFAULT = 0
_FIND = select(experiments).where(experiments.c.id == bindparam("wanted"))
_VALUE_LENGTH = 20_000


class Experiments:
    """The table of experiments. Threads and processes may call every method at once."""

    def __init__(self, database: Database, root: str) -> None:
        self._database = database
        self._root = root

    def ensure_default(self) -> None:
        """That there is the experiment 0, "Default", where runs go that name none."""
        with self._database.read() as connection:
            if connection.execute(select(experiments.c.id).limit(1)).first() is not None:
                return
        with self._database.write("tracking.default-experiment") as tx:
            if tx.execute(select(experiments.c.id).limit(1)).first() is None:
                now = milliseconds(self._database.clock)
                row = {"id": DEFAULT, "name": "Default", "location": f"{self._root}/{DEFAULT}", "stage": ACTIVE}
                tx.execute(insert(experiments), {**row, "created": now, "updated": now})

    def create(self, name: str, *, location: str | None = None, tags: Mapping[str, str] | None = None) -> int:
        """Make an experiment; its number. Raises TrackingInvalid, TrackingExists."""
        check_experiment_name(name)
        for key, value in (tags or {}).items():
            _check_tag(key, value)
        with self._database.write("tracking.create-experiment") as tx:
            self._free(tx, name)
            now = milliseconds(self._database.clock)
            row = {"name": name, "location": location or "", "stage": ACTIVE, "created": now, "updated": now}
            made = tx.execute(insert(experiments).values(**row))
            number = int(made.inserted_primary_key[0]) if made.inserted_primary_key else 0
            if not location:
                where = experiments.c.id == number
                tx.execute(update(experiments).where(where).values(location=f"{self._root}/{number}"))
            if tags:
                rows = [{"experiment": number, "key": key, "value": value} for key, value in tags.items()]
                tx.execute(insert(experiment_tags), rows)
        return number

    def get(self, number: int) -> Experiment:
        """One experiment, deleted or not. Raises TrackingUnknown."""
        with self._database.read() as connection:
            return self._with_tags(connection, [self.row(connection, number)])[0]

    def named(self, name: str) -> Experiment | None:
        """The experiment of this name, deleted or not; None when there is none."""
        with self._database.read() as connection:
            row = connection.execute(select(experiments).where(experiments.c.name == name)).first()
            return self._with_tags(connection, [row])[0] if row is not None else None

    def search(
        self,
        where: str | None = None,
        *,
        order_by: Sequence[str] = (),
        stages: Sequence[str] = (ACTIVE,),
        limit: int = 1000,
        offset: int = 0,
    ) -> Page:
        """A page of the experiments that a query finds. Raises QueryInvalid."""
        with self._database.read() as connection:
            wanted = experiments_where(where, dialect_of(connection))
            query = select(experiments).where(experiments.c.stage.in_(list(stages)), wanted)
            query = query.order_by(*order_experiments(order_by)).limit(limit + 1).offset(offset)
            rows = connection.execute(query).all()
            found = self._with_tags(connection, rows[:limit])
        return Page(found, offset + limit if len(rows) > limit else None)

    def rename(self, number: int, name: str) -> None:
        """Give an experiment another name. Raises TrackingUnknown, TrackingDeleted, TrackingExists."""
        check_experiment_name(name)
        with self._database.write("tracking.rename-experiment") as tx:
            row = self.row(tx, number)
            if row.stage != ACTIVE:
                raise TrackingDeleted(f"experiment {number} was deleted, so it cannot be renamed")
            if row.name != name:
                self._free(tx, name)
            self._change(tx, number, name=name)

    def delete(self, number: int) -> None:
        """Mark an experiment and its runs as deleted. Raises TrackingUnknown."""
        self._move(number, ACTIVE, DELETED)

    def restore(self, number: int) -> None:
        """Take a deletion back, of its runs too. Raises TrackingUnknown."""
        self._move(number, DELETED, ACTIVE)

    def set_tag(self, number: int, key: str, value: str) -> None:
        """Set a tag. Raises TrackingInvalid, TrackingUnknown, TrackingDeleted."""
        _check_tag(key, value)
        with self._database.write("tracking.experiment-tag") as tx:
            self.active(tx, number)
            tx.each(SET_EXPERIMENT_TAG, [{"owner": number, "key": key, "value": value}])

    def delete_tag(self, number: int, key: str) -> None:
        """Take a tag off. Raises TrackingUnknown, TrackingDeleted."""
        with self._database.write("tracking.experiment-tag") as tx:
            self.active(tx, number)
            where = (experiment_tags.c.experiment == number, experiment_tags.c.key == key)
            if not tx.execute(delete(experiment_tags).where(*where)).rowcount:
                raise TrackingUnknown(f"experiment {number} has no tag {key!r}")

    def row(self, reader: Reader, number: int) -> Row[Any]:
        """An experiment's row. Raises TrackingUnknown."""
        row = reader.execute(_FIND, {"wanted": number}).first()
        if row is None:
            raise TrackingUnknown(f"there is no experiment {number}")
        return row

    def active(self, reader: Reader, number: int) -> Row[Any]:
        """The row of an experiment that was not deleted. Raises TrackingUnknown, TrackingDeleted."""
        row = self.row(reader, number)
        if row.stage != ACTIVE:
            raise TrackingDeleted(f"experiment {number} was deleted", fix="restore it first")
        return row

    def _free(self, tx: Transaction, name: str) -> None:
        if tx.execute(select(experiments.c.id).where(experiments.c.name == name)).first() is not None:
            raise TrackingExists(f"there is an experiment {name!r} already", why="deleted experiments keep their names")

    def _change(self, tx: Transaction, number: int, **values: str) -> None:
        now = milliseconds(self._database.clock)
        tx.execute(update(experiments).where(experiments.c.id == number).values(updated=now, **values))

    def _move(self, number: int, before: str, after: str) -> None:
        with self._database.write("tracking.experiment-stage") as tx:
            if self.row(tx, number).stage != before:
                raise TrackingUnknown(f"there is no {before} experiment {number}")
            self._change(tx, number, stage=after)
            deleted = milliseconds(self._database.clock) if after == DELETED else None
            tx.execute(update(runs).where(runs.c.experiment == number).values(stage=after, deleted=deleted))

    def _with_tags(self, reader: Reader, rows: Iterable[Row[Any]]) -> list[Experiment]:
        rows = list(rows)
        tags: dict[int, dict[str, str]] = defaultdict(dict)
        query = select(experiment_tags).where(experiment_tags.c.experiment.in_([row.id for row in rows]))
        for number, key, value in reader.execute(query):
            tags[number][key] = value
        return [
            Experiment(row.id, row.name, row.location, row.stage, row.created, row.updated, tags[row.id])
            for row in rows
        ]


def experiment_number(text: object) -> int:
    """The number that an experiment's id stands for. Raises TrackingInvalid."""
    try:
        return int(str(text))
    except ValueError as error:
        raise TrackingInvalid(f"{text!r} is not the id of an experiment", why="ids are whole numbers") from error


def _check_tag(key: str, value: str) -> None:
    check_key(key, "tag")
    check_length(value, _VALUE_LENGTH, "value of the tag")
