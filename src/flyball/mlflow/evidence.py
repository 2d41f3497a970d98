"""The evidence of a version that another tool made: what its run measured, was given and read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from flyball.registry.records import EXTERNAL
from flyball.tracking import LoggedModel, Run, Tracking, TrackingUnknown

__all__ = ["external_evidence", "tested_metrics"]

_OF_TEST = ("test_", "test/", "test.")
_LARGEST_WHOLE = 2**53  # what every reader of JSON keeps exactly; experiments of a folder's store have longer ids
_CODE = {
    "commit": "mlflow.source.git.commit", "branch": "mlflow.source.git.branch", "repository": "mlflow.source.git.repoURL",
    "name": "mlflow.source.name", "kind": "mlflow.source.type",
}  # fmt: skip


def external_evidence(tracking: Tracking, model: str, *, source: str, run_id: str, model_id: str) -> dict[str, Any]:
    """An evidence document that gates can judge. `metrics.test` holds what has the name of a metric that Flyball knows,
    alone or after `test_`: no interval is known, so rules about ends of intervals refuse it. All that was measured is
    under `logged`.
    """
    run, logged = _run(tracking, run_id), _model(tracking, model_id)
    measured = {} if run is None else {metric.key: metric.value for metric in run.metrics}
    points = () if logged is None else logged.metrics
    measured |= {
        one.key: one.value for one in sorted(points, key=lambda one: (one.step, one.timestamp))
    }  # the last stays
    finite = {key: value for key, value in sorted(measured.items()) if math.isfinite(value)}
    return {
        "model": model,
        "task": EXTERNAL,
        "metric": None,
        "target": None,
        "source": source,
        "logged_model": model_id or None,
        "run": None if run is None else _run_document(run),
        "metrics": {"test": tested_metrics(finite)},
        "logged": finite,
        "params": {**({} if run is None else run.params), **({} if logged is None else logged.params)},
        "data": {
            "version": None,
            "personal": [],
            "inputs": []
            if run is None
            else [
                {"name": one.name, "digest": one.digest, "source": one.source, "tags": dict(one.tags)}
                for one in run.inputs
            ],
        },
        "code": {} if run is None else {name: run.tags[tag] for name, tag in _CODE.items() if tag in run.tags},
    }


def tested_metrics(measured: Mapping[str, float]) -> dict[str, dict[str, float | None]]:
    """Those that were measured under a name that gates know, as metrics on test rows without an interval.

    >>> tested_metrics({"test_recall": 0.7, "training_recall": 0.9, "loss": 0.1})
    {'recall': {'value': 0.7, 'low': None, 'high': None}}
    """
    from flyball.evaluation import METRICS

    found: dict[str, dict[str, float | None]] = {}
    for name in METRICS:
        for key in (*(prefix + name for prefix in _OF_TEST), name):
            if key in measured and name not in found:
                found[name] = {"value": measured[key], "low": None, "high": None}
    return found


def _run_document(run: Run) -> dict[str, Any]:
    kept = run.to_dict()
    if run.experiment > _LARGEST_WHOLE:
        kept["experiment"] = str(run.experiment)
    return {name: kept[name] for name in ("id", "experiment", "name", "user", "status", "started", "ended")}


def _run(tracking: Tracking, run_id: str) -> Run | None:
    try:
        return tracking.runs.get(run_id) if run_id else None
    except TrackingUnknown:
        return None


def _model(tracking: Tracking, model_id: str) -> LoggedModel | None:
    try:
        return tracking.models.get(model_id) if model_id else None
    except TrackingUnknown:
        return None
