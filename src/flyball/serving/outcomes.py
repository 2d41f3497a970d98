"""The truth, told later: `POST /outcomes`, checked against the prediction that it completes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flyball.core.clock import rfc3339
from flyball.predictions.log import BadOutcome, PredictionLog, Told
from flyball.predictions.records import Logged, Value
from flyball.serving.asgi import Limits, check_rows
from flyball.serving.personal import OutcomePersonal
from flyball.serving.served import Served, class_label
from flyball_runtime.errors import near_miss

__all__ = ["tell_outcomes"]

_KEYS = ("id", "value", "time", "source")
_EXAMPLE = 'send {"id": "pred_...", "value": ...} or a list of these'


def tell_outcomes(
    body: Any, log: PredictionLog, served: Mapping[str, Served], *, limits: Limits | None = None
) -> dict[str, Any]:
    """Write one outcome or a list of them, all or none. Raises BadOutcome, TooManyRows, UnknownPrediction.

    A value is checked against the model that made the prediction where it is still served: a regression's outcome is
    a finite number, a binary one's is one of the two classes; a multiclass one's may be a class never seen before.
    """
    items = body if isinstance(body, list) else [body]
    if not items:
        raise BadOutcome("there are no outcomes", fix=_EXAMPLE)
    check_rows(len(items), (limits or Limits()).rows, "outcomes")
    told = [_told(item, position) for position, item in enumerate(items)]
    logged = log.find(item.prediction_id for item in told)
    models = {one.model: one for one in served.values()}
    checked = [_checked(item, logged.get(item.prediction_id), models) for item in told]
    recorded = log.record(checked)
    shown = [{"id": one.prediction_id, "value": one.value, "time": rfc3339(one.time)} for one in recorded]
    return {"recorded": len(shown), "outcomes": shown}


def _told(item: Any, position: int) -> Told:
    where = f"outcome {position}"
    if not isinstance(item, dict):
        raise BadOutcome("an outcome must be an object", where=where, fix=_EXAMPLE)
    for name in item:
        if name not in _KEYS:
            raise BadOutcome(f'unknown field "{name}"', where=where, fix=near_miss(name, _KEYS) or _EXAMPLE)
    if not isinstance(item.get("id"), str) or not item["id"]:
        raise BadOutcome('"id" must be the text that came with the prediction', where=where, fix=_EXAMPLE)
    value = item.get("value")
    if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
        raise BadOutcome('"value" must be a text, a finite number, true or false', where=where, fix=_EXAMPLE)
    source = item.get("source", "")
    if not isinstance(source, str):
        raise BadOutcome('"source" must be text', where=where)
    return Told(item["id"], value, _moment(item.get("time"), where), source)


def _moment(text: Any, where: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        fix = 'write it like "2026-01-31T08:15:00Z"'
        raise BadOutcome(f'"time" must be an ISO 8601 moment with its time zone, not {text!r}', where=where, fix=fix)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise BadOutcome(
            f'"time" lies outside the years 1 to 9999 in UTC: {text!r}', where=where, fix="send when it became true"
        ) from None


def _checked(told: Told, logged: Logged | None, models: Mapping[str, Served]) -> Told:
    served = models.get(logged.prediction.model) if logged else None
    if served is None:
        return told  # the log refuses an unknown id; a model served elsewhere cannot be asked for its classes here
    return Told(told.prediction_id, _fitting(told, served), told.time, told.source)


def _fitting(told: Told, served: Served) -> Value:
    classes = served.bundle.classes
    if classes is None:
        if served.hides_target:
            raise OutcomePersonal(
                f"the outcomes of {served.model} are not logged", where=told.prediction_id,
                why="its target is marked personal, and an outcome is a value of it",
                fix="keep the outcome where it is; or take the target out of personal and make a new version",
            )  # fmt: skip
        return _number(told)
    by_label = {class_label(value): value for value in classes.tolist()}
    label = class_label(told.value)
    if served.hides_target:
        if label in by_label:
            return served.logged_class(label)
        raise BadOutcome(
            f"the value is not a class of {served.model}", where=told.prediction_id,
            why="the target is personal, so its classes are not listed", fix="tell one of its classes",
        )  # fmt: skip
    if label in by_label:
        known: Value = by_label[label]
        return known
    wrong_type = served.bundle.manifest.get("class_type") != "text" and isinstance(told.value, str | bool)
    if len(by_label) == 2 or wrong_type:
        shown = ", ".join(list(by_label)[:10]) + (", ..." if len(by_label) > 10 else "")
        raise BadOutcome(
            f"{told.value!r} is not a class of {served.model}",
            where=told.prediction_id,
            fix=near_miss(label, by_label) or f"it has the classes {shown}",
        )
    return told.value


def _number(told: Told) -> float:
    try:
        number = math.nan if isinstance(told.value, bool | str | None) else float(told.value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise BadOutcome(f"a regression's outcome is a number, not {told.value!r}", where=told.prediction_id)
    return number
