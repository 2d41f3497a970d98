"""Calls about logged models. The id of a model stands in the path."""

from __future__ import annotations

from typing import Any

from flyball.mlflow.call import Call, page_token
from flyball.mlflow.entities import MODEL_STATUSES, file_entities, model_entity
from flyball.mlflow.errors import invalid
from flyball.mlflow.locations import path_of
from flyball.mlflow.service import Route, Service
from flyball.tracking import ModelOrder
from flyball.tracking.experiments import experiment_number
from flyball.tracking.names import check_path

__all__ = ["ROUTES"]

_USUAL, _MOST = 100, 1000
_NUMBERS = {name: number for number, name in MODEL_STATUSES.items()}


def create(service: Service, call: Call) -> dict[str, Any]:
    model = service.tracking.models.create(
        experiment_number(call.required("experiment_id")),
        name=call.text("name") or None,
        run=call.text("source_run_id"),
        kind=call.text("model_type"),
        params=call.pairs("params"),
        tags=call.pairs("tags"),
    )
    return {"model": model_entity(model)}


def get(service: Service, call: Call) -> dict[str, Any]:
    found = service.tracking.models.get(call.required("model_id"), deleted=call.flag("allow_deleted"))
    return {"model": model_entity(found)}


def finish(service: Service, call: Call) -> dict[str, Any]:
    said = call.required("status")
    number = _NUMBERS.get(said)
    if not number:
        raise invalid(f"status must be one of {', '.join(_NUMBERS)}, not {said!r}")
    return {"model": model_entity(service.tracking.models.finish(call.required("model_id"), number))}


def delete(service: Service, call: Call) -> dict[str, Any]:
    service.tracking.models.delete(call.required("model_id"))
    return {}


def add_params(service: Service, call: Call) -> dict[str, Any]:
    service.tracking.models.add_params(call.required("model_id"), call.pairs("params"))
    return {}


def set_tags(service: Service, call: Call) -> dict[str, Any]:
    service.tracking.models.set_tags(call.required("model_id"), call.pairs("tags"))
    return {}


def delete_tag(service: Service, call: Call) -> dict[str, Any]:
    service.tracking.models.delete_tag(call.required("model_id"), call.required("tag_key"))
    return {}


def search(service: Service, call: Call) -> dict[str, Any]:
    experiments = [experiment_number(text) for text in call.texts("experiment_ids")]
    if not experiments:
        raise invalid("Missing value for required parameter 'experiment_ids'.")
    order = [
        ModelOrder(
            one.required("field_name"),
            one.flag("ascending", default=True),
            one.text("dataset_name") or None,
            one.text("dataset_digest") or None,
        )
        for one in call.calls("order_by")
    ]
    datasets = [(one.required("dataset_name"), one.text("dataset_digest") or None) for one in call.calls("datasets")]
    limit = min(call.whole("max_results") or _USUAL, _MOST)
    if limit < 1:
        raise invalid("max_results must be 1 or more")
    page = service.tracking.models.search(
        experiments, call.text("filter"), order_by=order, datasets=datasets, limit=limit, offset=call.offset()
    )
    return page_token({"models": [model_entity(model) for model in page.items]}, page.next)


def artifacts(service: Service, call: Call) -> dict[str, Any]:
    model = service.tracking.models.get(call.required("model_id"))
    folder = check_path(call.text("artifact_directory_path"))
    root = path_of(model.location)
    entries = [] if root is None else service.tracking.files.listing(f"{root}/{folder}".rstrip("/"))
    return {"root_uri": model.location, "files": file_entities(folder, entries)}


ROUTES: tuple[Route, ...] = (
    ("POST", "logged-models", create),
    ("POST", "logged-models/search", search),
    ("GET", "logged-models/{model_id}", get),
    ("PATCH", "logged-models/{model_id}", finish),
    ("DELETE", "logged-models/{model_id}", delete),
    ("POST", "logged-models/{model_id}/params", add_params),
    ("PATCH", "logged-models/{model_id}/tags", set_tags),
    ("DELETE", "logged-models/{model_id}/tags/{tag_key}", delete_tag),
    ("GET", "logged-models/{model_id}/artifacts/directories", artifacts),
)
