"""The quick way for one row gives the graph what the general way gives it, or leaves the row to the general way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from flyball_runtime.errors import FlyballError
from flyball_runtime.schema import Field, Schema
from flyball_runtime.score import Scorer
from flyball_runtime.table import normalise

SCHEMA = Schema((Field("n", "number"), Field("t", "time"), Field("s", "text"), Field("b", "number", "boolean")))
SHARED = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", " 1 ", "true", "2020-01-01"])
OTHERS = st.datetimes() | st.dates() | st.binary(max_size=3) | st.decimals() | st.lists(st.none(), max_size=1)
TYPED = st.sampled_from(
    [np.float32(0.1), np.int8(3), np.uint64(2**63), np.True_, np.datetime64("2020-01-01", "ns"), np.datetime64("NaT")]
)
CELLS = SHARED | OTHERS | TYPED


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    double = TensorProto.DOUBLE
    nodes = [
        helper.make_node("Cast", ["times"], ["elapsed"], to=double),
        helper.make_node(
            "LabelEncoder", ["texts"], ["codes"], domain="ai.onnx.ml", keys_strings=["a"], values_floats=[1.0]
        ),
        helper.make_node("Cast", ["codes"], ["coded"], to=double),
        helper.make_node("Concat", ["numbers", "elapsed", "coded"], ["all"], axis=1),
        helper.make_node("ReduceSum", ["all"], ["margin"], keepdims=1),
        helper.make_node("ReduceSum", ["all"], ["prediction"], keepdims=0),
        helper.make_node("Identity", ["prediction"], ["low"]),
        helper.make_node("Identity", ["prediction"], ["high"]),
    ]
    kinds = {"numbers": (double, 2), "times": (TensorProto.INT64, 1), "texts": (TensorProto.STRING, 1)}
    inputs = [helper.make_tensor_value_info(name, kind, ["N", wide]) for name, (kind, wide) in kinds.items()]
    outputs = [helper.make_tensor_value_info(name, double, None) for name in ("margin", "prediction", "low", "high")]
    graph = helper.make_graph(nodes, "sum", inputs, outputs)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    return Scorer(model.SerializeToString(), SCHEMA, "regression", None)


@settings(deadline=None, max_examples=150)
@given(st.fixed_dictionaries(dict.fromkeys(SCHEMA.names, CELLS)), st.booleans())
def test_one_row_becomes_the_same_feed_either_way(scorer: Scorer, row: dict[str, Any], arrays: bool) -> None:
    table: dict[str, Any] = {name: [cell] for name, cell in row.items()}
    if arrays:
        table = {name: np.asarray(cells) for name, cells in table.items()}
    quick = scorer._feed_of_one_row(table)
    if quick is None:
        return
    try:
        general = scorer.feed(normalise(table, SCHEMA))
    except FlyballError as error:
        pytest.fail(f"only the general way refuses the row: {error}")
    for name, values in general.items():
        assert quick[name].dtype == values.dtype
        np.testing.assert_array_equal(quick[name], values)


def test_a_plain_row_takes_the_quick_way(scorer: Scorer) -> None:
    for moment in (np.datetime64("2020-01-01", "us"), "2020-01-01", 5, None):
        assert scorer._feed_of_one_row({"n": [1.5], "t": [moment], "s": ["a"], "b": [None]}) is not None
