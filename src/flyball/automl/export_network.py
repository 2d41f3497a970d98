"""Networks inside a graph: pieces of numbers and rows of tables, then two hidden layers for all networks at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from flyball.automl.network import PIECE_STEPS, NetworkModel

if TYPE_CHECKING:
    from flyball.features import FrameGraph
    from flyball.graph import GraphBuilder

__all__ = ["category_rows", "emit_network"]


def emit_network(builder: GraphBuilder, model: NetworkModel, frame: FrameGraph) -> str:
    """The graph's twin of NetworkModel.predict, float64 [rows, outputs].

    Weights are float32, and what is float32 in the model is added up in float32: the first layer, which reads the most.
    """
    first = builder.cast(_emit_first(builder, model, frame), np.float64)
    nets, wide, narrow = model.hidden.shape
    if nets > 1:
        first = builder.node("Reshape", first, builder.constant(np.array([-1, nets, wide]), "nets"))
        first = builder.node("Transpose", first, perm=[1, 0, 2])
    hidden, bias = _double(builder, model.hidden, "hidden"), _double(builder, model.hidden_bias[:, None], "hidden_bias")
    middle = builder.node("Add", builder.node("MatMul", _swish(builder, first), hidden), bias)
    if nets > 1:
        middle = builder.node("Transpose", _swish(builder, middle), perm=[1, 0, 2])
        middle = builder.node("Reshape", middle, builder.constant(np.array([-1, nets * narrow]), "joined"))
    else:
        middle = builder.node("Reshape", _swish(builder, middle), builder.constant(np.array([-1, narrow]), "joined"))
    last = _double(builder, model.last.reshape(nets * narrow, -1), "last")
    answer = builder.node("MatMul", middle, last)
    if nets > 1:
        answer = builder.node("Div", answer, builder.constant(np.array(float(nets)), "count"))
    return builder.node("Add", answer, builder.constant(model.intercept[None, :], "intercept"))


def _emit_first(builder: GraphBuilder, model: NetworkModel, frame: FrameGraph) -> str:
    """The first layer before its curve, float32 [rows, units]."""
    total = builder.constant(model.bias[None, :], "bias")
    if len(model.features):
        zero, most = builder.constant(np.float32(0), "zero"), builder.constant(np.float32(1), "one")
        columns = model.features[model.piece]
        values = builder.node("Gather", frame.matrix, builder.constant(columns, "pieces"), axis=1)
        moved = builder.node("Sub", values, builder.constant(model.low[None, :], "low"))
        parts = builder.node("Mul", moved, builder.constant(model.slope[None, :], "slope"))
        parts = builder.node("Max", builder.node("Min", parts, most), zero)
        steps = builder.constant(np.float32(PIECE_STEPS), "steps")
        parts = builder.node("Div", builder.node("Round", builder.node("Mul", parts, steps)), steps)
        known = builder.node("Where", builder.node("IsNaN", values), zero, parts)
        total = builder.node("Add", builder.node("MatMul", known, builder.constant(model.first, "first")), total)
        numbers = builder.node("Gather", frame.matrix, builder.constant(model.features, "numbers"), axis=1)
        gone = builder.cast(builder.node("IsNaN", numbers), np.float32)
        total = builder.node("Add", total, builder.node("MatMul", gone, builder.constant(model.missing, "missing")))
    for table in model.tables:
        index = category_rows(builder, table.feature, table.first, len(table.values) - 1, frame)
        effects = builder.constant(table.values.astype(np.float32), "effects")
        total = builder.node("Add", total, builder.node("Gather", effects, index))
    return total


def _swish(builder: GraphBuilder, value: str) -> str:
    return builder.node("Mul", value, builder.node("Sigmoid", value))


def _double(builder: GraphBuilder, array: object, hint: str) -> str:
    """A float32 constant as float64: half the bytes; runtimes convert it once, when they load the graph."""
    return builder.cast(builder.constant(array, hint), np.float64)  # type: ignore[arg-type]


def category_rows(builder: GraphBuilder, feature: int, first: int, missing_row: int, frame: FrameGraph) -> str:
    """int64 [rows]: the row of a category table that each row of the input reads."""
    if feature in frame.codes:
        code = frame.codes[feature]
    else:
        value = builder.node("Gather", frame.matrix, builder.constant(np.array([feature]), "column"), axis=1)
        stand_in = builder.constant(np.array(first + missing_row, dtype=np.float32), "missing")
        code = builder.cast(builder.node("Where", builder.node("IsNaN", value), stand_in, value), np.int64)
    row = builder.node("Sub", code, builder.constant(np.array(first), "first"))
    return builder.node("Reshape", row, builder.constant(np.array([-1]), "flat"))
