"""What a server says of itself and its models."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from flyball.serving.served import Served

__all__ = ["describe_model", "describe_server", "metadata"]

_DATATYPES = {"number": "FP64", "text": "BYTES", "time": "BYTES"}


def metadata() -> dict[str, Any]:
    """The server metadata of the Open Inference Protocol. No extension is spoken: tensors are JSON."""
    try:
        number = version("flyball")
    except PackageNotFoundError:  # run from a folder that was never installed
        number = "0"
    return {"name": "flyball", "version": number, "extensions": []}


def describe_model(name: str, served: Served) -> dict[str, Any]:
    """The model metadata of the Open Inference Protocol; -1 stands for any number of rows."""
    inputs = [{"name": f.name, "datatype": _DATATYPES[f.kind], "shape": [-1]} for f in served.schema]
    outputs = [{"name": n, "datatype": kind, "shape": shape} for n, (kind, shape) in served.output_types().items()]
    return {
        "name": name,
        "versions": [served.version_name],
        "platform": "flyball_bundle",
        "inputs": inputs,
        "outputs": outputs,
    }


def describe_server(bundles: Mapping[str, Served]) -> dict[str, Any]:
    """Everything that is served, and how to ask for it, in plain JSON."""
    return {
        "server": metadata(),
        "models": [_summary(name, served) for name, served in bundles.items()],
        "paths": {
            "POST /predict": 'rows or columns by name: {"rows": [{...}]} or {"columns": {...}}; '
            "with several models, POST /predict/MODEL",
            "POST /outcomes": 'the truth, later: {"id": "pred_...", "value": ...} or a list of these',
            "POST /v2/models/MODEL/infer": "the Open Inference Protocol V2, JSON form",
            "GET /v2/models/MODEL": "the model's inputs and outputs",
            "GET /healthz": "whether the server runs",
            "GET /readyz": "whether it can answer",
        },
    }


def _summary(name: str, served: Served) -> dict[str, Any]:
    manifest = served.bundle.manifest
    sessions = {} if served.stream is None else {"sessions": served.stream.describe()}
    return {
        "name": name,
        "model": served.model,
        "version": served.version,
        "alias": served.alias,
        "task": served.bundle.task,
        "target": manifest["target"],
        "classes": served.labels,
        "inputs": served.schema.to_list(),
        "outputs": list(served.output_types()),
        "content_hash": manifest["content_hash"],
        "authentic": served.bundle.authentic,
        **sessions,
    }
