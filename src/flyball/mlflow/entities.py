"""Records as the protocol writes them: whole numbers as numbers, what is absent left out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from flyball.tracking import DatasetInput, Experiment, FileEntry, LoggedModel, Metric, ModelLink, Run
from flyball.tracking.registered import RegisteredModel, RegisteredVersion

__all__ = [
    "dataset_entity",
    "experiment_entity",
    "file_entities",
    "inputs_entity",
    "metric_entity",
    "model_entity",
    "outputs_entity",
    "pairs",
    "registered_entity",
    "run_entity",
    "run_info",
    "version_entity",
]

MODEL_STATUSES = {
    0: "LOGGED_MODEL_STATUS_UNSPECIFIED", 1: "LOGGED_MODEL_PENDING", 2: "LOGGED_MODEL_READY",
    3: "LOGGED_MODEL_UPLOAD_FAILED",
}  # fmt: skip


def pairs(items: Mapping[str, str]) -> list[dict[str, str]]:
    """A list of objects with `key` and `value`."""
    return [{"key": key, "value": value} for key, value in items.items()]


def real(value: float) -> float | str:
    """A float; NaN as a text, as proto3 JSON has it."""
    return value if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def experiment_entity(experiment: Experiment) -> dict[str, Any]:
    return {
        "experiment_id": str(experiment.id),
        "name": experiment.name,
        "artifact_location": experiment.location,
        "lifecycle_stage": experiment.stage,
        "creation_time": experiment.created,
        "last_update_time": experiment.updated,
        "tags": pairs(experiment.tags),
    }


def run_info(run: Run) -> dict[str, Any]:
    info: dict[str, Any] = {
        "run_uuid": run.id,
        "run_id": run.id,
        "run_name": run.name,
        "experiment_id": str(run.experiment),
        "user_id": run.user,
        "status": run.status,
        "start_time": run.started,
        "artifact_uri": run.location,
        "lifecycle_stage": run.stage,
    }
    if run.ended is not None:
        info["end_time"] = run.ended
    return info


def run_entity(run: Run) -> dict[str, Any]:
    metrics = [
        {"key": key, "value": value if value - value == 0 else real(value), "timestamp": timestamp, "step": step}
        for key, value, timestamp, step in run.metrics
    ]
    return {
        "info": run_info(run),
        "data": {"metrics": metrics, "params": pairs(run.params), "tags": pairs(run.tags)},
        "inputs": inputs_entity(run.inputs, run.links),
        "outputs": outputs_entity(run.links),
    }


def inputs_entity(datasets: Iterable[DatasetInput], links: Iterable[ModelLink]) -> dict[str, Any]:
    """What a run read; lists that are empty are left out, which costs clients of many runs less to read."""
    data = [dataset_entity(one) for one in datasets]
    models = [{"model_id": link.model} for link in links if link.kind == "input"]
    return {**({"dataset_inputs": data} if data else {}), **({"model_inputs": models} if models else {})}


def outputs_entity(links: Iterable[ModelLink]) -> dict[str, Any]:
    """What a run made; an empty list is left out."""
    made = [{"model_id": link.model, "step": link.step} for link in links if link.kind == "output"]
    return {"model_outputs": made} if made else {}


def dataset_entity(one: DatasetInput) -> dict[str, Any]:
    dataset = {"name": one.name, "digest": one.digest, "source_type": one.source_type, "source": one.source}
    dataset |= {"schema": one.schema} if one.schema is not None else {}
    dataset |= {"profile": one.profile} if one.profile is not None else {}
    return {"tags": pairs(one.tags), "dataset": dataset}


def metric_entity(metric: Metric, run_id: str | None = None) -> dict[str, Any]:
    entity = {"key": metric.key, "value": real(metric.value), "timestamp": metric.timestamp, "step": metric.step}
    return entity if run_id is None else {**entity, "run_id": run_id}


def model_entity(model: LoggedModel) -> dict[str, Any]:
    metrics = []
    for point in model.metrics:
        entity: dict[str, Any] = {
            "key": point.key,
            "value": real(point.value),
            "timestamp": point.timestamp,
            "step": point.step,
            "model_id": model.id,
            "run_id": point.run,
        }
        if point.dataset_name:
            entity["dataset_name"] = point.dataset_name
        if point.dataset_digest:
            entity["dataset_digest"] = point.dataset_digest
        metrics.append(entity)
    return {
        "info": {
            "experiment_id": str(model.experiment),
            "model_id": model.id,
            "name": model.name,
            "artifact_uri": model.location,
            "creation_timestamp_ms": model.created,
            "last_updated_timestamp_ms": model.updated,
            "model_type": model.type,
            "source_run_id": model.run,
            "status": MODEL_STATUSES[model.status],
            "tags": pairs(model.tags),
        },
        "data": {"params": pairs(model.params), "metrics": metrics},
    }


def file_entities(folder: str, entries: Iterable[FileEntry]) -> list[dict[str, Any]]:
    """Files and folders with paths that begin with `folder`."""
    found: list[dict[str, Any]] = []
    for entry in entries:
        path = f"{folder}/{entry.name}" if folder else entry.name
        is_folder = entry.digest is None
        # The protocol's own server leaves out a size of 0 too.
        found.append({"path": path, "is_dir": is_folder, **({"file_size": entry.size} if entry.size else {})})
    return found


def version_entity(version: RegisteredVersion, aliases: Iterable[str] = ()) -> dict[str, Any]:
    return {
        "name": version.name,
        "version": str(version.version),
        "creation_timestamp": version.created,
        "last_updated_timestamp": version.updated,
        "description": version.description,
        "current_stage": version.stage,
        "source": version.source,
        "run_id": version.run,
        "run_link": version.run_link,
        "status": "READY",
        "tags": pairs(version.tags),
        "aliases": list(aliases),
    }


def registered_entity(
    model: RegisteredModel, newest: Iterable[RegisteredVersion], aliases: Mapping[str, int]
) -> dict[str, Any]:
    return {
        "name": model.name,
        "creation_timestamp": model.created,
        "last_updated_timestamp": model.updated,
        "description": model.description,
        "latest_versions": [version_entity(version) for version in newest],
        "tags": pairs(model.tags),
        "aliases": [{"alias": alias, "version": str(version)} for alias, version in aliases.items()],
    }
