"""The graph builder makes valid, minimal, repeatable ONNX."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from flyball.graph import GraphBuilder, GraphInvalid


def run(model: bytes, **feed: np.ndarray) -> list[np.ndarray]:
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, feed)


def affine(builder: GraphBuilder) -> None:
    x = builder.input("x", np.dtype(np.float32), 3)
    weights = builder.constant(np.array([[1], [2], [3]], np.float32), "weights")
    total = builder.node("MatMul", x, weights)
    builder.output("y", builder.cast(total, np.float64), np.float64, 1)


def test_a_built_graph_runs_and_computes_what_was_said() -> None:
    builder = GraphBuilder()
    affine(builder)
    (y,) = run(builder.build(), x=np.array([[1, 1, 1], [0, 1, 2]], np.float32))
    assert y.dtype == np.float64
    assert y.tolist() == [[6.0], [8.0]]


def test_any_number_of_rows_even_none_is_accepted() -> None:
    builder = GraphBuilder()
    affine(builder)
    (y,) = run(builder.build(), x=np.zeros((0, 3), np.float32))
    assert y.shape == (0, 1)


def test_equal_calls_give_equal_bytes() -> None:
    built = []
    for _ in range(2):
        builder = GraphBuilder()
        affine(builder)
        built.append(builder.build("a doc", {"b": "2", "a": "1"}))
    assert built[0] == built[1]


def test_the_order_of_metadata_does_not_change_the_bytes() -> None:
    built = []
    for metadata in ({"b": "2", "a": "1"}, {"a": "1", "b": "2"}):
        builder = GraphBuilder()
        affine(builder)
        built.append(builder.build("a doc", metadata))
    assert built[0] == built[1]
    assert {item.key: item.value for item in onnx.load_from_string(built[0]).metadata_props} == {"a": "1", "b": "2"}


def test_opsets_and_ir_version_are_ones_that_every_supported_runtime_reads() -> None:
    builder = GraphBuilder()
    affine(builder)
    model = onnx.load_from_string(builder.build())
    assert model.ir_version <= 10
    assert {opset.domain: opset.version for opset in model.opset_import} == {"": 18, "ai.onnx.ml": 5}


def test_equal_constants_are_stored_once_and_different_types_apart() -> None:
    builder = GraphBuilder()
    first = builder.constant(np.array([1.0, 2.0]))
    assert builder.constant(np.array([1.0, 2.0])) == first
    assert builder.constant(np.array([1.0, 2.0], np.float32)) != first
    assert builder.constant(np.array([[1.0, 2.0]])) != first
    assert builder.constant(["ab", "c"]) != builder.constant(["a", "bc"])


def test_a_nan_constant_keeps_its_type_and_value() -> None:
    builder = GraphBuilder()
    x = builder.input("x", np.float32, 1)
    filled = builder.node("Where", builder.node("IsNaN", x), x, builder.constant(np.float32(np.nan)))
    builder.output("y", filled, np.float32, 1)
    (y,) = run(builder.build(), x=np.zeros((1, 1), np.float32))
    assert np.isnan(y).all()


def test_string_constants_survive_any_unicode() -> None:
    levels = ["", "é", "\ue000", "日本", "a\x00b"]
    builder = GraphBuilder()
    codes = builder.input("codes", np.int64, 1)
    builder.output("text", builder.node("Gather", builder.constant(np.array(levels, object)), codes), str, 1)
    (text,) = run(builder.build(), codes=np.arange(5, dtype=np.int64)[:, None])
    assert text.ravel().tolist() == levels


def test_the_same_operation_on_the_same_values_is_done_once() -> None:
    builder = GraphBuilder()
    x = builder.input("x", np.float32, 1)
    assert builder.node("Neg", x) == builder.node("Neg", x)
    assert builder.node("Cast", x, to=11) != builder.node("Cast", x, to=7)


def test_what_no_output_needs_is_left_out() -> None:
    builder = GraphBuilder()
    x = builder.input("x", np.float32, 1)
    builder.node("Add", x, builder.constant(np.float32(7), "unused"))
    builder.output("y", builder.node("Neg", x), np.float32, 1)
    graph = onnx.load_from_string(builder.build()).graph
    assert [node.op_type for node in graph.node] == ["Neg", "Identity"]
    assert not graph.initializer


def test_one_value_may_have_two_output_names_and_an_input_may_be_an_output() -> None:
    builder = GraphBuilder()
    x = builder.input("x", np.float32, 1)
    builder.output("first", x, np.float32, 1)
    builder.output("second", x, np.float32, 1)
    first, second = run(builder.build(), x=np.ones((2, 1), np.float32))
    assert first.tolist() == second.tolist() == [[1.0], [1.0]]


def test_an_operator_may_have_several_outputs() -> None:
    builder = GraphBuilder()
    x = builder.input("x", np.float32, 2)
    left, right = builder.node("Split", x, axis=1, num_outputs=2, outputs=2)
    builder.output("difference", builder.node("Sub", left, right), np.float32, 1)
    (difference,) = run(builder.build(), x=np.array([[5, 2]], np.float32))
    assert difference.tolist() == [[3.0]]


def test_scopes_nest_and_show_in_names() -> None:
    builder = GraphBuilder()
    x = builder.input("x", np.float32, 1)
    with builder.scope("member_0"):
        outer = builder.node("Neg", x)
        with builder.scope("inner"):
            inner = builder.node("Abs", x)
    after = builder.node("Exp", x)
    assert outer.startswith("member_0/")
    assert inner.startswith("member_0/inner/")
    assert "/" not in after


def test_reading_a_value_that_does_not_exist_is_refused() -> None:
    builder = GraphBuilder()
    with pytest.raises(GraphInvalid, match="FB-GRAPH-001"):
        builder.node("Neg", "nowhere")
    with pytest.raises(GraphInvalid):
        builder.output("y", "nowhere", np.float32)


def test_two_values_of_one_name_are_refused() -> None:
    builder = GraphBuilder()
    x = builder.input("x", np.float32, 1)
    with pytest.raises(GraphInvalid):
        builder.input("x", np.float32, 1)
    with pytest.raises(GraphInvalid):
        builder.output("x", x, np.float32, 1)


def test_a_graph_whose_types_do_not_fit_is_refused() -> None:
    builder = GraphBuilder()
    x = builder.input("x", np.float32, 1)
    builder.output("y", builder.node("Add", x, builder.constant(np.float64(1))), np.float32, 1)
    with pytest.raises(GraphInvalid):
        builder.build()


def test_an_output_declared_with_the_wrong_type_is_refused() -> None:
    builder = GraphBuilder()
    builder.output("y", builder.input("x", np.float32, 1), np.int64, 1)
    with pytest.raises(GraphInvalid):
        builder.build()
