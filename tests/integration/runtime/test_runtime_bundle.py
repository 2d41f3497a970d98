"""A bundle opens only as it was made, and scores as its graph does, whatever form the table has."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import polars as pl
import pytest
from onnx import TensorProto, helper

from flyball_runtime import Bundle, open_bundle
from flyball_runtime.bundle import BundleDamaged, BundleUnreadable, BundleUnsigned, open_files
from flyball_runtime.errors import FlyballError
from flyball_runtime.manifest import BundleExpired, BundleUnsupported
from flyball_runtime.onnxfile import GraphUnsafe
from flyball_runtime.score import GraphMismatch, NotEncodable, ScoringFailed
from flyball_runtime.session import StateInvalid
from flyball_runtime.signature import FilesDiffer, KeyNotTrusted, KeyRevoked, key_id
from flyball_runtime.table import MissingColumn, WrongType, normalise, read_columns

Make = Callable[..., dict[str, bytes]]


@pytest.fixture(scope="module")
def binary(make_files: Make) -> Bundle:
    return open_files(make_files())


def edited(files: dict[str, bytes], **changes: Any) -> dict[str, bytes]:
    manifest = json.loads(files["manifest.json"])
    return files | {"manifest.json": json.dumps(manifest | changes).encode()}


def test_a_bundle_says_what_it_is_and_scores_as_numpy_computes(binary: Bundle, rows: Any, margin_of: Any) -> None:
    outputs = binary.score(rows)
    chance = 1 / (1 + np.exp(-margin_of(normalise(read_columns(rows), binary.inputs))))
    assert set(outputs) == {"prediction", "probability"}
    np.testing.assert_allclose(outputs["probability"], np.column_stack([1 - chance, chance]), rtol=1e-12)
    assert outputs["prediction"].tolist() == ["yes" if p >= 0.5 else "no" for p in chance]
    assert binary.task == "binary"
    assert binary.classes is not None
    assert binary.classes.tolist() == ["no", "yes"]
    assert binary.inputs.names == ("age", "since", "colour", "income")
    assert repr(binary) == "<Bundle colours@3: binary, 4 columns, authentic=False>"


def test_a_regression_gives_values_with_an_interval_around_them(make_files: Make, rows: Any, margin_of: Any) -> None:
    bundle = open_files(make_files("regression"))
    outputs = bundle.score(rows, margin=True)
    expected = margin_of(normalise(read_columns(rows), bundle.inputs))
    np.testing.assert_allclose(outputs["prediction"], expected, rtol=1e-12)
    np.testing.assert_array_equal(outputs["low"], outputs["prediction"] - 1)
    np.testing.assert_array_equal(outputs["high"], outputs["prediction"] + 1)
    assert outputs["margin"].shape == (4, 1)
    assert bundle.classes is None


@pytest.mark.parametrize(
    ("classes", "dtype"),
    [
        (["n", "y"], object),
        ([0, 1], np.int64),
        ([False, True], np.bool_),
        ([0.5, 2.5], np.float64),
        ([-5, 2**62], np.int64),
    ],
)
def test_predictions_come_in_the_targets_own_type(make_files: Make, rows: Any, classes: Any, dtype: Any) -> None:
    prediction = open_files(make_files("binary", classes)).score(rows)["prediction"]
    assert prediction.dtype == dtype
    assert set(prediction.tolist()) == set(classes)


def test_every_form_of_table_scores_alike(binary: Bundle, rows: Any) -> None:
    moments = [datetime.fromisoformat(cell) if cell else None for cell in rows["since"]]
    moments = [moment and (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) for moment in moments]
    typed = rows | {"since": moments, "extra": [1, 2, 3, 4]}
    expected = binary.score(rows)
    arrays = {name: np.array(values, dtype=object) for name, values in typed.items()}
    listed = [dict(zip(typed, cells, strict=True)) for cells in zip(*typed.values(), strict=True)]
    for table in (arrays, pd.DataFrame(typed), pl.DataFrame(typed, strict=False), listed):
        outputs = binary.score(table)
        np.testing.assert_array_equal(outputs["probability"], expected["probability"])
        np.testing.assert_array_equal(outputs["prediction"], expected["prediction"])


def test_one_row_scores_as_it_does_among_others_in_every_form(binary: Bundle, rows: Any) -> None:
    together = binary.score(rows)["probability"]
    normal = normalise(rows, binary.inputs)
    for row in range(4):
        plain = {name: values[row : row + 1] for name, values in rows.items()}
        arrays = {name: values[row : row + 1] for name, values in normal.items()}
        lists = {name: values[row : row + 1].tolist() for name, values in normal.items()}
        assert lists.keys() == plain.keys()
        for table in (plain, arrays, lists, arrays | {"colour": normal["colour"][row : row + 1].astype(object)}):
            np.testing.assert_array_equal(binary.score(table)["probability"], together[row : row + 1])


def test_one_row_is_refused_for_what_many_rows_are_refused_for(binary: Bundle) -> None:
    row = {"age": [1], "since": [0], "colour": ["red"], "income": [1]}
    assert len(binary.score(row)["prediction"]) == 1
    for wrong, error in (({"age": ["x"]}, WrongType), ({"since": [1.5]}, WrongType), ({"colour": [[1]]}, WrongType)):
        with pytest.raises(error):
            binary.score(row | wrong)
    with pytest.raises(MissingColumn):
        binary.score({name: values for name, values in row.items() if name != "age"})
    with pytest.raises(FlyballError):
        binary.score(row | {"age": 1})
    with pytest.raises(NotEncodable):
        binary.score(row | {"colour": ["\ud800"]})
    np.testing.assert_array_equal(
        binary.score(row | {"colour": np.array(["red"])})["probability"], binary.score(row)["probability"]
    )


def test_no_rows_give_outputs_of_the_right_shape(make_files: Make, rows: Any) -> None:
    empty: dict[str, list[Any]] = {name: [] for name in rows}
    outputs = open_files(make_files("multiclass")).score(empty, margin=True)
    assert outputs["prediction"].shape == (0,)
    assert outputs["probability"].shape == outputs["margin"].shape == (0, 3)
    assert open_files(make_files("regression")).score(empty)["low"].shape == (0,)


def test_a_large_table_scores_in_pieces_as_it_would_whole(binary: Bundle, rows: Any) -> None:
    normal = normalise(rows, binary.inputs)
    many = {name: np.tile(values, 40_000) for name, values in normal.items()}
    outputs = binary.score(many, margin=True)
    for name, values in binary.score(normal, margin=True).items():
        np.testing.assert_array_equal(outputs[name], np.concatenate([values] * 40_000))


def test_threads_share_a_bundle(binary: Bundle, rows: Any) -> None:
    expected = binary.score(rows)["probability"]
    barrier = threading.Barrier(8)

    def work(_: int) -> bool:
        barrier.wait()
        return all(np.array_equal(binary.score(rows)["probability"], expected) for _ in range(50))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_golden_rows_replay_to_zero_and_a_drifted_graph_shows(make_files: Make, make_graph: Any, resealed: Any) -> None:
    for task in ("binary", "multiclass", "regression"):
        assert open_files(make_files(task)).check_golden() <= 1e-12
    files = make_files()
    files["golden.npz"] = make_files("regression")["golden.npz"]
    resealed(files, {k: v for k, v in json.loads(files["manifest.json"]).items() if k != "files"})
    assert open_files(files).check_golden() == np.inf
    del files["golden.npz"]
    resealed(files, {k: v for k, v in json.loads(files["manifest.json"]).items() if k != "files"})
    with pytest.raises(BundleUnsupported, match="golden"):
        open_files(files).check_golden()


def test_the_training_profile_travels_in_the_bundle(binary: Bundle) -> None:
    reference = binary.reference()
    assert reference is not None
    assert reference.rows.tolist() == [2, 2]


def test_a_signed_bundle_is_authentic_only_under_a_trusted_key_in_force(
    make_files: Make, make_key: Any, key: Any, write: Any, tmp_path: Path
) -> None:
    folder = write(key.sign_bundle(make_files()))
    opened = open_bundle(folder, trust=key.pem)
    assert opened.authentic
    assert opened.signer == key_id(key.pem)
    assert not open_bundle(str(folder)).authentic
    with pytest.raises(KeyNotTrusted):
        open_bundle(folder, trust=make_key().pem)
    trust = tmp_path / "trust.json"
    trust.write_text(
        json.dumps({"format": 1, "keys": [{"id": key_id(key.pem), "pem": key.pem.decode(), "revoked": True}]})
    )
    with pytest.raises(KeyRevoked):
        open_bundle(folder, trust=trust)
    (folder / "signature").unlink()
    with pytest.raises(BundleUnsigned):
        open_bundle(folder, trust=key.pem)


def test_a_flipped_byte_anywhere_is_refused_with_trust(make_files: Make, key: Any) -> None:
    files = key.sign_bundle(make_files())
    for name, data in files.items():
        for position in range(0, len(data), max(1, len(data) // 40)):
            broken = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
            with pytest.raises(FlyballError):
                open_files(files | {name: broken}, trust=key.pem)


def test_a_flipped_byte_of_any_listed_file_is_refused_without_trust_too(make_files: Make) -> None:
    files = make_files()
    for name in files.keys() - {"manifest.json"}:
        with pytest.raises(BundleDamaged) as caught:
            open_files(files | {name: files[name][:-1] + b"?"})
        assert caught.value.why == f"{name} was edited"


def test_extra_and_missing_files_are_named(make_files: Make, key: Any) -> None:
    files = make_files()
    with pytest.raises(BundleDamaged, match=r"evil\.py does not belong"):
        open_files(files | {"evil.py": b""})
    with pytest.raises(BundleDamaged, match=r"card\.md is missing"):
        open_files({name: data for name, data in files.items() if name != "card.md"})
    with pytest.raises(FilesDiffer, match=r"evil\.py was added"):
        open_files(key.sign_bundle(files) | {"evil.py": b""}, trust=key.pem)


def test_another_graph_listed_correctly_still_breaks_the_content_hash(
    make_files: Make, make_graph: Any, resealed: Any
) -> None:
    files = make_files()
    manifest = {k: v for k, v in json.loads(files["manifest.json"]).items() if k != "files"}
    files["model.onnx"] = make_graph("binary", 2) + b""
    model = onnx.load_from_string(files["model.onnx"])
    model.doc_string = "another"
    files["model.onnx"] = model.SerializeToString()
    with pytest.raises(BundleDamaged, match="content hash"):
        open_files(resealed(files, manifest))


def test_links_folders_pipes_and_absent_bundles_are_refused(make_files: Make, write: Any, tmp_path: Path) -> None:
    files = make_files()
    secret = tmp_path / "secret"
    secret.write_bytes(files["card.md"])
    linked = write({name: data for name, data in files.items() if name != "card.md"}, "linked")
    (linked / "card.md").symlink_to(secret)
    nested = write(files, "nested")
    (nested / "folder").mkdir()
    piped = write({name: data for name, data in files.items() if name != "card.md"}, "piped")
    os.mkfifo(piped / "card.md")
    for folder in (linked, nested, piped):
        with pytest.raises(BundleUnreadable, match="plain files"):
            open_bundle(folder)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(BundleUnreadable, match="no bundle"):
        open_bundle(empty)
    with pytest.raises(BundleUnreadable) as caught:
        open_bundle(tmp_path / "nestd")
    assert caught.value.fix == 'did you mean "nested"?'
    with pytest.raises(BundleUnreadable):
        open_bundle(secret)


def test_the_bytes_that_were_verified_are_the_bytes_that_score(make_files: Make, write: Any, rows: Any) -> None:
    folder = write(make_files())
    bundle = open_bundle(folder)
    before = bundle.score(rows)["probability"]
    for file in folder.iterdir():
        file.write_bytes(b"swapped")
    np.testing.assert_array_equal(bundle.score(rows)["probability"], before)
    assert bundle.check_golden() == 0


@pytest.mark.parametrize(
    "changes", [{"requires": ["state"]}, {"requires": ["tables"]}, {"minimum_runtime": "9.0"}, {"format": 2}]
)
def test_what_this_runtime_cannot_serve_is_refused_with_a_code(make_files: Make, changes: Any) -> None:
    with pytest.raises(BundleUnsupported):
        open_files(edited(make_files(), **changes))


def test_an_expired_bundle_is_refused_by_the_clock_given(make_files: Make) -> None:
    class Clock:
        def now(self) -> datetime:
            return datetime(2030, 1, 1, tzinfo=UTC)

    files = edited(make_files(), expires="2029-12-31T23:59:59Z")
    with pytest.raises(BundleExpired):
        open_files(files, clock=Clock())
    later = edited(make_files(), expires="2030-06-01T00:00:00Z")
    assert open_files(later, clock=Clock()).task == "binary"


def reopened_with(files: dict[str, bytes], graph: bytes, resealed: Any, **changes: Any) -> Bundle:
    from flyball_runtime.manifest import content_hash

    manifest = {k: v for k, v in json.loads(files["manifest.json"]).items() if k != "files"} | changes
    manifest["content_hash"] = content_hash(graph, None, manifest["inputs"])
    return open_files(resealed(files | {"model.onnx": graph}, manifest))


def test_a_graph_that_reads_another_file_is_refused(make_files: Make, make_graph: Any, resealed: Any) -> None:
    model = onnx.load_from_string(make_graph("binary", 2))
    tensor = next(item for item in model.graph.initializer if item.name == "weights")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret")
    with pytest.raises(GraphUnsafe, match="another file"):
        reopened_with(make_files(), model.SerializeToString(), resealed)
    inner = helper.make_graph([], "inner", [], [], [tensor])
    nested = onnx.load_from_string(make_graph("binary", 2))
    nested.graph.node.append(helper.make_node("If", ["half"], ["zzz"], then_branch=inner, else_branch=inner))
    with pytest.raises(GraphUnsafe, match="another file"):
        reopened_with(make_files(), nested.SerializeToString(), resealed)


def test_a_column_called_location_is_no_reason_to_refuse(make_files: Make, make_graph: Any, resealed: Any) -> None:
    model = onnx.load_from_string(make_graph("binary", 2))
    model.doc_string = "location"
    model.metadata_props.add(key="location", value="x")
    assert reopened_with(make_files(), model.SerializeToString(), resealed).task == "binary"


def test_operators_from_outside_the_standard_are_refused(make_files: Make, make_graph: Any, resealed: Any) -> None:
    model = onnx.load_from_string(make_graph("binary", 2))
    model.opset_import.append(helper.make_opsetid("com.evil", 1))
    with pytest.raises(GraphUnsafe, match="outside the ONNX standard"):
        reopened_with(make_files(), model.SerializeToString(), resealed)


@pytest.mark.parametrize("graph", [b"not a graph", b"", b"\x3a\xff\xff\xff\xff\x0f", b"\x08" + b"\xff" * 20])
def test_a_file_that_is_no_graph_is_refused(make_files: Make, resealed: Any, graph: bytes) -> None:
    with pytest.raises((GraphUnsafe, ScoringFailed)):
        reopened_with(make_files(), graph, resealed)


def test_a_graph_of_other_columns_or_another_task_is_refused(make_files: Make, make_graph: Any, resealed: Any) -> None:
    fields = json.loads(make_files()["manifest.json"])["inputs"]
    with pytest.raises(GraphMismatch, match="outputs"):
        reopened_with(make_files(), make_graph("regression", 0), resealed)
    for inputs in (fields[:-1], [*fields, {"name": "z", "kind": "text"}], []):
        with pytest.raises(GraphMismatch):
            reopened_with(make_files(), make_graph("binary", 2), resealed, inputs=inputs)


def test_a_session_scores_like_the_bundle_and_its_state_goes_on_where_it_stopped(binary: Bundle, rows: Any) -> None:
    session = binary.session()
    np.testing.assert_array_equal(session.push(rows)["probability"], binary.score(rows)["probability"])
    with pytest.raises(MissingColumn):
        session.push({})
    restored = binary.session(session.state())
    restored.push(rows)
    assert (session.rows, restored.rows) == (4, 8)
    assert json.loads(restored.state())["content_hash"] == binary.content_hash


@pytest.mark.parametrize("state", [b"", b"{}", b"[1]", b'{"format":2,"content_hash":"","rows":0}', b"\xff"])
def test_a_state_that_is_damaged_or_of_a_later_version_is_refused(binary: Bundle, state: bytes) -> None:
    with pytest.raises(StateInvalid):
        binary.session(state)


def test_the_state_of_another_model_is_refused(binary: Bundle, make_files: Make) -> None:
    with pytest.raises(StateInvalid, match="another model"):
        open_files(make_files("regression")).session(binary.session().state())
    for rows in (-1, True, "4"):
        state = json.dumps({"format": 1, "content_hash": binary.content_hash, "rows": rows}).encode()
        with pytest.raises(StateInvalid, match="damaged"):
            binary.session(state)
