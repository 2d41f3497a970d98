"""One row through `bundle.score` against bare `session.run` on the same graph, and a batch against the same.

The graphs have the shape that Flyball exports: encoders, a boosted ensemble, a probability. Target: a single row at most five
times the bare graph, in whatever form it comes.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from flyball_runtime.schema import Field, Schema
from flyball_runtime.score import Scorer, class_values
from flyball_runtime.table import normalise

TARGET = 5.0
WORDS = [f"level {i}" for i in range(20)]


def table_schema(numbers: int, texts: int) -> Schema:
    fields = [Field(f"number {i}", "number") for i in range(numbers)] + [Field("moment", "time")]
    return Schema((*fields, *(Field(f"text {i}", "text") for i in range(texts))))


def tree_attributes(rng: np.random.Generator, trees: int, depth: int, features: int) -> dict[str, Any]:
    """Complete random trees in the form of the operator TreeEnsembleRegressor."""
    inner, size = 2**depth - 1, 2 ** (depth + 1) - 1
    node = np.arange(size)
    branch = node < inner
    leaves = np.flatnonzero(~branch)
    return {
        "n_targets": 1,
        "nodes_treeids": np.repeat(np.arange(trees), size).tolist(),
        "nodes_nodeids": np.tile(node, trees).tolist(),
        "nodes_featureids": rng.integers(0, features, trees * size).tolist(),
        "nodes_modes": np.tile(np.where(branch, "BRANCH_LEQ", "LEAF"), trees).tolist(),
        "nodes_values": rng.normal(size=trees * size).astype(np.float32).tolist(),
        "nodes_truenodeids": np.tile(np.where(branch, 2 * node + 1, 0), trees).tolist(),
        "nodes_falsenodeids": np.tile(np.where(branch, 2 * node + 2, 0), trees).tolist(),
        "target_treeids": np.repeat(np.arange(trees), len(leaves)).tolist(),
        "target_nodeids": np.tile(leaves, trees).tolist(),
        "target_ids": [0] * (trees * len(leaves)),
        "target_weights": rng.normal(scale=0.05, size=trees * len(leaves)).astype(np.float32).tolist(),
    }


def build_graph(numbers: int, texts: int, trees: int) -> bytes:
    """A binary classifier of the shape that Flyball exports: encoders, a boosted ensemble, a calibrated probability."""
    domain, double = "ai.onnx.ml", TensorProto.DOUBLE
    encoder = {"keys_strings": WORDS, "values_floats": [float(code) for code in range(20)], "default_float": -1.0}
    trained = tree_attributes(np.random.default_rng(7), trees, 5, numbers + 1 + texts)
    nodes = [
        helper.make_node("Cast", ["numbers"], ["narrow"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["times"], ["elapsed"], to=TensorProto.FLOAT),
        helper.make_node("LabelEncoder", ["texts"], ["codes"], domain=domain, **encoder),
        helper.make_node("Concat", ["narrow", "elapsed", "codes"], ["features"], axis=1),
        helper.make_node("TreeEnsembleRegressor", ["features"], ["sum"], domain=domain, **trained),
        helper.make_node("Cast", ["sum"], ["margin"], to=double),
        helper.make_node("Sigmoid", ["margin"], ["positive"]),
        helper.make_node("Sub", ["one", "positive"], ["negative"]),
        helper.make_node("Concat", ["negative", "positive"], ["probability"], axis=1),
        helper.make_node("ArgMax", ["probability"], ["class_index"], axis=1, keepdims=0),
    ]
    inputs = [
        helper.make_tensor_value_info("numbers", double, ["N", numbers]),
        helper.make_tensor_value_info("times", TensorProto.INT64, ["N", 1]),
        helper.make_tensor_value_info("texts", TensorProto.STRING, ["N", texts]),
    ]
    outputs = [
        helper.make_tensor_value_info("class_index", TensorProto.INT64, ["N"]),
        helper.make_tensor_value_info("probability", double, ["N", 2]),
        helper.make_tensor_value_info("margin", double, ["N", 1]),
    ]
    graph = helper.make_graph(nodes, "model", inputs, outputs, [numpy_helper.from_array(np.array(1.0), "one")])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(domain, 3)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())


def make_table(schema: Schema, rows: int) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    makers: dict[str, Callable[[], Any]] = {
        "number": lambda: rng.normal(size=rows),
        "time": lambda: rng.integers(0, 2**50, rows),
        "text": lambda: np.array([WORDS[i] for i in rng.integers(0, 20, rows)], dtype=object),
    }
    return {field.name: makers[field.kind]() for field in schema}


def medians(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median microseconds a call; the calls take turns, so that a busy machine slows all of them alike."""
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            spent[name].append(1e6 * (time.perf_counter() - start))
    return {name: statistics.median(times) for name, times in spent.items()}


def measure(numbers: int, texts: int, trees: int) -> dict[str, Any]:
    schema = table_schema(numbers, texts)
    scorer = Scorer(build_graph(numbers, texts, trees), schema, "binary", class_values(["no", "yes"], "text"))
    one = make_table(schema, 1)
    feed = scorer.feed(normalise(one, schema))
    lists = {name: values.tolist() for name, values in one.items()}
    dates = one | {"moment": one["moment"].astype("datetime64[us]")}
    many = make_table(schema, 10_000)
    single = medians(
        {
            "session.run": lambda: scorer.run_graph(feed),
            "score, lists": lambda: scorer.score(lists),
            "score, arrays": lambda: scorer.score(one),
            "score, arrays with datetime64": lambda: scorer.score(dates),
        },
        repeats=2000,
    )
    whole = scorer.feed(normalise(many, schema))
    batch = medians({"session.run": lambda: scorer.run_graph(whole), "score": lambda: scorer.score(many)}, repeats=15)
    return {
        "columns": len(schema),
        "trees": trees,
        "one_row_us": {name: round(value, 1) for name, value in single.items()},
        "one_row_ratio": {name: round(value / single["session.run"], 2) for name, value in single.items()},
        "rows_10000_ms": {name: round(value / 1e3, 2) for name, value in batch.items()},
        "rows_10000_ratio": round(batch["score"] / batch["session.run"], 2),
    }


def main() -> dict[str, Any]:
    """Microseconds and ratios for three shapes of model, and whether the worst single row met the target."""
    models = [measure(5, 1, 100), measure(6, 8, 300), measure(40, 10, 10)]
    for model in models:
        print(f"{model['columns']} columns, {model['trees']} trees of 32 leaves")
        for name, value in model["one_row_us"].items():
            print(f"  one row      {name:<30} {value:8.1f} us  {model['one_row_ratio'][name]:5.2f}x")
        for name, value in model["rows_10000_ms"].items():
            print(f"  10,000 rows  {name:<30} {value:8.2f} ms")
    worst = max(max(model["one_row_ratio"].values()) for model in models)
    print(f"worst single row: {worst:.2f}x bare session.run, target {TARGET}x")
    return {"models": models, "worst_one_row_ratio": worst, "target": TARGET, "met": worst <= TARGET}


if __name__ == "__main__":
    sys.exit(0 if main()["met"] else 1)
