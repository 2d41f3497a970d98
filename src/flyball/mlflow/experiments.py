"""Calls about experiments."""

from __future__ import annotations

from typing import Any

from flyball.mlflow.call import Call, page_token
from flyball.mlflow.entities import experiment_entity
from flyball.mlflow.errors import ProtocolError, invalid
from flyball.mlflow.locations import check_location
from flyball.mlflow.service import Route, Service
from flyball.tracking.experiments import experiment_number
from flyball.tracking.records import ACTIVE

__all__ = ["ROUTES"]

_MOST = 50_000
_LOCATION_LENGTH = 1000


def create(service: Service, call: Call) -> dict[str, Any]:
    location = call.text("artifact_location")
    if location:
        check_location(location)
    if len(location) > _LOCATION_LENGTH:
        raise invalid(f"artifact_location has {len(location):,} characters, {_LOCATION_LENGTH:,} are kept")
    name = call.required("name")
    number = service.tracking.experiments.create(name, location=location.rstrip("/"), tags=call.pairs("tags"))
    return {"experiment_id": str(number)}


def get(service: Service, call: Call) -> dict[str, Any]:
    number = experiment_number(call.required("experiment_id"))
    return {"experiment": experiment_entity(service.tracking.experiments.get(number))}


def get_by_name(service: Service, call: Call) -> dict[str, Any]:
    name = call.required("experiment_name")
    experiment = service.tracking.experiments.named(name)
    if experiment is None:
        raise ProtocolError("RESOURCE_DOES_NOT_EXIST", f"Could not find experiment with name '{name}'")
    return {"experiment": experiment_entity(experiment)}


def search(service: Service, call: Call) -> dict[str, Any]:
    page = service.tracking.experiments.search(
        call.text("filter"),
        order_by=call.texts("order_by"),
        stages=call.stages("view_type"),
        limit=call.limit(0, _MOST),
        offset=call.offset(),
    )
    return page_token({"experiments": [experiment_entity(one) for one in page.items]}, page.next)


def update(service: Service, call: Call) -> dict[str, Any]:
    number = experiment_number(call.required("experiment_id"))
    name = call.required("new_name")
    if service.tracking.experiments.get(number).stage != ACTIVE:
        raise ProtocolError("INVALID_STATE", "Cannot rename a non-active experiment.")
    service.tracking.experiments.rename(number, name)
    return {}


def delete(service: Service, call: Call) -> dict[str, Any]:
    service.tracking.experiments.delete(experiment_number(call.required("experiment_id")))
    return {}


def restore(service: Service, call: Call) -> dict[str, Any]:
    service.tracking.experiments.restore(experiment_number(call.required("experiment_id")))
    return {}


def set_tag(service: Service, call: Call) -> dict[str, Any]:
    number = experiment_number(call.required("experiment_id"))
    service.tracking.experiments.set_tag(number, call.required("key"), call.text("value"))
    return {}


def delete_tag(service: Service, call: Call) -> dict[str, Any]:
    number = experiment_number(call.required("experiment_id"))
    service.tracking.experiments.delete_tag(number, call.required("key"))
    return {}


ROUTES: tuple[Route, ...] = (
    ("POST", "experiments/create", create),
    ("GET", "experiments/get", get),
    ("GET", "experiments/get-by-name", get_by_name),
    ("POST", "experiments/search", search),
    ("GET", "experiments/search", search),
    ("POST", "experiments/update", update),
    ("POST", "experiments/delete", delete),
    ("POST", "experiments/restore", restore),
    ("POST", "experiments/set-experiment-tag", set_tag),
    ("POST", "experiments/delete-experiment-tag", delete_tag),
)
