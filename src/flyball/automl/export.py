"""Writes a fitted pipeline as one ONNX graph: features, ensemble, calibration, interval or class sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from flyball.automl.export_network import category_rows, emit_network
from flyball.automl.linear import CLIP, LinearModel
from flyball.automl.parity import ExportRefused, Parity, check_parity
from flyball.automl.pipeline import FittedPipeline, Member, PredictionInterval
from flyball.features import FrameGraph, TargetEncoding
from flyball.trees import TreeEnsemble, emit_forest, emit_trees

if TYPE_CHECKING:
    from flyball.automl.spread import Spread
    from flyball.graph import GraphBuilder

__all__ = ["ExportRefused", "Parity", "check_parity", "export_graph"]


def export_graph(pipeline: FittedPipeline) -> bytes:
    """The pipeline as ONNX: the same pipeline gives the same bytes.

    Inputs `numbers` float64, `times` int64, `texts` string, each [rows, columns of that kind in schema order]; outputs
    class_index, probability, in_set, margin for classes and prediction, low, high, margin for a regression.
    """
    from flyball.graph import GraphBuilder

    builder = GraphBuilder()
    with builder.scope("features"):
        frame = pipeline.frame.emit(builder)
    total = _ensemble(builder, pipeline, frame)
    with builder.scope("calibration"):
        calibration = pipeline.calibration
        scaled = builder.node("Mul", total, builder.constant(np.array(calibration.slope), "slope"))
        margin = builder.node("Add", scaled, builder.constant(calibration.bias[None, :], "bias"))
        if pipeline.task != "regression":
            _emit_classes(builder, pipeline, margin)
    if pipeline.task == "regression":
        with builder.scope("interval"):
            _emit_value(builder, pipeline, margin, frame)
    builder.output("margin", margin, np.dtype(np.float64), pipeline.outputs)
    return builder.build("From raw columns to calibrated predictions.", {"task": pipeline.task})


def _ensemble(builder: GraphBuilder, pipeline: FittedPipeline, frame: FrameGraph) -> str:
    """The weighted sum of all members, float64 [rows, outputs]; a candidate's boosted members share one operator."""
    terms = []
    boosted: dict[tuple[str, float], list[Member]] = {}
    for member in pipeline.members:
        if member.trees is not None:
            boosted.setdefault((member.candidate, member.weight), []).append(member)
        elif member.linear is not None:
            with builder.scope(member.name):
                value = _emit_linear(builder, member.linear, frame)
            terms.append(_weighted(builder, value, member.weight))
        elif member.network is not None:
            with builder.scope(member.name):
                value = emit_network(builder, member.network, frame)
                terms.append(_weighted(builder, value, member.weight))
        elif member.forest is not None:
            with builder.scope(member.name):
                terms.append(_weighted(builder, emit_forest(member.forest, builder, frame.matrix), member.weight))
    for (name, weight), members in boosted.items():
        with builder.scope(name):
            terms.append(_weighted(builder, _emit_boosted(builder, members, frame), weight))
    total = terms[0]
    for term in terms[1:]:
        total = builder.node("Add", total, term)
    return total


def _weighted(builder: GraphBuilder, value: str, weight: float) -> str:
    return value if weight == 1 else builder.node("Mul", value, builder.constant(np.array(weight), "weight"))


def _emit_boosted(builder: GraphBuilder, members: Sequence[Member], frame: FrameGraph) -> str:
    """The sum of members that differ in their target encodings, over one matrix that holds all of them."""
    width = len(members[0].feature_columns) - sum(encoding.outputs for encoding in members[0].encodings)
    blocks: dict[str, int] = {}
    position = width
    parts: list[tuple[TreeEnsemble, list[int]]] = []
    for member in members:
        columns = list(range(width))
        for encoding in member.encodings:
            block = _emit_encoding(builder, encoding, frame)
            if block not in blocks:
                blocks[block] = position
                position += encoding.outputs
            columns += range(blocks[block], blocks[block] + encoding.outputs)
        if member.trees is None:
            raise ValueError(f"member {member.name!r} has no trees")
        parts.append((member.trees, columns))
    matrix = builder.node("Concat", frame.matrix, *blocks, axis=1) if blocks else frame.matrix
    merged = TreeEnsemble.merge(trees.remapped(np.array(columns), position) for trees, columns in parts)
    return emit_trees(merged, builder, matrix)


def _emit_encoding(builder: GraphBuilder, encoding: TargetEncoding, frame: FrameGraph) -> str:
    """float32 [rows, outputs]: the encoding's table at the level's code."""
    row = builder.node("Add", frame.codes[encoding.feature], builder.constant(np.array(1), "one"))
    flat = builder.node("Reshape", row, builder.constant(np.array([-1]), "flat"))
    return builder.node("Gather", builder.constant(encoding.table, "means"), flat)


def _emit_linear(builder: GraphBuilder, model: LinearModel, frame: FrameGraph) -> str:
    """The graph's twin of LinearModel.predict, float64 [rows, outputs]."""
    terms = []
    if len(model.features):
        numbers = builder.node("Gather", frame.matrix, builder.constant(model.features, "columns"), axis=1)
        numbers = builder.cast(numbers, np.float64)
        gone = builder.node("IsNaN", numbers)
        centred = builder.node("Sub", numbers, builder.constant(model.mean[None, :], "mean"))
        scaled = builder.node("Div", centred, builder.constant(model.scale[None, :], "scale"))
        scaled = builder.node("Min", scaled, builder.constant(np.array(CLIP), "most"))
        scaled = builder.node("Max", scaled, builder.constant(np.array(-CLIP), "least"))
        known = builder.node("Where", gone, builder.constant(np.array(0.0), "zero"), scaled)
        terms.append(builder.node("MatMul", known, builder.constant(model.coef, "coef")))
        if np.any(model.missing != 0):
            flags = builder.cast(gone, np.float64)
            terms.append(builder.node("MatMul", flags, builder.constant(model.missing, "missing")))
    for table in model.tables:
        index = category_rows(builder, table.feature, table.first, len(table.values) - 1, frame)
        terms.append(builder.node("Gather", builder.constant(table.values, "effects"), index))
    intercept = builder.constant(model.intercept[None, :], "intercept")
    if not terms:
        first = builder.node("Gather", frame.matrix, builder.constant(np.array([0]), "first"), axis=1)
        rows = builder.node("Shape", first, start=0, end=1)
        shape = builder.node("Concat", rows, builder.constant(np.array([model.outputs]), "width"), axis=0)
        return builder.node("Expand", intercept, shape)
    total = intercept
    for term in terms:
        total = builder.node("Add", total, term)
    return total


def _emit_value(builder: GraphBuilder, pipeline: FittedPipeline, margin: str, frame: FrameGraph) -> None:
    """The graph's twin of `FittedPipeline.outcome` for a regression."""
    value = builder.node("Reshape", margin, builder.constant(np.array([-1]), "flat"))
    interval = pipeline.interval or PredictionInterval(np.nan, np.nan, 0.0)
    offsets = builder.constant(np.array([[interval.low, interval.high]]), "offsets")
    if interval.spread is not None:
        scale = _emit_spread(builder, interval.spread, margin, frame)
        offsets = builder.node("Mul", scale, offsets)
    ends = builder.node("Add", margin, offsets)
    for op, bound in (("Max", interval.floor), ("Min", interval.ceiling)):
        if bound is not None:
            ends = builder.node(op, ends, builder.constant(np.array(bound), "bound"))
    builder.output("prediction", value, np.dtype(np.float64))
    bounded = interval.floor is not None or interval.ceiling is not None
    for column, (name, op) in enumerate((("low", "Min"), ("high", "Max"))):
        end = builder.node("Gather", ends, builder.constant(np.array(column), "column"), axis=1)
        if bounded:
            end = builder.node(op, end, value)
        builder.output(name, end, np.dtype(np.float64))


def _emit_spread(builder: GraphBuilder, spread: Spread, margin: str, frame: FrameGraph) -> str:
    """The graph's twin of Spread.scale, float64 [rows, 1]."""
    rise = np.diff(spread.levels)
    log = builder.constant(np.array([[spread.levels[0]]]), "level")
    if len(rise):
        run = np.diff(spread.knots)
        beyond = builder.node("Sub", margin, builder.constant(spread.knots[None, :-1], "knots"))
        steps = builder.node("Max", beyond, builder.constant(np.array(0.0), "zero"))
        steps = builder.node("Min", steps, builder.constant(run[None, :], "run"))
        climbed = builder.node("MatMul", steps, builder.constant((rise / run)[:, None], "slope"))
        log = builder.node("Add", climbed, log)
    if spread.trees.trees:
        log = builder.node("Add", emit_trees(spread.trees, builder, frame.matrix), log)
    return builder.node("Exp", log)


def _emit_classes(builder: GraphBuilder, pipeline: FittedPipeline, margin: str) -> None:
    if pipeline.task == "binary":
        positive = builder.node("Sigmoid", margin)
        negative = builder.node("Sub", builder.constant(np.array(1.0), "one"), positive)
        probability = builder.node("Concat", negative, positive, axis=1)
        threshold = builder.constant(np.array(pipeline.threshold), "threshold")
        called = builder.cast(builder.node("GreaterOrEqual", positive, threshold), np.int64)
        index = builder.node("Reshape", called, builder.constant(np.array([-1]), "flat"))
    else:
        probability = builder.node("Softmax", margin, axis=1)
        index = builder.node("ArgMax", probability, axis=1, keepdims=0)
    classes = len(pipeline.classes or ())
    builder.output("class_index", index, np.dtype(np.int64))
    builder.output("probability", probability, np.dtype(np.float64), classes)
    if pipeline.sets is not None:
        thresholds = builder.constant(np.array([pipeline.sets.thresholds]), "thresholds")
        held = builder.node("GreaterOrEqual", probability, thresholds)
        builder.output("in_set", held, np.dtype(np.bool_), classes)
