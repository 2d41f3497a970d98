"""No bytes of a bundle make the runtime do anything but open it or refuse it with a code."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from flyball_runtime import golden
from flyball_runtime.arrays import unpack_arrays
from flyball_runtime.bundle import open_files
from flyball_runtime.errors import FlyballError
from flyball_runtime.onnxfile import check_graph_is_closed
from flyball_runtime.profile import Profile
from flyball_runtime.schema import Field, Schema
from flyball_runtime.table import normalise
from flyball_runtime.trust import read_trust

unhurried = settings(deadline=None, max_examples=60)  # a shared machine may stall; that is not what is tested
ALPHABET = "aZ0 -.:_é\x00\ud800"
SCHEMA = Schema((Field("n", "number"), Field("t", "time"), Field("s", "text")))
COLUMNS = {"n": np.array([1.0, np.nan]), "t": np.array([0, 1]), "s": np.array(["a", None], dtype=object)}
GOLDEN = golden.pack(COLUMNS, {"prediction": COLUMNS["n"]}, SCHEMA)
PROFILE = Profile.build(COLUMNS, SCHEMA, blocks=2).to_bytes()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(ALPHABET, max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(ALPHABET, max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["format", "minimum_runtime", "model", "version", "created", "task", "classes", "inputs", "files"]
)
CELLS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(ALPHABET, max_size=4)
    | st.binary(max_size=4)
    | st.datetimes()
    | st.dates()
    | st.decimals()
    | st.complex_numbers()
    | st.lists(st.integers(), max_size=2)
)


def refuses_or_returns(function: Any, *arguments: Any) -> None:
    try:
        function(*arguments)
    except FlyballError as error:
        assert error.code != FlyballError.code
        assert str(error)


@unhurried
@given(st.dictionaries(KEYS, JSON), st.binary(max_size=50))
def test_any_manifest_is_read_or_refused(manifest: dict[str, Any], graph: bytes) -> None:
    refuses_or_returns(open_files, {"manifest.json": json.dumps(manifest).encode(), "model.onnx": graph})


@unhurried
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    refuses_or_returns(check_graph_is_closed, data)
    refuses_or_returns(check_graph_is_closed, data + b"location")
    refuses_or_returns(unpack_arrays, data)
    refuses_or_returns(read_trust, data)
    refuses_or_returns(open_files, {"manifest.json": data, "signature": data})


@unhurried
@given(st.integers(0, len(GOLDEN) - 1), st.integers(0, len(PROFILE) - 1), st.integers(1, 255))
def test_any_changed_byte_in_a_file_of_arrays_is_read_or_refused(first: int, second: int, change: int) -> None:
    for function, data, position in ((golden.unpack, GOLDEN, first), (Profile.from_bytes, PROFILE, second)):
        refuses_or_returns(function, data[:position] + bytes([data[position] ^ change]) + data[position + 1 :])


@unhurried
@given(st.lists(CELLS, max_size=5), st.sampled_from(["number", "time", "text"]), st.sampled_from(["", "boolean"]))
def test_any_cells_become_their_kind_or_are_refused(cells: list[Any], kind: Any, logical: str) -> None:
    schema = Schema((Field("x", kind, logical),))
    try:
        result = normalise({"x": cells}, schema)["x"]
    except FlyballError as error:
        assert '"x"' in error.what
        return
    assert result.dtype == {"number": np.float64, "time": np.int64, "text": object}[kind]
    assert result.shape == (len(cells),)
    assert normalise({"x": result}, schema)["x"] is result
