"""Whatever fits a tensor's datatype arrives unchanged; whatever does not is refused with a code, never a crash."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyball.serving.asgi import json_bytes, parse_json
from flyball.serving.named import read_rows
from flyball.serving.served import Served
from flyball.serving.tensors import read_request, write_outputs
from flyball_runtime.errors import BadInput
from flyball_runtime.schema import MISSING_TIME, Field, Schema

SCHEMA = Schema((Field("x", "number"), Field("t", "time"), Field("s", "text")))
SERVED = Served(SimpleNamespace(inputs=SCHEMA, classes=None, manifest={}, windowed=None), "m", 1)  # type: ignore[arg-type]
RANGES = {
    name: np.iinfo(name.lower()) for name in ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
}
KEYS = st.sampled_from(["name", "data", "x", "parameters", "rows"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "data", "x", "parameters", "rows"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def body(x, t, s):
    return {"inputs": [{"name": name, **tensor} for name, tensor in (("x", x), ("t", t), ("s", s))]}


def tensor(datatype, data):
    return {"datatype": datatype, "shape": [len(data)], "data": data}


@given(st.data())
def test_values_of_a_datatype_arrive_as_they_were_sent(data):
    kind = data.draw(st.sampled_from(["FP64", "FP32", "BOOL", *RANGES]))
    if kind == "BOOL":
        cell = st.booleans()
    elif kind in RANGES:
        cell = st.integers(int(RANGES[kind].min), int(RANGES[kind].max))
    else:
        cell = st.floats(width=64 if kind == "FP64" else 32)
    rows = data.draw(st.integers(1, 5))
    numbers = data.draw(st.lists(st.none() | cell, min_size=rows, max_size=rows))
    micros = st.none() | st.integers(MISSING_TIME + 1, 2**63 - 1)
    times = data.draw(st.lists(micros, min_size=rows, max_size=rows))
    texts = data.draw(st.lists(st.none() | st.text(max_size=5), min_size=rows, max_size=rows))
    sent = body(tensor(kind, numbers), tensor("INT64", times), tensor("BYTES", texts))
    columns = read_request(parse_json(json.dumps(sent).encode()), SERVED).columns
    assert columns["x"].dtype == np.float64
    for got, number in zip(columns["x"].tolist(), numbers, strict=True):
        assert math.isnan(got) if number is None or number != number else got == float(number)
    assert columns["t"].tolist() == [MISSING_TIME if value is None else value for value in times]
    assert columns["s"].tolist() == texts


@given(
    ANYTHING, ANYTHING, st.sampled_from(["FP64", "FP32", "FP16", "BYTES", "BOOL", "INT8", "UINT64", "X", 3]), ANYTHING
)
def test_nonsense_is_refused_with_a_code(x, outputs, datatype, shape):
    good = tensor("BYTES", ["2026-01-01"])
    for sent in (
        x,
        {"inputs": x, "outputs": outputs},
        {**body(tensor("FP64", [1.0]), good, good), "outputs": outputs, "id": x},
        {**body(tensor("FP64", [1.0]), good, good), "outputs": [{"name": "low", "parameters": x}]},
        body({"datatype": datatype, "shape": [1], "data": [x]}, good, good),
        body({"datatype": datatype, "shape": shape, "data": x}, good, good),
        body({"datatype": datatype, "shape": [1], "data": [1], "parameters": x}, good, good),
    ):
        try:
            assert len(read_request(sent, SERVED).columns) == 3
        except BadInput as error:
            assert error.code.startswith("FB-SERVE-")


@given(ANYTHING, ANYTHING)
def test_nonsense_rows_are_refused_with_a_code(x, s):
    for sent in (x, {"rows": x}, {"columns": x}, {"x": x, "t": None, "s": s}, {"columns": {"x": x, "t": x, "s": s}}):
        try:
            assert set(read_rows(sent, SCHEMA)) == {"x", "t", "s"}
        except BadInput as error:
            assert error.code.startswith("FB-SERVE-")


@given(st.integers(1, 4), st.integers(1, 4), st.randoms())
def test_outputs_are_row_major_and_read_back_the_same(rows, classes, random):
    matrix = np.array([[random.random() for _ in range(classes)] for _ in range(rows)])
    (made,) = parse_json(json_bytes(write_outputs({"probability": matrix}, None)))
    assert np.array_equal(np.array(made["data"]).reshape(made["shape"]), matrix)


@pytest.mark.parametrize(
    ("values", "datatype"),
    [
        (np.array([True]), "BOOL"),
        (np.array([3]), "INT64"),
        (np.array([0.5]), "FP64"),
        (np.array(["a"], dtype=object), "BYTES"),
    ],
)
def test_each_class_type_has_its_datatype(values, datatype):
    assert write_outputs({"prediction": values}, None)[0]["datatype"] == datatype
