"""The prediction log: durable before the answer leaves, readable by model and time, completed later by the truth."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Protocol, Self

from sqlalchemy import RowMapping, Select, and_, func, select

from flyball.predictions.records import Logged, Outcome, Prediction, Value
from flyball.predictions.tables import outcomes, predictions
from flyball.predictions.writer import GroupWriter
from flyball.store.database import Database, Reader, Transaction
from flyball_runtime.errors import BadInput

__all__ = [
    "LOOK_UP",
    "BadOutcome",
    "Beside",
    "Companion",
    "PredictionLog",
    "Told",
    "UnknownPrediction",
    "microseconds",
    "moment",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TO_JSON = json.JSONEncoder(separators=(",", ":"))  # json.dumps would make one for each value
LOOK_UP = 500  # ids per query, below every database's limit on parameters


class UnknownPrediction(BadInput):
    """An outcome names a prediction id that this project's log does not hold."""

    code = "FB-PREDICT-003"
    status: ClassVar[int] = 404


class BadOutcome(BadInput):
    """An outcome's value is not one that the prediction could have had, or its time is none that can be kept."""

    code = "FB-PREDICT-004"


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody says was true of a prediction; `time` None means now."""

    prediction_id: str
    value: Value
    time: datetime | None = None
    source: str = ""


class Companion(Protocol):
    """What is written in the very transactions of predictions, so that neither is durable without the other.

    All three are called by the log's own thread, in the order in which parts were submitted.
    """

    def write(self, transaction: Transaction, parts: Sequence[Any]) -> None:
        """Write the parts. What it raises takes back the whole transaction, the predictions in it too."""

    def written(self, parts: Sequence[Any]) -> None:
        """The parts are durable."""

    def lost(self, parts: Sequence[Any]) -> None:
        """The transaction failed: nothing of it may be relied on."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A part for `companion` to write beside the predictions that it is submitted with."""

    companion: Companion
    part: Any


class PredictionLog:
    """The predictions of one project and their outcomes.

    Threads may use one log at once, and several processes one store. `append` and `record` return once a power cut
    cannot lose what they wrote; rows given by several threads at the same time share one transaction. Predictions are
    never changed; an outcome told again is kept beside the older ones, and the newest counts.
    """

    def __init__(self, database: Database, *, capacity: int = 200_000) -> None:
        self._database = database
        self._clock = database.clock
        self._writer: GroupWriter[Prediction | Beside] = GroupWriter(self._write, capacity=capacity)

    def append(self, records: Sequence[Prediction | Beside]) -> None:
        """Write predictions and wait until they are durable. Raises WriterBusy, WriterClosed or the store's errors."""
        self.submit(records).result()

    def submit(self, records: Sequence[Prediction | Beside]) -> Future[None]:
        """As `append`, without waiting: the future is done when the rows are durable, and what belongs beside them."""
        return self._writer.submit(records)

    def outcome(self, prediction_id: str, value: Value, time: datetime | None = None, source: str = "") -> Outcome:
        """Tell what was true of one prediction. Raises UnknownPrediction."""
        return self.record([Told(prediction_id, value, time, source)])[0]

    def record(self, told: Sequence[Told]) -> list[Outcome]:
        """Tell what was true of several predictions: all are written, or none. Raises UnknownPrediction, BadOutcome."""
        if not told:
            return []
        recorded = self._clock.now()
        made = [_outcome(one, recorded) for one in told]
        with self._database.write("predictions.outcome") as transaction:
            known = _stored(transaction, [outcome.prediction_id for outcome in made])
            _refuse_unknown([outcome.prediction_id for outcome in made if outcome.prediction_id not in known])
            transaction.execute(outcomes.insert(), [_outcome_row(outcome) for outcome in made])
        return made

    def find(self, ids: Iterable[str]) -> dict[str, Logged]:
        """The predictions of these ids with their newest outcomes; ids that the log does not hold are left out."""
        wanted = list(dict.fromkeys(ids))
        found: dict[str, Logged] = {}
        with self._database.read() as reader:
            for start in range(0, len(wanted), LOOK_UP):
                query = _with_outcome().where(predictions.c.id.in_(wanted[start : start + LOOK_UP]))
                for row in reader.execute(query).mappings():
                    found[row["id"]] = _logged(row)
        return found

    def read(
        self,
        model: str,
        *,
        version: int | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        with_outcome: bool = False,
        limit: int | None = None,
    ) -> list[Logged]:
        """Predictions of `model` made in [start, end), oldest first, each with its newest outcome.

        `version` keeps one version; `with_outcome` those whose truth is known; `limit` the newest of them.
        """
        query = _with_outcome().where(predictions.c.model == model)
        if version is not None:
            query = query.where(predictions.c.version == version)
        if start is not None:
            query = query.where(predictions.c.time >= microseconds(start))
        if end is not None:
            query = query.where(predictions.c.time < microseconds(end))
        if with_outcome:
            query = query.where(outcomes.c.seq.is_not(None))
        query = query.order_by(predictions.c.time.desc(), predictions.c.id.desc())
        with self._database.read() as reader:
            rows = reader.execute(query.limit(limit)).mappings().all()
        return [_logged(row) for row in reversed(rows)]

    def counts(self, model: str) -> dict[int | None, int]:
        """How many predictions each version of `model` has answered."""
        query = select(predictions.c.version, func.count()).where(predictions.c.model == model)
        with self._database.read() as reader:
            return {row[0]: row[1] for row in reader.execute(query.group_by(predictions.c.version))}

    def totals(self) -> dict[str, int]:
        """How many predictions the log holds, and of how many the outcome is known."""
        with self._database.read() as reader:
            held = reader.execute(select(func.count()).select_from(predictions)).scalar_one()
            told = reader.execute(select(func.count(outcomes.c.prediction_id.distinct()))).scalar_one()
        return {"predictions": held, "outcomes": told}

    def close(self) -> None:
        """Write what still waits, then stop. The database stays open."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, records: list[Prediction | Beside]) -> None:
        rows = [_prediction_row(record) for record in records if isinstance(record, Prediction)]
        parts: dict[Companion, list[Any]] = {}
        for record in records:
            if isinstance(record, Beside):
                parts.setdefault(record.companion, []).append(record.part)
        try:
            with self._database.write("predictions.append") as transaction:
                if rows:
                    transaction.execute(predictions.insert(), rows)
                for companion, some in parts.items():
                    companion.write(transaction, some)
        except BaseException:
            for companion, some in parts.items():
                companion.lost(some)
            raise
        for companion, some in parts.items():
            companion.written(some)


def _with_outcome() -> Select[Any]:
    later = outcomes.alias("later")
    newest = select(func.max(later.c.seq)).where(later.c.prediction_id == predictions.c.id).scalar_subquery()
    joined = predictions.outerjoin(
        outcomes, and_(outcomes.c.prediction_id == predictions.c.id, outcomes.c.seq == newest)
    )
    told = [column.label(f"outcome_{column.name}") for column in outcomes.c]
    return select(*predictions.c, *told).select_from(joined)


def _stored(reader: Reader, ids: list[str]) -> set[str]:
    known: set[str] = set()
    for start in range(0, len(ids), LOOK_UP):
        query = select(predictions.c.id).where(predictions.c.id.in_(ids[start : start + LOOK_UP]))
        known.update(reader.execute(query).scalars())
    return known


def _outcome(told: Told, recorded: datetime) -> Outcome:
    """The outcome as it will be read back. Raises BadOutcome for what could be written, but not read."""
    time = told.time or recorded
    if time.tzinfo is None:
        raise BadOutcome("an outcome's time needs a time zone", where=told.prediction_id, why=f"it is {time}")
    try:
        time = time.astimezone(UTC)
    except OverflowError:
        raise BadOutcome(
            "an outcome's time lies outside the years 1 to 9999 in UTC", where=told.prediction_id, why=f"it is {time}"
        ) from None
    try:
        told.source.encode()
        value = json.loads(_json(told.value))
    except (TypeError, ValueError) as error:
        raise BadOutcome("an outcome cannot be kept", where=told.prediction_id, why=str(error)) from error
    if value is not None and not isinstance(value, str | int | float):
        raise BadOutcome("an outcome must be a single value", where=told.prediction_id, why=f"it is {told.value!r}")
    return Outcome(told.prediction_id, told.value, time, told.source, recorded)


def _refuse_unknown(unknown: list[str]) -> None:
    if not unknown:
        return
    named = ", ".join(f'"{name}"' for name in unknown[:3]) + (", ..." if len(unknown) > 3 else "")
    raise UnknownPrediction(
        f"no prediction has the id {named}" if len(unknown) == 1 else f"{len(unknown)} ids name no prediction: {named}",
        why="the prediction log of this project does not hold it; nothing was written",
        fix='send the "id" that came with the prediction',
    )


def _prediction_row(record: Prediction) -> dict[str, Any]:
    return {
        "id": record.id,
        "time": microseconds(record.time),
        "model": record.model,
        "version": record.version,
        "alias": record.alias,
        "content_hash": record.content_hash,
        "request": record.request,
        "inputs": _json(record.inputs),
        "outputs": _json(record.outputs),
    }


def _outcome_row(outcome: Outcome) -> dict[str, Any]:
    return {
        "prediction_id": outcome.prediction_id,
        "value": _json(outcome.value),
        "time": microseconds(outcome.time),
        "source": outcome.source,
        "recorded": microseconds(outcome.recorded),
    }


def _logged(row: RowMapping) -> Logged:
    outcome = None
    if row["outcome_seq"] is not None:
        outcome = Outcome(
            prediction_id=row["id"],
            value=json.loads(row["outcome_value"]),
            time=moment(row["outcome_time"]),
            source=row["outcome_source"],
            recorded=moment(row["outcome_recorded"]),
        )
    prediction = Prediction(
        id=row["id"],
        time=moment(row["time"]),
        model=row["model"],
        version=row["version"],
        alias=row["alias"],
        content_hash=row["content_hash"],
        inputs=json.loads(row["inputs"]),
        outputs=json.loads(row["outputs"]),
        request=row["request"],
    )
    return Logged(prediction, outcome)


def _json(value: Mapping[str, Any] | Value) -> str:
    return _TO_JSON.encode(value)


def microseconds(time: datetime) -> int:
    """A moment as it stands in the tables: microseconds since 1970 in UTC."""
    return (time - _EPOCH) // _MICROSECOND


def moment(stored: int) -> datetime:
    """The moment behind a number of the tables."""
    return _EPOCH + timedelta(microseconds=stored)
