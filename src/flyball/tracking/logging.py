"""Writing what belongs to a run, in the caller's transaction; keys were checked before."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import insert, select

from flyball.store import Transaction
from flyball.tracking.errors import TrackingInvalid
from flyball.tracking.records import DatasetInput, Metric
from flyball.tracking.statements import ADD_POINT, KEEP_LATEST, SET_RUN_TAG, storable
from flyball.tracking.tables import datasets, inputs, params

__all__ = ["add_inputs", "add_metrics", "add_params", "add_tags"]

_CONTEXT = "mlflow.data.context"


def add_metrics(tx: Transaction, run: int, points: Iterable[Metric]) -> None:
    """Add points to the history and keep the latest of each key: by step, then time, then value."""
    rows: list[dict[str, Any]] = []
    newest: dict[str, dict[str, Any]] = {}
    for key, value, timestamp, step in points:
        number, nan = storable(value)
        row = {"run": run, "key": key, "timestamp": timestamp, "step": step, "value": number, "nan": nan}
        rows.append(row)
        known = newest.get(key)
        if known is None or (step, timestamp, number) > (known["step"], known["timestamp"], known["value"]):
            newest[key] = row
    tx.each(ADD_POINT, rows)
    tx.each(KEEP_LATEST, list(newest.values()))


def add_params(tx: Transaction, run: int, run_id: str, given: Mapping[str, str]) -> None:
    """Add parameters; one that is there already must have the same value. Raises TrackingInvalid."""
    query = select(params.c.key, params.c.value).where(params.c.run == run, params.c.key.in_(list(given)))
    known = {row.key: row.value for row in tx.execute(query)}
    for key, value in given.items():
        if known.get(key, value) != value:
            raise TrackingInvalid(
                f"the parameter {key!r} of run {run_id} has another value",
                why=f"it was logged as {known[key]!r}, and now as {value!r}; a parameter of a run is said once",
            )
    rows = [{"run": run, "key": key, "value": value} for key, value in given.items() if key not in known]
    if rows:
        tx.execute(insert(params), rows)


def add_tags(tx: Transaction, run: int, given: Mapping[str, str]) -> None:
    """Set tags; one that is there already takes the new value."""
    tx.each(SET_RUN_TAG, [{"owner": run, "key": key, "value": value} for key, value in given.items()])


def add_inputs(tx: Transaction, run: int, experiment: int, given: Sequence[DatasetInput]) -> None:
    """Say what data a run read; what it is said to have read before stays as it was said."""
    first: dict[tuple[str, str], DatasetInput] = {}
    for one in given:
        first.setdefault((one.name, one.digest), one)
    for one in first.values():
        number = _dataset(tx, experiment, one)
        same = (inputs.c.run == run, inputs.c.dataset == number)
        if tx.execute(select(inputs.c.run).where(*same)).first() is None:
            row = {"run": run, "dataset": number, "context": one.tags.get(_CONTEXT), "tags": json.dumps(dict(one.tags))}
            tx.execute(insert(inputs), row)


def _dataset(tx: Transaction, experiment: int, one: DatasetInput) -> int:
    same = (datasets.c.experiment == experiment, datasets.c.name == one.name, datasets.c.digest == one.digest)
    known = tx.execute(select(datasets.c.number).where(*same)).scalar_one_or_none()
    if known is not None:
        return int(known)
    row = {
        "experiment": experiment,
        "name": one.name,
        "digest": one.digest,
        "source_type": one.source_type,
        "source": one.source,
        "schema": one.schema,
        "profile": one.profile,
    }
    made = tx.execute(insert(datasets).values(**row)).inserted_primary_key
    return int(made[0]) if made else 0
