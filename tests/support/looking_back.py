"""A small real model that looks back, made by hand: what it says is a sum of its columns, one addition after the other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from flyball.core.clock import SystemClock
from flyball.predictions import PredictionLog
from flyball.serving import Served
from flyball.serving.served import Answer
from flyball_runtime.bundle import Bundle, open_files
from flyball_runtime.manifest import content_hash
from flyball_runtime.schema import Schema
from flyball_runtime.windows import WindowSpec

__all__ = ["COLUMNS", "FEATURES", "columns_of", "looking_back", "rows_of", "tell"]

COLUMNS = [
    {"name": "unit", "kind": "text", "logical": "", "unit": None},
    {"name": "cycle", "kind": "number", "logical": "integer", "unit": None},
    {"name": "heat", "kind": "number", "logical": "float", "unit": "K"},
    {"name": "mode", "kind": "text", "logical": "", "unit": None},
]
FEATURES = [
    {"column": "heat", "aggregate": "mean", "rows": 7},
    {"column": "heat", "aggregate": "std", "duration": 9, "rows": 20},
    {"column": "heat", "aggregate": "lag", "lag": 3},
    {"column": "mode", "aggregate": "since_change"},
    {"aggregate": "since_event", "where": {"column": "mode", "operator": "==", "value": "alarm"}},
]


def looking_back(
    features: list[dict[str, Any]] | None = None, *, entity: str | None = "unit", order: str | None = "cycle"
) -> Bundle:
    """A bundle whose answer is the same bits however its rows come together, given the same window features."""
    given = FEATURES if features is None else features
    kept = [item for item in given if order is not None or "duration" not in item]
    spec = WindowSpec.from_dict({"entity": entity, "order": order, "features": kept}, Schema.from_list(COLUMNS))
    names = ["heat", *spec.names]
    graph = _graph(len(names))
    columns = [COLUMNS[2], *Schema(spec.fields).to_list()]
    windows = spec.to_dict() | {"graph": columns}
    manifest = {
        "format": 1, "minimum_runtime": "0.1.0", "model": "engines", "version": 1, "created": "2026-01-01T00:00:00Z",
        "task": "regression", "target": "wear", "classes": None, "class_type": "text", "positive_class": None,
        "threshold": 0.5, "inputs": COLUMNS, "outputs": [], "requires": ["state"], "windows": windows, "release": 1,
        "expires": None, "set_thresholds": None, "content_hash": content_hash(graph, windows, COLUMNS),
        "interval_level": 0.9, "files": {"model.onnx": hashlib.sha256(graph).hexdigest()}, "explanation": {},
        "provenance": {},
    }  # fmt: skip
    return open_files({"model.onnx": graph, "manifest.json": json.dumps(manifest).encode()})


def rows_of(seed: int, rows: int, *, units: int = 5) -> list[dict[str, Any]]:
    """Rows as a client sends them: of several units, now and then late, twice, without a moment, value or unit."""
    rng = np.random.default_rng(seed)
    cycle = np.zeros(units, dtype=int)
    made: list[dict[str, Any]] = []
    for _ in range(rows):
        unit = int(rng.integers(units))
        cycle[unit] += int(rng.integers(1, 4))
        odd = rng.random()
        moment = int(cycle[unit]) - (int(rng.integers(1, 5)) if odd < 0.05 else 0)
        made.append(
            {
                "unit": None if 0.05 <= odd < 0.07 else f"unit {unit}", "cycle": None if 0.07 <= odd < 0.09 else moment,
                "heat": None if rng.random() < 0.1 else float(rng.normal() * 10.0 ** rng.integers(-3, 4)),
                "mode": [None, "run", "idle", "alarm"][int(rng.integers(4))],
            }
        )  # fmt: skip
        if 0.09 <= odd < 0.12:
            made.append(dict(made[-1]))
    return made


def columns_of(rows: Sequence[dict[str, Any]]) -> dict[str, NDArray[Any]]:
    """The same rows as columns, None where missing."""
    kinds = {item["name"]: object if item["kind"] == "text" else np.float64 for item in COLUMNS}
    return {name: np.array([row[name] for row in rows], dtype=kind) for name, kind in kinds.items()}


def tell(served: Served, log: PredictionLog, rows: Sequence[dict[str, Any]]) -> Answer:
    """Ask as a server does: the answer is given when it is durable."""
    with served.turn():
        answer = served.answer(columns_of(rows), SystemClock())
        written = log.submit([*answer.records, *answer.beside])
    written.result()
    return answer


def _graph(width: int) -> bytes:
    constants = {"zero": np.array(0.0), "spread": np.array(1.0), "last": np.array([-1], dtype=np.int64)}
    nodes = [
        helper.make_node("IsNaN", ["numbers"], ["isnan"]),
        helper.make_node("Where", ["isnan", "zero", "numbers"], ["filled"]),
    ]
    total = "zero"
    for place in range(width):
        constants[f"at_{place}"] = np.array([place], dtype=np.int64)
        nodes.append(helper.make_node("Gather", ["filled", f"at_{place}"], [f"column_{place}"], axis=1))
        nodes.append(helper.make_node("Add", [total, f"column_{place}"], [f"sum_{place}"]))
        total = f"sum_{place}"
    nodes += [
        helper.make_node("Identity", [total], ["margin"]),
        helper.make_node("Reshape", ["margin", "last"], ["prediction"]),
        helper.make_node("Sub", ["prediction", "spread"], ["low"]),
        helper.make_node("Add", ["prediction", "spread"], ["high"]),
    ]
    outputs = [helper.make_tensor_value_info("margin", TensorProto.DOUBLE, [None, 1])]
    outputs += [
        helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None]) for name in ("prediction", "low", "high")
    ]
    inputs = [helper.make_tensor_value_info("numbers", TensorProto.DOUBLE, [None, width])]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializers)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return onnx.ModelProto.SerializeToString(helper.make_model(graph, opset_imports=opsets, ir_version=9))
