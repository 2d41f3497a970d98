"""From a raw table to a checked graph, on every task."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from flyball.automl import ExportRefused, FittedPipeline, Learned, bundle_files, check_parity, export_graph, golden_file
from flyball.automl.pipeline import Calibration
from flyball.evaluation import evaluate
from flyball_runtime.arrays import ArraysInvalid
from flyball_runtime.bundle import open_files
from flyball_runtime.profile import Profile


@pytest.fixture(scope="session")
def graph(example: Any) -> bytes:
    return export_graph(example.learned.pipeline)


def test_the_ensemble_beats_its_prior_and_its_out_of_fold_outputs_are_honest(example: Any) -> None:
    learned, pipeline = example.learned, example.learned.pipeline
    names = [entry["name"] for entry in learned.leaderboard]
    assert names.index("prior") == len([entry for entry in learned.leaderboard if entry["score"] is not None]) - 1
    assert sum(entry["weight"] for entry in learned.leaderboard) == pytest.approx(1)
    assert sum(member.weight for member in pipeline.members) == pytest.approx(1)
    assert not np.isnan(learned.oof).any()
    outputs = {"prediction": learned.oof[:, 0]}
    if pipeline.class_values is not None:
        called = learned.oof.argmax(axis=1)
        outputs = {"probability": learned.oof, "prediction": pipeline.class_values[called]}
    found = evaluate(pipeline.task, example.target, outputs, classes=pipeline.class_values, replicates=200)
    if pipeline.task == "regression":
        assert found["r2"].value > 0.75
    else:
        assert found["roc_auc"].value > 0.88
        assert found["log_loss"].value < 0.75


def test_the_graph_equals_the_fitted_models_on_every_kind_of_probe(example: Any, graph: bytes) -> None:
    parity = check_parity(graph, example.learned, example.table)
    assert parity.cases["real rows"] == 1200
    assert {"nulls", "tree thresholds", "extreme values", "unseen categories", "dates before 1970"} <= set(parity.cases)
    assert parity.rows == sum(parity.cases.values()) > 2000
    assert parity.max_abs_diff < 1e-9
    assert parity.label_mismatches == 0


def test_equal_pipelines_give_equal_graphs_after_a_round_trip(example: Any, graph: bytes) -> None:
    raw = example.learned.pipeline.to_bytes()
    again = FittedPipeline.from_bytes(raw)
    assert again.to_bytes() == raw
    assert export_graph(again) == graph
    learned = Learned.from_bytes(example.learned.to_bytes())
    np.testing.assert_array_equal(learned.oof, example.learned.oof)
    assert (learned.leaderboard, learned.notes, learned.natives) == (
        example.learned.leaderboard,
        example.learned.notes,
        example.learned.natives,
    )
    check_parity(graph, learned, example.table)


def test_a_damaged_archive_is_refused_with_a_code(example: Any) -> None:
    raw = bytearray(example.learned.pipeline.to_bytes())
    raw[len(raw) // 2] ^= 0xFF
    with pytest.raises(ArraysInvalid):
        FittedPipeline.from_bytes(bytes(raw))


def test_a_graph_that_differs_is_refused(example: Any) -> None:
    learned = example.learned
    calibration = learned.pipeline.calibration
    shift = 1e-3 * np.maximum(1.0, np.abs(calibration.bias)) * np.arange(1, len(calibration.bias) + 1)
    moved = Calibration(calibration.slope, calibration.bias + shift)
    with pytest.raises(ExportRefused, match="FB-EXPORT-001"):
        check_parity(export_graph(replace(learned.pipeline, calibration=moved)), learned, example.table)


def test_constant_columns_are_no_inputs_and_the_notes_say_so(example: Any) -> None:
    assert "constant" not in example.learned.pipeline.schema.names
    assert any("constant is left out" in note for note in example.learned.notes)


def test_the_bundle_opens_and_scores_its_golden_rows(example: Any, graph: bytes) -> None:
    pipeline = example.learned.pipeline
    used = example.table.select(pipeline.schema.names)
    files = bundle_files(
        graph,
        pipeline,
        model="machines",
        version=3,
        target="y",
        created=datetime(2026, 1, 2, tzinfo=UTC),
        provenance={"seed": 1},
        reference=Profile.build(used.columns, used.schema).to_bytes(),
        golden=golden_file(graph, pipeline, used),
        card="# machines\n",
        sbom=b"{}",
    )
    bundle = open_files(files)
    assert bundle.check_golden() == 0.0
    assert not bundle.authentic
    manifest = json.loads(files["manifest.json"])
    assert (manifest["release"], manifest["positive_class"]) == (3, pipeline.positive)
    scores = bundle.score({name: values[:5] for name, values in example.table.columns.items()}, margin=True)
    expected = pipeline.predict(example.table.take(np.arange(5)))
    np.testing.assert_allclose(scores["margin"], expected["margin"], rtol=1e-9, atol=1e-9)
    scopes = {member["scope"] for member in manifest["explanation"]["members"]}
    assert all(scope.encode() in graph for scope in scopes)


def test_the_artefact_stays_within_its_size(graph: bytes) -> None:
    assert len(graph) < 10e6
