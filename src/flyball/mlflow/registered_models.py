"""Calls about registered models, their versions, stages and aliases."""

from __future__ import annotations

import json
from typing import Any

from flyball.mlflow.call import Call, listed, page_token
from flyball.mlflow.catalog import STAGES, check_archiving, stage_named, version_number
from flyball.mlflow.entities import registered_entity, version_entity
from flyball.mlflow.service import Route, Service
from flyball.tracking import TrackingUnknown
from flyball.tracking.registered import RegisteredModel, RegisteredVersion

__all__ = ["ROUTES"]

_MODELS, _VERSIONS = 1000, 200_000
_OF_MODEL = "mlflow.modelVersions"


def create(service: Service, call: Call) -> dict[str, Any]:
    name = call.required("name")
    model = service.catalog.create(name, description=call.text("description"), tags=call.pairs("tags"))
    return {"registered_model": registered_entity(model, (), {})}


def get(service: Service, call: Call) -> dict[str, Any]:
    return {"registered_model": _whole(service, service.catalog.get(call.required("name")))}


def search(service: Service, call: Call) -> dict[str, Any]:
    page = service.catalog.search(
        call.text("filter"), order_by=call.texts("order_by"), limit=call.limit(100, _MODELS), offset=call.offset()
    )
    newest = service.catalog.newest(page.items)
    found = [registered_entity(model, newest[model.name], service.catalog.aliases(model)) for model in page.items]
    return page_token({"registered_models": found}, page.next)


def rename(service: Service, call: Call) -> dict[str, Any]:
    model = service.catalog.rename(call.required("name"), call.required("new_name"), call.actor)
    return {"registered_model": _whole(service, model)}


def update(service: Service, call: Call) -> dict[str, Any]:
    model = service.catalog.describe(call.required("name"), call.text("description"))
    return {"registered_model": _whole(service, model)}


def delete(service: Service, call: Call) -> dict[str, Any]:
    service.catalog.delete(call.required("name"), call.actor)
    return {}


def newest_versions(service: Service, call: Call) -> dict[str, Any]:
    model = service.catalog.get(call.required("name"))
    wanted = {stage_named(stage) for stage in call.texts("stages")} or set(STAGES)
    found = [version for version in service.catalog.newest([model])[model.name] if version.stage in wanted]
    return {"model_versions": [_version(service, version)["model_version"] for version in found]}


def set_tag(service: Service, call: Call) -> dict[str, Any]:
    service.catalog.set_tag(call.required("name"), call.required("key"), call.text("value"))
    return {}


def delete_tag(service: Service, call: Call) -> dict[str, Any]:
    service.catalog.delete_tag(call.required("name"), call.required("key"))
    return {}


def set_alias(service: Service, call: Call) -> dict[str, Any]:
    name, alias = call.required("name"), call.required("alias")
    service.catalog.set_alias(name, alias, version_number(call.required("version")), call.actor)
    return {}


def delete_alias(service: Service, call: Call) -> dict[str, Any]:
    service.catalog.delete_alias(call.required("name"), call.required("alias"), call.actor)
    return {}


def by_alias(service: Service, call: Call) -> dict[str, Any]:
    return _version(service, service.catalog.by_alias(call.required("name"), call.required("alias")))


def create_version(service: Service, call: Call) -> dict[str, Any]:
    model_id = call.text("model_id")
    if model_id:
        _versions_of(service, model_id)  # refused before anything is registered
    version = service.catalog.create_version(
        call.required("name"),
        call.required("source"),
        run_id=call.text("run_id"),
        model_id=model_id,
        run_link=call.text("run_link"),
        description=call.text("description"),
        tags=call.pairs("tags"),
        actor=call.actor,
    )
    if model_id:
        _tag_logged_model(service, model_id, version)
    return _version(service, version)


def get_version(service: Service, call: Call) -> dict[str, Any]:
    return _version(service, _asked(service, call))


def update_version(service: Service, call: Call) -> dict[str, Any]:
    name, version = call.required("name"), version_number(call.required("version"))
    return _version(service, service.catalog.describe_version(name, version, call.text("description")))


def delete_version(service: Service, call: Call) -> dict[str, Any]:
    service.catalog.delete_version(call.required("name"), version_number(call.required("version")), call.actor)
    return {}


def search_versions(service: Service, call: Call) -> dict[str, Any]:
    page = service.catalog.search_versions(
        call.text("filter"), order_by=call.texts("order_by"), limit=call.limit(10_000, _VERSIONS), offset=call.offset()
    )
    return page_token({"model_versions": [version_entity(version) for version in page.items]}, page.next)


def download_uri(service: Service, call: Call) -> dict[str, Any]:
    found = _asked(service, call)
    return {"artifact_uri": found.storage or found.source}


def transition(service: Service, call: Call) -> dict[str, Any]:
    name, version = call.required("name"), version_number(call.required("version"))
    stage, archive = stage_named(call.required("stage")), call.flag("archive_existing_versions")
    if archive:
        check_archiving(stage)
    return _version(service, service.catalog.transition(name, version, stage, archive=archive, actor=call.actor))


def set_version_tag(service: Service, call: Call) -> dict[str, Any]:
    name, version = call.required("name"), version_number(call.required("version"))
    service.catalog.set_version_tag(name, version, call.required("key"), call.text("value"))
    return {}


def delete_version_tag(service: Service, call: Call) -> dict[str, Any]:
    name, version = call.required("name"), version_number(call.required("version"))
    service.catalog.delete_version_tag(name, version, call.required("key"))
    return {}


def _asked(service: Service, call: Call) -> RegisteredVersion:
    return service.catalog.version(call.required("name"), version_number(call.required("version")))


def _whole(service: Service, model: RegisteredModel) -> dict[str, Any]:
    return registered_entity(model, service.catalog.newest([model])[model.name], service.catalog.aliases(model))


def _version(service: Service, version: RegisteredVersion) -> dict[str, Any]:
    return {"model_version": version_entity(version, service.catalog.aliases_of(version))}


def _versions_of(service: Service, model_id: str) -> list[Any]:
    try:
        return listed(service.tracking.models.get(model_id).tags.get(_OF_MODEL), _OF_MODEL)
    except TrackingUnknown:
        return []  # what is wrong with it is said by the catalog


def _tag_logged_model(service: Service, model_id: str, version: RegisteredVersion) -> None:
    """A logged model keeps the list of the versions that it became, in a tag that its clients read."""
    made = {"name": version.name, "version": version.version}
    known = _versions_of(service, model_id)
    if made not in known:
        service.tracking.models.set_tags(model_id, {_OF_MODEL: json.dumps([*known, made])})


ROUTES: tuple[Route, ...] = (
    ("POST", "registered-models/create", create),
    ("GET", "registered-models/get", get),
    ("GET", "registered-models/search", search),
    ("POST", "registered-models/rename", rename),
    ("PATCH", "registered-models/update", update),
    ("DELETE", "registered-models/delete", delete),
    ("POST", "registered-models/get-latest-versions", newest_versions),
    ("GET", "registered-models/get-latest-versions", newest_versions),
    ("POST", "registered-models/set-tag", set_tag),
    ("DELETE", "registered-models/delete-tag", delete_tag),
    ("POST", "registered-models/alias", set_alias),
    ("DELETE", "registered-models/alias", delete_alias),
    ("GET", "registered-models/alias", by_alias),
    ("POST", "model-versions/create", create_version),
    ("GET", "model-versions/get", get_version),
    ("PATCH", "model-versions/update", update_version),
    ("DELETE", "model-versions/delete", delete_version),
    ("GET", "model-versions/search", search_versions),
    ("GET", "model-versions/get-download-uri", download_uri),
    ("POST", "model-versions/transition-stage", transition),
    ("POST", "model-versions/set-tag", set_version_tag),
    ("DELETE", "model-versions/delete-tag", delete_version_tag),
)
