"""The files of a bundle, version 1, but for the signature."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from flyball.automl.pipeline import FittedPipeline
from flyball.core.canonical import sha256_hex
from flyball.core.clock import rfc3339
from flyball.data import Table
from flyball.features import stretches
from flyball_runtime.golden import GOLDEN_NAME, pack
from flyball_runtime.manifest import FORMAT, MANIFEST_NAME, content_hash

__all__ = ["bundle_files", "golden_file"]

_MINIMUM_RUNTIME = "0.1.0"
_GOLDEN_ROWS = 64


def bundle_files(
    graph: bytes,
    pipeline: FittedPipeline,
    *,
    model: str,
    version: int | None,
    target: str,
    created: datetime,
    provenance: Mapping[str, Any],
    reference: bytes,
    golden: bytes,
    card: str,
    sbom: bytes,
    requires: Sequence[str] = (),
    release: int | None = None,
    expires: datetime | None = None,
) -> dict[str, bytes]:
    """File name to content, manifest included. Equal arguments give equal bytes.

    reference: the training profile; golden: rows with their scores (`golden_file`); card: Markdown; sbom: CycloneDX
    JSON; requires: what the model needs beside a row ("tables"). `release` counts up with every version that devices
    may go to, by default the version number.
    """
    files = {
        "model.onnx": graph,
        "reference.npz": reference,
        GOLDEN_NAME: golden,
        "card.md": card.encode(),
        "sbom.cdx.json": sbom,
    }
    inputs = pipeline.inputs.to_list()
    windows = None if pipeline.windows is None else {**pipeline.windows.to_dict(), "graph": pipeline.schema.to_list()}
    classes = None if pipeline.classes is None else list(pipeline.classes)
    manifest = {
        "format": FORMAT,
        "minimum_runtime": _MINIMUM_RUNTIME,
        "model": model,
        "version": version,
        "created": rfc3339(created),
        "task": pipeline.task,
        "target": target,
        "classes": classes,
        "class_type": pipeline.class_type,
        "positive_class": pipeline.positive,
        "threshold": pipeline.threshold if pipeline.task == "binary" else None,
        "inputs": inputs,
        "outputs": _outputs(pipeline),
        "requires": [*requires, *([] if windows is None else ["state"])],
        "windows": windows,
        "release": (version or 0) if release is None else release,
        "expires": None if expires is None else rfc3339(expires),
        "content_hash": content_hash(graph, windows, inputs),
        "interval_level": None if pipeline.interval is None else pipeline.interval.level,
        "set_level": None if pipeline.sets is None else pipeline.sets.level,
        "set_thresholds": None if pipeline.sets is None else list(pipeline.sets.thresholds),
        "files": {name: sha256_hex(content) for name, content in files.items()},
        "explanation": _explanation(pipeline),
        "provenance": dict(provenance),
    }
    text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return {**files, MANIFEST_NAME: text.encode()}


def golden_file(
    graph: bytes, pipeline: FittedPipeline, table: Table, *, seed: int = 0, rows: int = _GOLDEN_ROWS
) -> bytes:
    """golden.npz: some rows of a raw table with what the graph answers for them, margins included.

    At most `rows` of them, at random; of a model with window features, stretches from the beginning of a few entities,
    as many rows in all.
    """
    from flyball_runtime.score import Scorer

    scorer = Scorer(graph, pipeline.schema, pipeline.task, pipeline.class_values)
    if pipeline.windows is None:
        count = min(table.rows, rows)
        chosen = np.sort(np.random.default_rng(seed).choice(table.rows, count, replace=False))
    else:
        chosen = stretches(pipeline.windows, table, rows)
    given = table.take(chosen).select(pipeline.inputs.names)
    return pack(given.columns, scorer.score(dict(pipeline.prepared(given).columns), margin=True), pipeline.inputs)


def _outputs(pipeline: FittedPipeline) -> list[dict[str, str]]:
    if pipeline.task == "regression":
        return [{"name": name, "type": "number"} for name in ("prediction", "low", "high")]
    kind = pipeline.class_type or "text"
    sets = [{"name": "in_set", "type": "boolean per class"}] if pipeline.sets is not None else []
    return [{"name": "prediction", "type": kind}, {"name": "probability", "type": "number per class"}, *sets]


def _explanation(pipeline: FittedPipeline) -> dict[str, Any]:
    """From the graph's nodes (named below `scope`) to ensemble members to raw columns."""
    features: list[tuple[str, ...]] = []
    members = []
    for member in pipeline.members:
        if member.feature_columns not in features:
            features.append(member.feature_columns)
        members.append(
            {
                "name": member.name,
                "family": member.family,
                "weight": member.weight,
                "scope": f"{member.candidate or member.name}/",
                "features": features.index(member.feature_columns),
            }
        )
    return {
        "margin": {"binary": "log-odds of the positive class", "multiclass": "logits"}.get(pipeline.task, "value"),
        "slope": pipeline.calibration.slope,
        "bias": pipeline.calibration.bias.tolist(),
        "members": members,
        "features": [list(columns) for columns in features],
        "feature_names": list(pipeline.frame.names),
    }
