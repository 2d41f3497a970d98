"""An evidence document as a run writes it, measured on generated data."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from flyball.evaluation import baseline, calibration_bins, confusion, curves, evaluate


@pytest.fixture(scope="session")
def evidence_text() -> str:
    rng = np.random.default_rng(3)
    target = np.where(rng.random(600) < 0.25, "yes", "no").astype(object)
    chance = 1 / (1 + np.exp(-(rng.normal(size=600) + 3 * (target == "yes") - 2)))
    outputs = {"probability": np.column_stack([1 - chance, chance]),
               "prediction": np.where(chance > 0.5, "yes", "no").astype(object)}  # fmt: skip
    names = ["no", "yes"]
    found = evaluate("binary", target, outputs, classes=names, replicates=60)
    guess = baseline("binary", target, target, classes=names)
    reasons = [
        {"column": "torque", "value": 61.25, "contribution": 1.5},
        {"column": "surname", "value": "Featherstonehaugh", "contribution": -0.25},
    ]
    document: dict[str, Any] = {
        "model": "machines", "task": "binary", "target": "failed", "metric": "roc_auc", "classes": names,
        "positive_class": "yes", "seed": 7, "created": "2026-11-23T18:44:00.000000Z", "size_bytes": 845_321,
        "data": {"dataset": "telemetry", "version": "9f" * 32, "rows": 3000, "columns": 9, "used": ["torque", "surname"],
                 "left_out": [{"column": "udi", "why": "numbers the rows"}], "personal": ["surname"]},
        "split": {"kind": "time", "by": "ts", "confidence": 0.97, "why": "later rows differ", "train_rows": 2400,
                  "test_rows": 600},
        "metrics": {"test": {name: one.to_dict() for name, one in found.items()},
                    "cv": {name: one.to_dict() for name, one in found.items()},
                    "baseline": {name: one.to_dict() for name, one in guess.items()}},
        "random_gap": {"metric": "roc_auc", "random": 0.91, "honest": 0.72, "value": 0.19, "low": 0.15, "high": 0.23},
        "leaks": [{"column": "twf", "why": "implies the target in 46 of 46 rows", "action": "leave out"}],
        "findings": [{"kind": "identifier", "column": "udi", "what": "numbers the rows", "why": "3,000 of 3,000",
                      "action": "leave out"}],
        "calibration": {"bins": calibration_bins(chance, target == "yes")},
        "curves": curves(chance, target == "yes"), "residuals": None,
        "confusion": {"counts": confusion(target, outputs["prediction"], names)},
        "importance": [{"column": "torque", "value": 1.2, "low": 1.1, "high": 1.3},
                       {"column": "surname", "value": 0.2, "low": 0.1, "high": 0.3}],
        "effects": [{"column": "torque", "bins": [{"label": "under 40", "value": -0.5, "rows": 300}]},
                    {"column": "surname", "bins": [{"label": "Featherstonehaugh", "value": 0.5, "rows": 300}]}],
        "examples": [{"row": 4, "prediction": "yes", "probability": {"no": 0.1, "yes": 0.9}, "base": -1.0,
                      "margin": 0.25, "reasons": reasons}],
        "leaderboard": [{"name": "gbm", "family": "gbm", "score": 0.93, "seconds": 3.0, "weight": 1.0, "status": "done"},
                        {"name": "linear", "family": "linear", "score": None, "seconds": 1.0, "weight": 0.0,
                         "status": "out of time"}],
        "parity": {"rows": 2400, "max_abs_diff": 2e-7, "cases": {}}, "latency": {"single_row_ms": 0.2, "graph_ms": 0.1},
        "budget": {"seconds": 60, "used_seconds": 31.5},
        "environment": {"python": "3.11.7", "platform": "Linux x86_64", "packages": {"numpy": "2.4.6"}},
        "code": {"git_commit": "4b825dc642cb6eb9a060e54bf8d69288fbee4904", "files": {}},
    }  # fmt: skip
    return json.dumps(document)


@pytest.fixture
def evidence(evidence_text: str) -> dict[str, Any]:
    """A fresh copy, so that a test may change it."""
    document: dict[str, Any] = json.loads(evidence_text)
    return document
