"""A bundle with window features: what its manifest must say, and that a session keeps the past."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from flyball_runtime import golden
from flyball_runtime.bundle import open_files
from flyball_runtime.manifest import BundleUnsupported, ManifestInvalid, content_hash
from flyball_runtime.schema import Schema
from flyball_runtime.session import StateInvalid
from flyball_runtime.table import MissingColumn, WrongType

Files = dict[str, bytes]
Make = Callable[..., Files]
MEAN = {"aggregate": "mean", "column": "income", "rows": 2}
NAME = "income: mean of 2 rows"


def remembering(make_files: Make, resealed: Any, **changes: Any) -> Files:
    """The small bundle, whose graph takes the mean income of a colour's last two rows where it took the row's own."""
    files = make_files()
    manifest = {key: value for key, value in json.loads(files["manifest.json"]).items() if key != "files"}
    graph = [{**one, "name": NAME, "logical": ""} if one["name"] == "income" else one for one in manifest["inputs"]]
    windows = {"format": 1, "entity": "colour", "order": "since", "features": [MEAN], "graph": graph}
    manifest |= {"windows": windows, "requires": ["state"]}
    manifest |= changes
    manifest["content_hash"] = content_hash(files["model.onnx"], manifest["windows"], manifest["inputs"])
    files.pop("golden.npz")
    return dict(resealed(files, manifest))


def stream(rows: int) -> dict[str, Any]:
    rng = np.random.default_rng(4)
    return {
        "age": rng.integers(20, 80, rows).astype(float),
        "since": np.arange(rows) * 1_000_000,
        "colour": np.array([["red", "blue"][number % 2] for number in range(rows)], dtype=object),
        "income": rng.normal(size=rows) * 1e5,
    }


def test_the_graph_gets_what_the_past_says(make_files: Make, resealed: Any, margin_of: Any) -> None:
    bundle, columns = open_files(remembering(make_files, resealed)), stream(12)
    incomes = columns["income"]
    means = [incomes[row] if row < 2 else (incomes[row] + incomes[row - 2]) / 2 for row in range(12)]
    expected = margin_of({**columns, "income": np.array(means)})
    found = bundle.session().push(columns, margin=True)["margin"]
    np.testing.assert_allclose(found[:, -1], expected, rtol=1e-9)
    mixed = np.random.default_rng(1).permutation(12)
    shuffled = bundle.score({name: values[mixed] for name, values in columns.items()}, margin=True)["margin"]
    np.testing.assert_allclose(shuffled, found[mixed], rtol=1e-12)


def test_golden_stretches_are_answered_as_a_table_and_as_a_stream(make_files: Make, resealed: Any) -> None:
    files, columns = remembering(make_files, resealed), stream(50)
    bundle = open_files(files)
    files["golden.npz"] = golden.pack(columns, bundle.score(columns, margin=True), bundle.inputs)
    manifest = {key: value for key, value in json.loads(files["manifest.json"]).items() if key != "files"}
    again = open_files(resealed(files, manifest))
    assert again.check_golden() <= 1e-12


def test_refused_rows_leave_the_past_as_it_was(make_files: Make, resealed: Any) -> None:
    bundle, columns = open_files(remembering(make_files, resealed)), stream(6)
    session = bundle.session()
    session.push({name: values[:4] for name, values in columns.items()})
    before = session.state()
    with pytest.raises(MissingColumn):
        session.push({"age": [1.0]})
    with pytest.raises(WrongType):
        session.push({"age": ["old"], "since": [5_000_000], "colour": ["red"], "income": [1.0]})
    assert session.state() == before
    assert session.counts == {"rows": 4, "late": 0, "repeated": 0, "unplaced": 0}


def test_rows_that_the_graph_refuses_are_taken_back(make_files: Make, resealed: Any) -> None:
    bundle, columns = open_files(remembering(make_files, resealed)), stream(4)
    session = bundle.session()
    session.push(columns)
    before = session.state()
    broken = {"age": [1.0], "since": [9_000_000], "colour": ["\ud800"], "income": [1.0]}
    with pytest.raises(Exception, match="FB-SCORE-003"):
        session.push(broken)
    assert session.state() == before


@pytest.mark.parametrize("damage", ["!", "QUJD", ""])
def test_a_damaged_state_is_refused(make_files: Make, resealed: Any, damage: str) -> None:
    bundle = open_files(remembering(make_files, resealed))
    state = json.loads(bundle.session().state())
    with pytest.raises(StateInvalid):
        bundle.session(json.dumps({**state, "windows": damage}).encode())


@pytest.mark.parametrize(
    "windows",
    [
        {"format": 2},
        {"features": []},
        {"features": [{**MEAN, "rows": -1}]},
        {"features": [{**MEAN, "column": "wealth"}]},
        {"graph": [{"name": "wealth", "kind": "number", "logical": "", "unit": None}]},
        {"graph": None},
        {"entity": 3},
    ],
)
def test_a_specification_that_does_not_fit_is_refused(make_files: Make, resealed: Any, windows: Any) -> None:
    files = remembering(make_files, resealed)
    whole = json.loads(files["manifest.json"])["windows"] | windows
    with pytest.raises(ManifestInvalid):
        open_files(remembering(make_files, resealed, windows=whole))


def test_windows_without_state_are_refused_and_so_is_state_without_windows(make_files: Make, resealed: Any) -> None:
    with pytest.raises(ManifestInvalid):
        open_files(remembering(make_files, resealed, requires=[]))
    with pytest.raises(BundleUnsupported):
        open_files(remembering(make_files, resealed, requires=["state", "tables"]))


def test_the_content_hash_covers_the_windows(make_files: Make, resealed: Any) -> None:
    first = open_files(remembering(make_files, resealed))
    windows = {**first.manifest["windows"], "order": None}
    second = open_files(remembering(make_files, resealed, windows=windows))
    assert first.content_hash != second.content_hash
    assert isinstance(second.inputs, Schema)
