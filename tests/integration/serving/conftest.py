"""Small real bundles to serve, and a real server process-free or on a loopback port."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from flyball.core.clock import SystemClock
from flyball.predictions import PredictionLog
from flyball.serving import Served, run, serving_app
from flyball.store.database import Database
from flyball_runtime.bundle import Bundle, open_files
from flyball_runtime.manifest import content_hash

INPUTS = [
    {"name": "Air temperature [K]", "kind": "number", "logical": "float", "unit": "K"},
    {"name": "flag", "kind": "number", "logical": "boolean", "unit": None},
    {"name": "ts", "kind": "time", "logical": "datetime", "unit": None},
    {"name": "Type", "kind": "text", "logical": "", "unit": None},
]


def make_graph(classes: int, thresholds: list[float] | None = None) -> bytes:
    """A graph of format 1 over INPUTS: logits (or a value) linear in the numbers, the time and a code of the text."""
    width = max(classes, 1)
    constants = {
        "zero": np.array(0.0),
        "w": np.linspace(-0.1, 0.1, 2 * width).reshape(2, width),
        "scale": np.array(1e-16),
        "direction": np.linspace(-1.0, 1.0, width).reshape(1, width) if classes else np.ones((1, 1)),
        "ten": np.array(10.0),
        "last": np.array([-1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("IsNaN", ["numbers"], ["isnan"]),
        helper.make_node("Where", ["isnan", "zero", "numbers"], ["filled"]),
        helper.make_node("MatMul", ["filled", "w"], ["linear"]),
        helper.make_node("Cast", ["times"], ["seconds"], to=TensorProto.DOUBLE),
        helper.make_node("Mul", ["seconds", "scale"], ["scaled"]),
        helper.make_node(
            "LabelEncoder", ["texts"], ["code32"], domain="ai.onnx.ml",
            keys_strings=["L", "M", "Ä"], values_floats=[0.5, 1.0, 2.0], default_float=0.0,
        ),
        helper.make_node("Cast", ["code32"], ["code"], to=TensorProto.DOUBLE),
        helper.make_node("Add", ["code", "scaled"], ["shift"]),
        helper.make_node("MatMul", ["shift", "direction"], ["shifts"]),
        helper.make_node("Add", ["linear", "shifts"], ["margin"]),
    ]  # fmt: skip
    outputs = [helper.make_tensor_value_info("margin", TensorProto.DOUBLE, [None, width])]
    if classes:
        nodes += [
            helper.make_node("Softmax", ["margin"], ["probability"], axis=1),
            helper.make_node("ArgMax", ["probability"], ["class_index"], axis=1, keepdims=0),
        ]
        outputs.append(helper.make_tensor_value_info("class_index", TensorProto.INT64, [None]))
        outputs.append(helper.make_tensor_value_info("probability", TensorProto.DOUBLE, [None, width]))
        if thresholds:
            constants["thresholds"] = np.array([thresholds])
            nodes.append(helper.make_node("GreaterOrEqual", ["probability", "thresholds"], ["in_set"]))
            outputs.append(helper.make_tensor_value_info("in_set", TensorProto.BOOL, [None, width]))
    else:
        nodes += [
            helper.make_node("Reshape", ["margin", "last"], ["prediction"]),
            helper.make_node("Sub", ["prediction", "ten"], ["low"]),
            helper.make_node("Add", ["prediction", "ten"], ["high"]),
        ]
        outputs += [helper.make_tensor_value_info(n, TensorProto.DOUBLE, [None]) for n in ("prediction", "low", "high")]
    inputs = [
        helper.make_tensor_value_info("numbers", TensorProto.DOUBLE, [None, 2]),
        helper.make_tensor_value_info("times", TensorProto.INT64, [None, 1]),
        helper.make_tensor_value_info("texts", TensorProto.STRING, [None, 1]),
    ]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializers)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return onnx.ModelProto.SerializeToString(helper.make_model(graph, opset_imports=opsets, ir_version=9))


def make_bundle(
    classes: list[Any] | None,
    class_type: str = "text",
    model: str = "machines",
    thresholds: list[float] | None = None,
) -> Bundle:
    graph = make_graph(len(classes or []), thresholds)
    task = "regression" if classes is None else "binary" if len(classes) == 2 else "multiclass"
    manifest = {
        "format": 1, "minimum_runtime": "0.1.0", "model": model, "version": 3, "created": "2026-01-01T00:00:00Z",
        "task": task, "target": "failed", "classes": classes, "class_type": class_type, "positive_class": None,
        "threshold": 0.5, "inputs": INPUTS, "outputs": [], "requires": [], "windows": None, "release": 1,
        "expires": None, "set_thresholds": thresholds, "content_hash": content_hash(graph, None, INPUTS), "interval_level": 0.9,
        "files": {"model.onnx": hashlib.sha256(graph).hexdigest()}, "explanation": {}, "provenance": {},
    }  # fmt: skip
    return open_files({"model.onnx": graph, "manifest.json": json.dumps(manifest).encode()})


@pytest.fixture(scope="session")
def bundles() -> dict[str, Bundle]:
    return {
        "machines": make_bundle(["no", "yes"]),
        "grades": make_bundle([1, 2, 5], "integer", model="grades"),
        "flags": make_bundle([False, True], "boolean", model="flags"),
        "load": make_bundle(None, model="load"),
        "sets": make_bundle(["a", "b", "c"], model="sets", thresholds=[0.3, 0.2, 0.7]),
    }


@pytest.fixture
def served(bundles: dict[str, Bundle]) -> dict[str, Served]:
    return {name: Served(bundle, name, 3, "production", frozenset({"Type"})) for name, bundle in bundles.items()}


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with Database.open("sqlite:///s.db", SystemClock(), folder=tmp_path_factory.mktemp("store")) as database:
        yield database


@pytest.fixture
def log(store: Database) -> Iterator[PredictionLog]:
    with PredictionLog(store) as opened:
        yield opened


@pytest.fixture
def ask(served: dict[str, Served], log: PredictionLog) -> Callable[..., httpx.Response]:
    """Send one request to the application, without a network."""
    app = serving_app(served, log, SystemClock())

    def send(method: str, path: str, **arguments: Any) -> httpx.Response:
        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(arguments.pop("app", app), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(method, path, **arguments)

        return asyncio.run(go())

    return send


@pytest.fixture
def listening() -> Iterator[Callable[..., str]]:
    """Serve an application on a free loopback port until the test ends; gives `host:port`."""
    stop = threading.Event()
    threads = []

    def start(app: Any) -> str:
        ready = threading.Event()
        found: list[str] = []

        def tell(address: Any) -> None:
            found.append(f"{address.host}:{address.port}")
            ready.set()

        thread = threading.Thread(target=run, args=(app,), kwargs={"ready": tell, "stop": stop})
        thread.start()
        threads.append(thread)
        assert ready.wait(20)
        return found[0]

    yield start
    stop.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
