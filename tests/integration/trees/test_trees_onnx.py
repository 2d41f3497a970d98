"""Exported trees take the paths that the ensemble takes, to float32 precision in the leaves."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from flyball.graph import GraphBuilder
from flyball.trees import TreeEnsemble, emit_trees, from_lightgbm
from flyball.trees.onnx import round_down


def export(ensemble: TreeEnsemble) -> bytes:
    builder = GraphBuilder()
    x = builder.input("x", np.float32, ensemble.features)
    builder.output("margin", emit_trees(ensemble, builder, x), np.float64, ensemble.outputs)
    return builder.build()


def score(model: bytes, rows: np.ndarray) -> np.ndarray:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": rows})[0]


@pytest.mark.parametrize(
    "parameters",
    [
        {"objective": "regression"},
        {"objective": "binary"},
        {"objective": "multiclass", "num_class": 3},
        {"objective": "regression", "zero_as_missing": True},
        {"objective": "regression", "use_missing": False},
    ],
    ids=lambda parameters: " ".join(map(str, parameters.values())),
)
def test_the_graph_agrees_with_lightgbm_on_real_and_hostile_rows(training, boost, hostile, parameters) -> None:
    X, y = training(parameters["objective"])
    booster = boost(X, y, rounds=60, **parameters)
    ensemble = from_lightgbm(booster)
    model = export(ensemble)
    for rows in (X, hostile(ensemble)):
        expected = booster.predict(rows, raw_score=True).reshape(len(rows), -1)
        assert np.abs(score(model, rows) - expected).max() <= 2e-6


def test_paths_are_exactly_those_of_the_ensemble(training, boost, hostile) -> None:
    """Leaves of distinct powers of two tell the path without any rounding."""
    X, y = training()
    ensemble = from_lightgbm(boost(X, y, rounds=8, num_leaves=12))
    leaf = np.flatnonzero(ensemble.leaf)
    value = np.zeros(ensemble.nodes)
    value[leaf] = 2.0 ** (np.arange(len(leaf)) % 12)
    marked = TreeEnsemble.from_arrays({**ensemble.to_arrays(), "value": value})
    rows = hostile(ensemble, 5000)
    assert np.array_equal(score(export(marked), rows), marked.predict(rows))


def test_hundreds_of_trees_stay_within_the_tolerance_of_an_export(training, boost) -> None:
    X, y = training()
    ensemble = from_lightgbm(boost(X, y * 10, rounds=500, learning_rate=0.02))
    expected = ensemble.predict(X)
    assert (np.abs(score(export(ensemble), X) - expected) / np.maximum(1, np.abs(expected))).max() <= 2e-6


def test_leaves_on_a_common_step_add_up_exactly_in_one_sum(training, boost) -> None:
    X, y = training()
    ensemble = from_lightgbm(boost(X, y, rounds=300))
    stepped = TreeEnsemble.from_arrays({**ensemble.to_arrays(), "value": np.rint(ensemble.value * 2**16) / 2**16})
    model = export(stepped)
    assert np.array_equal(score(model, X), stepped.predict(X))
    assert "ReduceSum" not in {node.op_type for node in onnx.load_from_string(model).graph.node}


def test_a_large_common_offset_costs_no_precision(training, boost) -> None:
    X, y = training()
    ensemble = from_lightgbm(boost(X, y + 1e7, rounds=5))
    assert np.abs(score(export(ensemble), X) - ensemble.predict(X)).max() <= 1e-5


def test_an_ensemble_without_splits_answers_its_base_for_each_row() -> None:
    constant = TreeEnsemble.constant(np.array([1.5, -2.0]), 3)
    assert score(export(constant), np.zeros((3, 3), np.float32)).tolist() == [[1.5, -2.0]] * 3
    assert score(export(constant), np.zeros((0, 3), np.float32)).shape == (0, 2)


def test_single_leaves_beside_real_trees_are_kept(training, boost) -> None:
    X, y = training()
    split, leaf = from_lightgbm(boost(X, y, rounds=3)), from_lightgbm(boost(X, np.full(len(X), 100.0)))
    merged = TreeEnsemble.merge([leaf, split])
    assert np.abs(score(export(merged), X) - merged.predict(X)).max() <= 1e-5


def test_an_output_without_trees_is_its_base(training, boost) -> None:
    X, y = training()
    arrays = from_lightgbm(boost(X, y, rounds=3)).to_arrays()
    wider = TreeEnsemble.from_arrays({**arrays, "base": np.array([0.0, 5.0])})
    assert np.array_equal(score(export(wider), X)[:, 1], np.full(len(X), 5.0))


def test_equal_ensembles_give_equal_bytes(training, boost) -> None:
    X, y = training()
    ensemble = from_lightgbm(boost(X, y, rounds=3))
    assert export(ensemble) == export(TreeEnsemble.from_bytes(ensemble.to_bytes()))


def test_a_leaf_takes_less_than_thirty_bytes(training, boost) -> None:
    X, y = training()
    ensemble = from_lightgbm(boost(X, y, rounds=60))
    assert len(export(ensemble)) < 30 * ensemble.leaf.sum() + 2_000


def test_rounding_down_decides_like_the_double_for_every_float32() -> None:
    rng = np.random.default_rng(0)
    thresholds = np.concatenate([rng.normal(size=2000), rng.normal(size=2000) * 1e-42, [1e300, -1e300, np.inf, 0.0]])
    rounded = round_down(thresholds)
    assert np.all(rounded <= thresholds)
    with np.errstate(over="ignore"):
        above = np.nextafter(rounded, np.float32(np.inf))
    for x in (rounded, above):
        assert np.array_equal(x <= rounded, x.astype(np.float64) <= thresholds)
