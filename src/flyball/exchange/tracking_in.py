"""Bringing in experiments, runs and logged models: whole batches, each with the ledger's entry that tells of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from flyball.exchange.places import Places
from flyball.exchange.records import SourceExperiment, SourceModel, SourceRun, mark_of
from flyball.exchange.summary import Tally
from flyball.exchange.tables import known, note
from flyball.ledger import Actor, Draft, Ledger
from flyball.store import Database, Prepared, Transaction
from flyball.store.copying import number_on
from flyball.tracking import Tracking
from flyball.tracking.logging import add_inputs
from flyball.tracking.statements import ADD_POINT, KEEP_LATEST, SET_EXPERIMENT_TAG, SET_MODEL_TAG, SET_RUN_TAG, storable
from flyball.tracking.tables import experiment_tags, experiments, links, model_metrics, model_params, models, runs

__all__ = ["ENTRY_RUNS", "TrackingIn", "free_name"]

ENTRY_RUNS = "runs.imported"
_DEFAULT = "0"
_ADD_PARAM = Prepared(
    "INSERT INTO tracking_params (run, key, value) VALUES (:run, :key, :value) ON CONFLICT DO NOTHING"
)
_OPEN = ("RUNNING", "SCHEDULED")


class TrackingIn:
    """Writes what a source tracked into one project. `where` names the source in the ledger."""

    def __init__(
        self, database: Database, tracking: Tracking, ledger: Ledger, *, actor: Actor, where: str, tally: Tally,
        keep_places: bool,
    ) -> None:  # fmt: skip
        self._database = database
        self._tracking = tracking
        self._ledger = ledger
        self._actor = actor
        self._where = where
        self._tally = tally
        self._keep_places = keep_places
        self._homes: dict[str, tuple[int, str]] = {}

    def location_of(self, experiment: str, uri: str, tail: str) -> str:
        """Where files that lay at `uri` lie here: below their experiment, or still there where that is no folder."""
        if self._keep_places or Places.elsewhere(uri):
            return uri
        number, _ = self._homes[experiment]
        return f"{self._tracking.root}/{number}/{tail}"

    # -- experiments

    def experiments(self, found: Sequence[SourceExperiment]) -> None:
        """Bring in experiments, one transaction. Names that are taken are told apart, and said."""
        with self._database.write("exchange.experiments") as tx:
            here = known(tx, "experiment")
            notes = []
            for one in found:
                mark = mark_of(one.name, one.location, one.stage, one.updated, dict(one.tags))
                before = here.get(one.key)
                number = self._new_experiment(tx, one) if before is None else int(before.ours)
                if before is not None and before.mark != mark:
                    self._change_experiment(tx, number, one)
                self._tally.count("experiments", new=before is None, same=before is not None and before.mark == mark)
                self._homes[one.id] = (number, one.name)
                notes.append((one.key, str(number), mark))
            number_on(tx.connection, experiments)
            note(tx, "experiment", notes)

    def _new_experiment(self, tx: Transaction, one: SourceExperiment) -> int:
        rows = tx.execute(select(experiments.c.name, experiments.c.id))
        taken: dict[str, int] = {row.name: row.id for row in rows}
        if one.id == _DEFAULT and taken.get(one.name) == int(_DEFAULT):
            self._fill_default(tx, one)
            return int(_DEFAULT)
        name = free_name(one.name, taken)
        if name != one.name:
            self._tally.clash(f"experiment {one.name!r}", f"the name is taken here, so it is called {name!r}")
        number = int(one.id)
        if number in taken.values():
            number = max(taken.values()) + 1
            self._tally.clash(f"experiment {one.id} ({name})", f"the id is taken here, so it is {number}")
        moment = one.created or 0
        row = {"id": number, "name": name, "stage": one.stage, "created": moment, "updated": one.updated or moment}
        kept = self._keep_places or Places.elsewhere(one.location)
        row["location"] = one.location if kept else f"{self._tracking.root}/{number}"
        tx.execute(insert(experiments), row)
        self._tag_experiment(tx, number, one.tags)
        return number

    def _fill_default(self, tx: Transaction, one: SourceExperiment) -> None:
        """The experiment that every store begins with: as at the source while it is unused here, else joined."""
        used = tx.execute(select(func.count()).select_from(runs).where(runs.c.experiment == int(_DEFAULT))).scalar_one()
        if used:
            self._tally.clash(f"experiment {one.name!r}", "its runs join those that are here")
        elif one.created:
            values = {"created": one.created, "updated": one.updated or one.created, "stage": one.stage}
            tx.execute(update(experiments).where(experiments.c.id == int(_DEFAULT)).values(**values))
        self._tag_experiment(tx, int(_DEFAULT), one.tags)

    def _change_experiment(self, tx: Transaction, number: int, one: SourceExperiment) -> None:
        mine = experiments.c.id == number
        values: dict[str, Any] = {"stage": one.stage}
        if one.updated:
            values["updated"] = one.updated
        others = select(experiments.c.name).where(experiments.c.name == one.name, experiments.c.id != number)
        if tx.execute(others).first() is None:
            values["name"] = one.name
        tx.execute(update(experiments).where(mine).values(**values))
        tx.execute(delete(experiment_tags).where(experiment_tags.c.experiment == number))
        self._tag_experiment(tx, number, one.tags)

    def _tag_experiment(self, tx: Transaction, number: int, tags: Mapping[str, str]) -> None:
        if tags:
            tx.each(SET_EXPERIMENT_TAG, [{"owner": number, "key": key, "value": tags[key]} for key in tags])

    # -- runs

    def runs(self, page: Sequence[SourceRun]) -> None:
        """Bring in a batch of runs with all that belongs to them, in one transaction. Runs that are here as they are at
        the source are left alone; to changed ones the new is added."""
        marks = {run.id: mark_of(run) for run in page}
        with self._database.read() as reader:
            here = known(reader, "run", marks)
        fresh = [run for run in page if run.id not in here or here[run.id].mark != marks[run.id]]
        self._tally.same("runs", len(page) - len(fresh))
        if not fresh:
            return
        with self._database.write("exchange.runs") as tx:
            there = set(tx.execute(select(runs.c.id).where(runs.c.id.in_([run.id for run in fresh]))).scalars())
            foreign = [run for run in fresh if run.id in there and run.id not in here]
            for run in foreign:
                self._tally.clash(
                    f"run {run.id}", "a run of this id is here and did not come by an import: left as it is"
                )
            removed = [run for run in fresh if run.id in here and run.id not in there]
            for run in removed:
                self._tally.clash(f"run {run.id}", "it was removed here since the last import: not brought again")
            mine = [run for run in fresh if (run.id in there) == (run.id in here)]
            self._write_runs(tx, mine, {run.id for run in mine if run.id in there})
            note(tx, "run", [(run.id, run.id, marks[run.id]) for run in [*mine, *removed]])

    def _write_runs(self, tx: Transaction, mine: Sequence[SourceRun], changed: set[str]) -> None:
        if not mine:
            return
        new = [self._row(run) for run in mine if run.id not in changed]
        if new:
            tx.execute(insert(runs), new)
        for run in mine:
            if run.id in changed:
                tx.execute(update(runs).where(runs.c.id == run.id).values(**_state(run)))
        rows = tx.execute(select(runs.c.id, runs.c.number).where(runs.c.id.in_([run.id for run in mine])))
        numbers = {row.id: row.number for row in rows}
        _write_children(tx, mine, numbers)
        for run in mine:
            if run.inputs:
                add_inputs(tx, numbers[run.id], self._homes[run.experiment][0], run.inputs)
        _write_links(tx, mine, numbers)
        digests = {run.id: digest_of(run, self._homes[run.experiment][0]) for run in mine}
        payload = {"source": self._where, "count": len(mine), "runs": digests, "standing": "as its source states"}
        why = f"imported from {self._where}, stated by it"
        self._ledger.append(tx, Draft(ENTRY_RUNS, "tracking", self._actor, why, payload=payload))
        self._tally.add("runs", new=len(new), changed=len(changed))
        self._tally.add("points", new=sum(len(run.points) for run in mine))

    def _row(self, run: SourceRun) -> dict[str, Any]:
        return {
            "id": run.id, "experiment": self._homes[run.experiment][0], "name": run.name, "user": run.user,
            "location": self.location_of(run.experiment, run.uri, f"{run.id}/artifacts"), "started": run.started,
            **_state(run),
        }  # fmt: skip

    # -- logged models

    def models(self, page: Sequence[SourceModel]) -> None:
        """Bring in a batch of logged models, in one transaction, as `runs` does."""
        marks = {model.id: mark_of(model) for model in page}
        with self._database.write("exchange.models") as tx:
            here = known(tx, "model", marks)
            there = set(tx.execute(select(models.c.id).where(models.c.id.in_(list(marks)))).scalars())
            for model in page:
                before = here.get(model.id)
                if before is not None and before.mark == marks[model.id]:
                    self._tally.same("models", 1)
                elif (before is None) == (model.id in there):
                    left = "a model of this id is here: left as it is"
                    gone = "it was removed here since the last import: not brought again"
                    self._tally.clash(f"logged model {model.id}", left if before is None else gone)
                else:
                    self._write_model(tx, model, new=before is None)
                    note(tx, "model", [(model.id, model.id, marks[model.id])])

    def _write_model(self, tx: Transaction, model: SourceModel, *, new: bool) -> None:
        values = {"status": model.status, "stage": model.stage, "updated": model.updated}
        if new:
            tail = f"models/{model.id}/artifacts"
            row = {
                "id": model.id, "experiment": self._homes[model.experiment][0], "name": model.name, "type": model.type,
                "run": model.run, "location": self.location_of(model.experiment, model.uri, tail),
                "created": model.created,
            }  # fmt: skip
            tx.execute(insert(models), {**row, **values})
        else:
            tx.execute(update(models).where(models.c.id == model.id).values(**values))
        number = tx.execute(select(models.c.number).where(models.c.id == model.id)).scalar_one()
        for table in (model_params, model_metrics):  # said once, or known by the source alone: as they are there
            tx.execute(delete(table).where(table.c.model == number))
        if model.params:
            tx.execute(
                insert(model_params),
                [{"model": number, "key": key, "value": said} for key, said in model.params.items()],
            )
        if model.tags:
            tx.each(SET_MODEL_TAG, [{"owner": number, "key": key, "value": said} for key, said in model.tags.items()])
        points = {(point.run, point.key, point.timestamp, point.step): point for point in model.metrics}
        if points:
            tx.execute(
                insert(model_metrics),
                [{"model": number, **point._asdict(), "value": storable(point.value)[0]} for point in points.values()],
            )
        self._tally.add("models", new=int(new), changed=int(not new))


def _state(run: SourceRun) -> dict[str, Any]:
    # What ended at the source is bound by the entry of the import.
    deleted = run.deleted or run.ended or run.started if run.stage == "deleted" else None
    return {"status": run.status, "stage": run.stage, "ended": run.ended, "deleted": deleted, "waiting": None}


def _write_children(tx: Transaction, page: Iterable[SourceRun], numbers: Mapping[str, int]) -> None:
    params: list[dict[str, Any]] = []
    tags: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []
    newest: list[dict[str, Any]] = []
    for run in page:
        number = numbers[run.id]
        params += [{"run": number, "key": key, "value": value} for key, value in run.params.items()]
        tags += [{"owner": number, "key": key, "value": value} for key, value in run.tags.items()]
        latest: dict[str, dict[str, Any]] = {}
        for key, timestamp, step, value, nan in run.points:
            row = {"run": number, "key": key, "timestamp": timestamp, "step": step, "value": value, "nan": nan}
            points.append(row)
            last = latest.get(key)
            if last is None or (step, timestamp, value) > (last["step"], last["timestamp"], last["value"]):
                latest[key] = row
        newest += latest.values()
    for statement, rows in ((_ADD_PARAM, params), (SET_RUN_TAG, tags), (ADD_POINT, points), (KEEP_LATEST, newest)):
        if rows:
            tx.each(statement, rows)


def _write_links(tx: Transaction, page: Iterable[SourceRun], numbers: Mapping[str, int]) -> None:
    for run in page:
        if not run.links:
            continue
        found = select(links.c.kind, links.c.model, links.c.step).where(links.c.run == numbers[run.id])
        there = {tuple(row) for row in tx.execute(found)}
        rows = [
            {"run": numbers[run.id], **link._asdict()} for link in dict.fromkeys(run.links) if tuple(link) not in there
        ]
        if rows:
            tx.execute(insert(links), rows)


def digest_of(run: SourceRun, experiment: int) -> str:
    """What `flyball.tracking.binding.run_digest` gives for the run once it is here."""
    digest = hashlib.sha256()

    def add(*values: object) -> None:
        digest.update(json.dumps(values, ensure_ascii=True, separators=(",", ":")).encode() + b"\n")

    add(run.id, experiment, run.status, run.started, run.ended)
    for key in sorted(run.params):
        add("param", key, run.params[key])
    for key, timestamp, step, value, nan in sorted(run.points):
        add("metric", key, timestamp, step, value, nan)
    return digest.hexdigest()


def free_name(name: str, taken: Iterable[str]) -> str:
    """The name, or one made from it that is not taken.

    >>> free_name("north", ["north", "north (imported)"])
    'north (imported 2)'
    """
    used, number, found = set(taken), 1, name
    while found in used:
        found = f"{name} (imported)" if number == 1 else f"{name} (imported {number})"
        number += 1
    return found
