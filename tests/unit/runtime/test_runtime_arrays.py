"""Arrays and golden rows survive their file exactly; damage and Python objects are refused."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest

from flyball_runtime import golden
from flyball_runtime.arrays import ArraysInvalid, pack_arrays, text_from_arrays, text_to_arrays, unpack_arrays
from flyball_runtime.schema import MISSING_TIME, Field, Schema

SCHEMA = Schema((Field("n", "number"), Field("t", "time"), Field("s", "text")))
COLUMNS = {
    "n": np.array([1.0, np.nan, -np.inf]),
    "t": np.array([0, MISSING_TIME, -1]),
    "s": np.array(["", None, "é\x00\ud800 trailing\x00"], dtype=object),
}
OUTPUTS = {
    "prediction": np.array(["a", "b", "a"], dtype=object),
    "probability": np.array([[0.9, 0.1], [0.2, 0.8], [0.500001, 0.499999]]),
}


def test_equal_arrays_give_equal_bytes_and_come_back() -> None:
    arrays = {"b": np.arange(6).reshape(2, 3), "a": np.array([True, False])}
    data = pack_arrays(arrays)
    assert data == pack_arrays(dict(reversed(arrays.items())))
    restored = unpack_arrays(data)
    assert list(restored) == ["a", "b"]
    np.testing.assert_array_equal(restored["b"], arrays["b"])


def test_objects_are_never_written_and_never_loaded() -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        pack_arrays({"a": np.array([object()])})
    member = io.BytesIO()
    np.lib.format.write_array(member, np.array([Exception()], dtype=object), allow_pickle=True)
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("a.npy", member.getvalue())
    with pytest.raises(ArraysInvalid, match="FB-BUNDLE-004"):
        unpack_arrays(sink.getvalue())
    with pytest.raises(ArraysInvalid):
        unpack_arrays(pickle.dumps({"a": 1}))


def test_an_archive_that_would_unpack_beyond_two_gib_is_refused_unread() -> None:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("a.npy", b"x")
    data = sink.getvalue()
    position = data.rindex(b"PK\x01\x02") + 24  # the size after unpacking, in the central directory
    with pytest.raises(ArraysInvalid, match="2 GiB"):
        unpack_arrays(data[:position] + b"\xff\xff\xff\xfe" + data[position + 4 :])


def test_text_comes_back_exactly_and_misfits_are_refused() -> None:
    data, lengths = text_to_arrays(COLUMNS["s"])
    assert text_from_arrays(data, lengths).tolist() == COLUMNS["s"].tolist()
    for broken in (lengths + 1, lengths - 5, np.array([3])):
        with pytest.raises(ArraysInvalid):
            text_from_arrays(data, broken)


def test_golden_rows_come_back_exactly() -> None:
    columns, outputs, schema = golden.unpack(golden.pack(COLUMNS | {"extra": np.zeros(3)}, OUTPUTS, SCHEMA))
    assert schema == SCHEMA
    assert list(columns) == ["n", "t", "s"]
    for name, values in (COLUMNS | OUTPUTS).items():
        np.testing.assert_array_equal((columns | outputs)[name], values)


@pytest.mark.parametrize("cut", [0, 10, 200, -40])
def test_damaged_golden_rows_are_refused_with_a_code(cut: int) -> None:
    with pytest.raises(ArraysInvalid):
        golden.unpack(golden.pack(COLUMNS, OUTPUTS, SCHEMA)[:cut])
    with pytest.raises(ArraysInvalid):
        golden.unpack(pack_arrays({"header": np.zeros(2, dtype=np.uint8)}))


def test_the_difference_is_relative_and_counts_labels_unless_tied() -> None:
    assert golden.difference(OUTPUTS, OUTPUTS) == 0.0
    near = OUTPUTS | {"probability": OUTPUTS["probability"] + 1e-7}
    assert golden.difference(OUTPUTS, near) == pytest.approx(1e-7)
    tied = OUTPUTS | {"prediction": np.array(["a", "b", "b"], dtype=object)}
    assert golden.difference(OUTPUTS, tied) == 0.0
    wrong = OUTPUTS | {"prediction": np.array(["b", "b", "a"], dtype=object)}
    assert golden.difference(OUTPUTS, wrong) == np.inf
    assert golden.difference(OUTPUTS, {"prediction": OUTPUTS["prediction"]}) == np.inf
    held = OUTPUTS | {"in_set": np.array([[True, False], [False, True], [True, False]])}
    moved = held | {"in_set": np.array([[True, False], [False, True], [True, True]])}
    assert golden.difference(held, moved) == np.inf
    assert golden.difference(held, moved, thresholds=np.array([0.5, 0.49999])) == 0.0
    large = {"low": np.array([1e6, np.nan, np.inf])}
    assert golden.difference(large, {"low": np.array([1e6 + 1, np.nan, np.inf])}) == pytest.approx(1e-6)
    assert golden.difference(large, {"low": np.array([1e6, 0.0, np.inf])}) == np.inf
