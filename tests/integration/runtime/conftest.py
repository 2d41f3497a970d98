"""Small real bundles, built with onnx alone: two numbers, a time and a text column through a logistic or linear model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from onnx import TensorProto, helper, numpy_helper

from flyball_runtime import golden
from flyball_runtime.bundle import open_files
from flyball_runtime.manifest import content_hash
from flyball_runtime.profile import Profile
from flyball_runtime.schema import Field, Schema
from flyball_runtime.signature import sign_files
from flyball_runtime.table import normalise

SCHEMA = Schema(
    (
        Field("age", "number", "integer", "years"),
        Field("since", "time", "datetime"),
        Field("colour", "text"),
        Field("income", "number", "float"),
    )
)
ROWS = {
    "age": [30, 41.5, None, 77],
    "since": ["2020-01-01", "1969-12-31T23:59:59Z", None, "2024-02-29T12:00:00+02:00"],
    "colour": ["red", "blue", None, "never seen"],
    "income": [1e4, -3.5, 0, float("nan")],
}


def build_graph(task: str, classes: int) -> bytes:
    """Margin = 0.02 age + 1e-5 income + colour's code + 1e-15 time; missing numbers count 0."""
    wide = classes if task == "multiclass" else 1
    weights = np.outer(np.array([0.02, 1e-5, 1.0, 1e-15]), np.linspace(1.0, -1.0, wide) if wide > 1 else [1.0])
    constants = {
        "zero": np.array(0.0),
        "one": np.array(1.0),
        "half": np.array(0.5),
        "weights": weights,
        "last": np.array([1]),
        "unit": np.array([1.0]),
    }
    encoder = {"keys_strings": ["red", "blue", "\ue000"], "values_floats": [1.0, -1.0, 0.25], "default_float": 0.0}
    nodes = [
        helper.make_node("IsNaN", ["numbers"], ["gaps"]),
        helper.make_node("Where", ["gaps", "zero", "numbers"], ["filled"]),
        helper.make_node("LabelEncoder", ["texts"], ["codes"], domain="ai.onnx.ml", **encoder),
        helper.make_node("Cast", ["codes"], ["coded"], to=TensorProto.DOUBLE),
        helper.make_node("Cast", ["times"], ["moments"], to=TensorProto.DOUBLE),
        helper.make_node("Max", ["moments", "zero"], ["elapsed"]),
        helper.make_node("Concat", ["filled", "coded", "elapsed"], ["features"], axis=1),
        helper.make_node("MatMul", ["features", "weights"], ["margin"]),
    ]
    double, whole = TensorProto.DOUBLE, TensorProto.INT64
    outputs = [helper.make_tensor_value_info("margin", double, ["N", wide])]
    if task == "regression":
        nodes += [
            helper.make_node("Squeeze", ["margin", "last"], ["prediction"]),
            helper.make_node("Sub", ["prediction", "one"], ["low"]),
            helper.make_node("Add", ["prediction", "one"], ["high"]),
        ]
        outputs += [helper.make_tensor_value_info(name, double, ["N"]) for name in ("prediction", "low", "high")]
    else:
        nodes += _class_nodes(task)
        outputs += [
            helper.make_tensor_value_info("class_index", whole, ["N"]),
            helper.make_tensor_value_info("probability", double, ["N", classes]),
        ]
    inputs = [
        helper.make_tensor_value_info("numbers", double, ["N", 2]),
        helper.make_tensor_value_info("times", whole, ["N", 1]),
        helper.make_tensor_value_info("texts", TensorProto.STRING, ["N", 1]),
    ]
    tensors = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    graph = helper.make_graph(nodes, "model", inputs, outputs, tensors)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def _class_nodes(task: str) -> list[Any]:
    if task == "multiclass":
        return [
            helper.make_node("Softmax", ["margin"], ["probability"], axis=1),
            helper.make_node("ArgMax", ["probability"], ["class_index"], axis=1, keepdims=0),
        ]
    return [
        helper.make_node("Sigmoid", ["margin"], ["positive"]),
        helper.make_node("Sub", ["one", "positive"], ["negative"]),
        helper.make_node("Concat", ["negative", "positive"], ["probability"], axis=1),
        helper.make_node("Squeeze", ["positive", "last"], ["chance"]),
        helper.make_node("GreaterOrEqual", ["chance", "half"], ["chosen"]),
        helper.make_node("Cast", ["chosen"], ["class_index"], to=TensorProto.INT64),
    ]


def expected_margin(columns: dict[str, Any]) -> np.ndarray:
    """The margin that the graph computes, by numpy."""
    code = {"red": 1.0, "blue": -1.0, None: 0.25}
    colour = np.array([code.get(value, 0.0) for value in columns["colour"]])
    elapsed = np.maximum(columns["since"].astype(np.float64), 0.0)
    return 0.02 * np.nan_to_num(columns["age"]) + 1e-5 * np.nan_to_num(columns["income"]) + colour + 1e-15 * elapsed


def build_files(task: str = "binary", classes: list[Any] | None = None, **changes: Any) -> dict[str, bytes]:
    """A complete unsigned bundle; `changes` overwrite keys of its manifest."""
    if classes is None and task != "regression":
        classes = ["no", "yes"] if task == "binary" else ["a", "b", "c"]
    kind = {str: "text", bool: "boolean", int: "integer", float: "number"}[type((classes or ["x"])[0])]
    graph = build_graph(task, len(classes or []))
    columns = normalise(ROWS, SCHEMA)
    files = {
        "model.onnx": graph,
        "card.md": b"# A model of colours\n",
        "reference.npz": Profile.build(columns, SCHEMA, blocks=2).to_bytes(),
    }
    manifest = {
        "format": 1,
        "minimum_runtime": "0.1.0",
        "model": "colours",
        "version": 3,
        "created": "2026-01-02T03:04:05.000000Z",
        "task": task,
        "target": "bought",
        "classes": classes,
        "class_type": None if classes is None else kind,
        "positive_class": classes[1] if task == "binary" and classes else None,
        "threshold": 0.5,
        "inputs": SCHEMA.to_list(),
        "outputs": [{"name": "prediction", "type": "text"}],
        "requires": [],
        "windows": None,
        "release": 3,
        "expires": None,
        "interval_level": 0.9 if task == "regression" else None,
        "explanation": {},
        "provenance": {},
    }
    manifest["content_hash"] = content_hash(graph, None, SCHEMA.to_list())
    seal(files, manifest)
    outputs = open_files(files).score(columns, margin=True)
    files["golden.npz"] = golden.pack(columns, outputs, SCHEMA)
    return seal(files, manifest | changes)


def seal(files: dict[str, bytes], manifest: dict[str, Any]) -> dict[str, bytes]:
    """Write the manifest over the files as they are."""
    listed = {name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != "manifest.json"}
    files["manifest.json"] = json.dumps({"files": listed} | manifest, indent=1).encode()
    return files


class Key:
    """A signer's key on P-256, as a project holds one."""

    def __init__(self, curve: ec.EllipticCurve | None = None) -> None:
        self.private = ec.generate_private_key(curve or ec.SECP256R1())
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        self.pem = self.private.public_key().public_bytes(serialization.Encoding.PEM, form)

    def sign(self, data: bytes) -> bytes:
        return self.private.sign(data, ec.ECDSA(hashes.SHA256()))

    def sign_bundle(self, files: dict[str, bytes]) -> dict[str, bytes]:
        return files | {"signature": sign_files(files, self.sign, self.pem, name="colours")}


@pytest.fixture(scope="session")
def rows() -> dict[str, Any]:
    return {name: list(values) for name, values in ROWS.items()}


@pytest.fixture(scope="session")
def make_files() -> Callable[..., dict[str, bytes]]:
    return build_files


@pytest.fixture(scope="session")
def make_graph() -> Callable[..., bytes]:
    return build_graph


@pytest.fixture(scope="session")
def resealed() -> Callable[..., dict[str, bytes]]:
    return seal


@pytest.fixture(scope="session")
def margin_of() -> Callable[..., np.ndarray]:
    return expected_margin


@pytest.fixture(scope="session")
def make_key() -> type[Key]:
    return Key


@pytest.fixture(scope="session")
def key(make_key: type[Key]) -> Key:
    return make_key()


@pytest.fixture
def write(tmp_path: Any) -> Callable[..., Any]:
    """Write files into a fresh folder and return it."""

    def put(files: dict[str, bytes], name: str = "bundle") -> Any:
        folder = tmp_path / name
        folder.mkdir()
        for key, data in files.items():
            (folder / key).write_bytes(data)
        return folder

    return put
