"""Calls about runs, their metrics, parameters, tags, inputs and files."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import Any

from flyball.mlflow.call import Call, listed, page_token
from flyball.mlflow.entities import file_entities, metric_entity, run_entity, run_info
from flyball.mlflow.errors import invalid
from flyball.mlflow.locations import path_of
from flyball.mlflow.run_pages import runs_page_json
from flyball.mlflow.service import Change, Planner, Route, Service
from flyball.store import Transaction, Write
from flyball.tracking import DatasetInput, Metric, ModelLink, ModelMetric, TrackingUnknown
from flyball.tracking.experiments import experiment_number
from flyball.tracking.names import check_path

__all__ = ["CHANGES", "ROUTES"]

_MOST = 50_000
_ID = re.compile(r"[0-9a-f]{32}")
_PARAM_LENGTH, _TAG_LENGTH = 6000, 8000  # longer values are cut, as the protocol's own server does
_METRICS, _PAIRS, _ENTITIES = 1000, 100, 1000
_SAMPLED, _RUNS_SAMPLED = 2500, 100
_HISTORY = "mlflow.log-model.history"
_DATASET_LIMITS = {"name": 500, "digest": 36, "source": 65_535, "schema": 1_048_575, "profile": 16_777_215}


def create(service: Service, call: Call) -> Change:
    creation = service.tracking.runs.creation(
        experiment_number(call.text("experiment_id") or "0"),
        name=call.text("run_name") or None,
        user=call.text("user_id"),
        started=call.whole("start_time"),
        tags={key: value[:_TAG_LENGTH] for key, value in call.pairs("tags").items()},
        run_id=_given_id(call),
    )
    return Change(creation, lambda run: {"run": run_entity(run)})


def _given_id(call: Call) -> str | None:
    """The id that our own client gives a run, so that it may begin while no server is there."""
    given = call.text("run_id")
    if given and not _ID.fullmatch(given):
        raise invalid(f"run_id must be 32 hexadecimal digits, not {given[:100]!r}")
    return given or None


def get(service: Service, call: Call) -> dict[str, Any]:
    return {"run": run_entity(service.tracking.runs.get(call.required("run_id", "run_uuid")))}


def update(service: Service, call: Call) -> dict[str, Any]:
    run = service.tracking.runs.update(
        call.required("run_id", "run_uuid"),
        status=call.text("status") or None,
        ended=call.whole("end_time"),
        name=call.text("run_name") or None,
    )
    return {"run_info": run_info(run)}


def delete(service: Service, call: Call) -> dict[str, Any]:
    service.tracking.runs.delete(call.required("run_id"))
    return {}


def restore(service: Service, call: Call) -> dict[str, Any]:
    service.tracking.runs.restore(call.required("run_id"))
    return {}


def search(service: Service, call: Call) -> bytes:
    page, whole = service.tracking.runs.search_rows(
        call.text("filter"),
        experiments=[experiment_number(text) for text in call.texts("experiment_ids")],
        order_by=call.texts("order_by"),
        stages=call.stages("run_view_type"),
        limit=call.limit(1000, _MOST),
        offset=call.offset(),
        plain=True,
    )
    return runs_page_json(page.items, whole, page_token({}, page.next))


def log_metric(service: Service, call: Call) -> Change:
    return _logging(service, call.required("run_id", "run_uuid"), [call])


def log_parameter(service: Service, call: Call) -> Change:
    run_id, key = call.required("run_id", "run_uuid"), call.required("key")
    params = {key: call.text("value")[:_PARAM_LENGTH]}
    return Change(service.tracking.runs.logging(run_id, params=params), _nothing)


def log_batch(service: Service, call: Call) -> Change:
    run_id = call.required("run_id")
    metrics, params, tags = call.calls("metrics"), call.calls("params"), call.calls("tags")
    limits = ((len(metrics), _METRICS, "metrics"), (len(params), _PAIRS, "params"), (len(tags), _PAIRS, "tags"))
    for count, most, of in (*limits, (len(metrics) + len(params) + len(tags), _ENTITIES, "metrics, params, and tags")):
        if count > most:
            raise invalid(f"A batch logging request can contain at most {most} {of}. Got {count} {of}.")
    keys = [param.required("key") for param in params]
    if len(set(keys)) < len(keys):
        raise invalid("Duplicate parameter keys have been submitted.")
    return _logging(
        service,
        run_id,
        metrics,
        params={param.required("key"): param.text("value")[:_PARAM_LENGTH] for param in params},
        tags={tag.required("key"): tag.text("value")[:_TAG_LENGTH] for tag in tags},
    )


def set_tag(service: Service, call: Call) -> Change:
    run_id, key = call.required("run_id", "run_uuid"), call.required("key")
    return Change(service.tracking.runs.logging(run_id, tags={key: call.text("value")[:_TAG_LENGTH]}), _nothing)


def delete_tag(service: Service, call: Call) -> dict[str, Any]:
    service.tracking.runs.delete_tag(call.required("run_id"), call.required("key"))
    return {}


def log_inputs(service: Service, call: Call) -> dict[str, Any]:
    datasets = [_dataset(one.part("dataset"), one.pairs("tags")) for one in call.calls("datasets")]
    links = [ModelLink("input", one.required("model_id"), 0) for one in call.calls("models")]
    service.tracking.runs.log_inputs(call.required("run_id"), datasets, links)
    return {}


def log_outputs(service: Service, call: Call) -> dict[str, Any]:
    models = call.calls("models")
    links = [ModelLink("output", one.required("model_id"), one.whole("step", 0) or 0) for one in models]
    service.tracking.runs.log_inputs(call.required("run_id"), (), links)
    return {}


def log_model(service: Service, call: Call) -> dict[str, Any]:
    """What clients before logged models said: the run keeps the list of its models in a tag."""
    run_id = call.required("run_id")
    try:
        model = json.loads(call.required("model_json"))
    except (ValueError, RecursionError):
        raise invalid("Malformed model info: it is not a valid JSON.") from None
    needed = {"artifact_path", "flavors", "utc_time_created", "run_id"}
    if not isinstance(model, dict) or not needed <= model.keys():
        missing = needed - model.keys() if isinstance(model, dict) else needed
        raise invalid(f"Model json is missing mandatory fields: {missing}")
    kept = {key: model[key] for key in ("run_id", "utc_time_created", "artifact_path", "model_uuid") if key in model}
    flavors = model["flavors"] if isinstance(model["flavors"], dict) else {}
    kept["flavors"] = {
        name: {key: value for key, value in told.items() if key != "config"} if isinstance(told, dict) else told
        for name, told in flavors.items()
    }
    before = service.tracking.runs.get(run_id).tags.get(_HISTORY)
    service.tracking.runs.log(run_id, tags={_HISTORY: json.dumps([*listed(before, _HISTORY), kept])})
    return {}


def history(service: Service, call: Call) -> dict[str, Any]:
    run_id, limit = call.required("run_id", "run_uuid"), call.whole("max_results")
    if limit is not None and limit <= 0:
        raise invalid(f"Invalid value {limit} for parameter 'max_results' supplied. It must be a positive integer.")
    key, offset = call.required("metric_key"), call.offset()
    try:
        points, following = service.tracking.runs.history(run_id, key, limit=limit, offset=offset)
    except TrackingUnknown:  # to the protocol, a run that there is not has measured nothing
        points, following = [], None
    return page_token({"metrics": [metric_entity(point) for point in points]}, following)


def sampled(service: Service, call: Call) -> dict[str, Any]:
    ids, key = call.texts("run_ids"), call.required("metric_key")
    most = call.whole("max_results", _SAMPLED) or 0
    if not ids or len(ids) > _RUNS_SAMPLED or not 1 <= most <= _SAMPLED:
        raise invalid(f"ask for 1 to {_RUNS_SAMPLED} run_ids, and for 1 to {_SAMPLED} points of each")
    first, last = call.whole("start_step"), call.whole("end_step")
    if (first is None) != (last is None):
        raise invalid("If either start step or end step are specified, both must be specified.")
    if first is not None and last is not None and first > last:
        raise invalid("end_step must be greater than start_step.")
    steps = None if first is None or last is None else (first, last)
    found = [
        metric_entity(point, run_id)
        for run_id in ids
        for point in service.tracking.runs.sampled(run_id, key, most, steps=steps)
    ]
    return {"metrics": found}


def artifacts(service: Service, call: Call) -> dict[str, Any]:
    run = service.tracking.runs.get(call.required("run_id", "run_uuid"))
    folder = check_path(call.text("path"))
    root = path_of(run.location)
    entries = [] if root is None else service.tracking.files.listing(f"{root}/{folder}".rstrip("/"))
    return {"root_uri": run.location, "files": file_entities(folder, entries)}


def _logging(
    service: Service,
    run_id: str,
    calls: list[Call],
    *,
    params: dict[str, str] | None = None,
    tags: dict[str, str] | None = None,
) -> Change:
    points: list[Metric] = []
    of_models: dict[str, list[ModelMetric]] = defaultdict(list)
    for call in calls:
        point = call.point() or _point(call)
        points.append(point)
        if model_id := call.text("model_id"):
            name, digest = call.text("dataset_name") or None, call.text("dataset_digest") or None
            of_models[model_id].append(ModelMetric(*point, run_id, name, digest))
    logging = service.tracking.runs.logging(run_id, metrics=points, params=params, tags=tags)
    if not of_models:
        return Change(logging, _nothing)

    def work(tx: Transaction) -> None:
        logging.work(tx)
        service.tracking.models.put_metrics(tx, of_models)

    return Change(Write(logging.label, work, logging.rows + len(points)), _nothing)


def _point(call: Call) -> Metric:
    timestamp = call.whole("timestamp")
    if timestamp is None or timestamp < 0:
        raise invalid("timestamp must be a whole number of milliseconds, 0 or more")
    return Metric(call.required("key"), call.number("value"), timestamp, call.whole("step", 0) or 0)


def _nothing(_: object) -> dict[str, Any]:
    return {}


def _dataset(said: Call, tags: dict[str, str]) -> DatasetInput:
    for field, most in _DATASET_LIMITS.items():
        if len(said.text(field)) > most:
            raise invalid(f"the {field} of a dataset has at most {most:,} characters")
    return DatasetInput(
        said.text("name"),
        said.text("digest"),
        said.text("source_type"),
        said.text("source"),
        said.text("schema") if said.given("schema") else None,
        said.text("profile") if said.given("profile") else None,
        tags,
    )


CHANGES: tuple[tuple[str, str, Planner], ...] = (
    ("POST", "runs/create", create),
    ("POST", "runs/log-metric", log_metric),
    ("POST", "runs/log-parameter", log_parameter),
    ("POST", "runs/log-batch", log_batch),
    ("POST", "runs/set-tag", set_tag),
)
ROUTES: tuple[Route, ...] = (
    ("GET", "runs/get", get),
    ("POST", "runs/update", update),
    ("POST", "runs/delete", delete),
    ("POST", "runs/restore", restore),
    ("POST", "runs/search", search),
    ("POST", "runs/delete-tag", delete_tag),
    ("POST", "runs/log-inputs", log_inputs),
    ("POST", "runs/outputs", log_outputs),
    ("POST", "runs/log-model", log_model),
    ("GET", "metrics/get-history", history),
    ("GET", "metrics/get-history-bulk-interval", sampled),
    ("GET", "artifacts/list", artifacts),
)
