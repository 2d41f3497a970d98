"""The Open Inference Protocol V2 over the real application, bundle and log."""

from __future__ import annotations

import gzip
import json
import math

import numpy as np
import pytest

from flyball.core.clock import SystemClock
from flyball.serving import Limits, serving_app

MODEL = "/v2/models/machines"
TABLE = {
    "Air temperature [K]": [298.1, float("nan"), 1e9, float("inf")],
    "flag": [True, False, True, False],
    "ts": ["2026-01-02T03:04:05Z", None, "1960-01-01", "2026-01-02 03:04:05"],
    "Type": ["L", "M", None, "unseen"],
}
TYPES = {"Air temperature [K]": "FP64", "flag": "BOOL", "ts": "BYTES", "Type": "BYTES"}


def request(rows: slice = slice(None), **changes):
    inputs = [
        {"name": name, "datatype": TYPES[name], "shape": [len(values[rows])], "data": values[rows]}
        for name, values in TABLE.items()
    ]
    for tensor in inputs:
        tensor.update(changes.get(tensor["name"], {}))
    return {"inputs": inputs}


def post(ask, body, path=f"{MODEL}/infer", **arguments):
    return ask("POST", path, content=json.dumps(body).encode(), **arguments)


def test_the_server_and_its_models_describe_themselves(ask):
    assert ask("GET", "/v2").json()["extensions"] == []
    assert ask("GET", "/v2/health/live").status_code == ask("GET", "/v2/health/ready").status_code == 200
    for path in (MODEL, f"{MODEL}/versions/3"):
        answer = ask("GET", path).json()
        assert (answer["name"], answer["versions"]) == ("machines", ["3"])
        assert answer["inputs"][0] == {"name": "Air temperature [K]", "datatype": "FP64", "shape": [-1]}
        assert answer["outputs"] == [
            {"name": "prediction", "datatype": "BYTES", "shape": [-1]},
            {"name": "probability", "datatype": "FP64", "shape": [-1, 2]},
        ]
        assert ask("GET", f"{path}/ready").json() == {"name": "machines", "ready": True}
    assert [o["name"] for o in ask("GET", "/v2/models/load").json()["outputs"]] == ["prediction", "low", "high"]
    assert ask("HEAD", "/v2/health/live").content == b""


def test_class_sets_are_an_output_of_truth_values(ask, bundles):
    described = ask("GET", "/v2/models/sets").json()["outputs"]
    assert described[-1] == {"name": "in_set", "datatype": "BOOL", "shape": [-1, 3]}
    answer = post(ask, {**request(), "outputs": [{"name": "in_set"}]}, "/v2/models/sets/infer").json()
    (tensor,) = answer["outputs"]
    expected = bundles["sets"].score(TABLE)["in_set"]
    assert (tensor["datatype"], tensor["shape"]) == ("BOOL", list(expected.shape))
    assert tensor["data"] == expected.ravel().tolist()


@pytest.mark.parametrize("name", ["machines", "grades", "flags", "load"])
def test_an_inference_gives_the_bundles_own_outputs(ask, bundles, name):
    answer = post(ask, {**request(), "id": "Nr. 1"}, f"/v2/models/{name}/versions/3/infer").json()
    expected = bundles[name].score(TABLE)
    assert (answer["model_name"], answer["model_version"], answer["id"]) == (name, "3", "Nr. 1")
    assert len(answer["parameters"]["prediction_ids"].split(",")) == 4
    outputs = {tensor["name"]: tensor for tensor in answer["outputs"]}
    assert set(outputs) == set(expected)
    for output, values in expected.items():
        assert outputs[output]["shape"] == list(values.shape)
        got = [math.inf if v is None else v for v in outputs[output]["data"]]
        finite = [math.inf if isinstance(v, float) and not math.isfinite(v) else v for v in values.ravel().tolist()]
        assert got == finite
    kinds = {"machines": "BYTES", "grades": "INT64", "flags": "BOOL", "load": "FP64"}
    assert outputs["prediction"]["datatype"] == kinds[name]


def test_other_datatypes_and_shapes_of_the_same_values_give_the_same_answer(ask, bundles):
    micros = 1767323045000000
    body = request(slice(0, 1), **{
        "Air temperature [K]": {"datatype": "INT32", "data": [[298]], "shape": [1, 1]},
        "flag": {"datatype": "UINT8", "data": [1]},
        "ts": {"datatype": "INT64", "data": [micros]},
    })  # fmt: skip
    row = {"Air temperature [K]": [298.0], "flag": [1.0], "ts": ["2026-01-02T03:04:05Z"], "Type": ["L"]}
    expected = bundles["machines"].score(row)["probability"].ravel().tolist()
    answer = post(ask, body).json()
    assert answer["outputs"][1]["data"] == expected
    body["inputs"][0] |= {"datatype": "FP32", "data": [298.1]}
    row["Air temperature [K]"] = [float(np.float32(298.1))]
    assert (
        post(ask, body).json()["outputs"][1]["data"] == bundles["machines"].score(row)["probability"].ravel().tolist()
    )


def test_requested_outputs_come_alone_and_in_order(ask):
    body = {**request(), "outputs": [{"name": "probability", "parameters": {"binary_data": True}}]}
    assert [tensor["name"] for tensor in post(ask, body).json()["outputs"]] == ["probability"]
    body["outputs"] = [{"name": "probability"}, {"name": "prediction"}]
    assert [tensor["name"] for tensor in post(ask, body).json()["outputs"]] == ["probability", "prediction"]


BAD_INPUTS = {
    "wrong datatype for a number": {"Air temperature [K]": {"datatype": "BYTES", "data": ["a"] * 4}},
    "wrong datatype for text": {"Type": {"datatype": "FP64", "data": [1.0] * 4}},
    "wrong datatype for a time": {"ts": {"datatype": "FP64", "data": [1.0] * 4}},
    "unknown datatype": {"Type": {"datatype": "STRING"}},
    "datatype is no text": {"Type": {"datatype": ["BYTES"]}},
    "shape and data differ": {"flag": {"shape": [5]}},
    "rows differ": {"flag": {"shape": [3], "data": [True] * 3}},
    "two columns": {"flag": {"shape": [2, 2]}},
    "three dimensions": {"flag": {"shape": [4, 1, 1]}},
    "shape is missing": {"flag": {"shape": None}},
    "negative shape": {"flag": {"shape": [-4]}},
    "boolean shape": {"flag": {"shape": [True]}},
    "no rows": {"flag": {"shape": [0], "data": []}},
    "data is missing": {"flag": {"data": None}},
    "data is an object": {"flag": {"data": {"0": True}}},
    "text among numbers": {"Air temperature [K]": {"data": [1.0, "2", 3.0, 4.0]}},
    "number among texts": {"Type": {"data": ["L", 3, "M", "M"]}},
    "fraction among integers": {"flag": {"datatype": "INT32", "data": [1, 0, 1, 0.5]}},
    "outside the datatype": {"flag": {"datatype": "INT8", "data": [1, 0, 1, 300]}},
    "negative unsigned": {"flag": {"datatype": "UINT64", "data": [1, 0, 1, -1]}},
    "beyond float32": {"Air temperature [K]": {"datatype": "FP32", "data": [1, 2, 3, 1e300]}},
    "beyond float64": {"Air temperature [K]": {"data": [1, 2, 3, 10**400]}},
    "time that is none": {"ts": {"data": ["yesterday"] * 4}},
    "half a surrogate pair": {"Type": {"data": ["L", "\ud800", "M", "M"]}},
    "deeper nesting": {"flag": {"data": [[[True]]] * 4, "shape": [4, 1]}},
    "binary tensor": {"flag": {"parameters": {"binary_data_size": 4}, "data": None}},
    "shared memory": {"flag": {"parameters": {"shared_memory_region": "r"}, "data": None}},
    "unknown name": {"flag": {"name": "flags"}},
}


@pytest.mark.parametrize("changes", BAD_INPUTS.values(), ids=BAD_INPUTS.keys())
def test_a_malformed_tensor_is_refused_with_a_reason_and_not_logged(ask, log, changes):
    before = log.counts("machines")
    answer = post(ask, request(**changes))
    assert answer.status_code == 400
    assert answer.json()["error"] and answer.json()["code"].startswith("FB-")
    assert log.counts("machines") == before


def test_the_reason_names_what_is_wrong(ask):
    def error(body):
        return post(ask, body).json()["error"]

    body = request()
    del body["inputs"][1]
    assert 'the input "flag" is missing' in error(body)
    assert 'did you mean "flag"?' in error(request(flag={"name": "flags"}))
    assert "binary_data=False" in error(request(**BAD_INPUTS["binary tensor"]))
    assert "row 1" in error(request(**BAD_INPUTS["number among texts"]))
    assert "given twice" in error({"inputs": request()["inputs"] * 2})
    assert 'no output "proba"' in error({**request(), "outputs": [{"name": "proba"}]})


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"3", b'{"inputs": 3}', b'{"inputs": [3]}', b'{"inputs": [{}]}', b'{"inputs": []}',
        b"\xff\xfe{}", b"[" * 100_000, b'{"inputs": [{"name": "flag", "shape": [' + b"1" * 5000 + b"]}]}",
        b'{"id": 3, "inputs": []}',
    ],
)  # fmt: skip
def test_a_malformed_body_is_refused_with_a_reason(ask, content):
    answer = ask("POST", f"{MODEL}/infer", content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize("outputs", [3, [3], [{"name": 3}], [{"name": "low"}], [
    {"name": "probability", "parameters": {"classification": 2}}]])  # fmt: skip
def test_outputs_that_cannot_be_given_are_refused(ask, outputs):
    answer = post(ask, {**request(), "outputs": outputs})
    assert answer.status_code == 400
    assert answer.json()["code"] == "FB-SERVE-008"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/machine", 404),
        ("GET", f"{MODEL}/versions/4", 404),
        ("POST", "/v2/models/nobody/infer", 404),
        ("GET", "/v2/models", 404),
        ("GET", f"{MODEL}/config", 404),
        ("GET", "/v3", 404),
        ("GET", "/v2/models/%2e%2e%2fmachines", 404),
        ("GET", f"{MODEL}/infer", 405),
        ("DELETE", MODEL, 405),
        ("POST", "/v2", 405),
    ],
)
def test_unknown_paths_models_and_methods_are_named(ask, method, path, status):
    answer = ask(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert status != 405 or answer.headers["allow"]


def test_a_binary_body_is_refused_by_its_header(ask):
    answer = post(ask, request(), headers={"Inference-Header-Content-Length": "10"})
    assert answer.status_code == 400
    assert "binary_data=False" in answer.json()["error"]


def test_compressed_bodies_are_read_and_damaged_ones_refused(ask):
    body = gzip.compress(json.dumps(request()).encode())

    def send(content, encoding):
        return ask("POST", f"{MODEL}/infer", content=content, headers={"content-encoding": encoding}).status_code

    assert send(body, "gzip") == 200
    assert send(body[:-20], "gzip") == 400
    assert send(b"nonsense", "deflate") == 400
    assert send(body, "br") == 415


def test_a_large_batch_is_scored_off_the_event_loop_with_the_same_result(ask, bundles):
    rows = 5000
    columns = {
        "Air temperature [K]": np.linspace(-5, 5, rows).tolist(), "flag": [True] * rows,
        "ts": ["2026-01-02"] * rows, "Type": ["Ä"] * rows,
    }  # fmt: skip
    inputs = [{"name": n, "datatype": TYPES[n], "shape": [rows], "data": v} for n, v in columns.items()]
    answer = post(ask, {"inputs": inputs}, "/v2/models/load/infer").json()
    assert answer["outputs"][0]["data"] == bundles["load"].score(columns)["prediction"].tolist()


def test_a_tensor_of_more_rows_than_the_limit_is_refused_before_it_is_read(ask, served, log):
    app = serving_app(served, log, SystemClock(), limits=Limits(rows=3))
    sent = {"inputs": [{"name": "flag", "datatype": "FP64", "shape": [4], "data": ["never looked at"] * 4}]}
    refused = ask("POST", "/v2/models/load/infer", json=sent, app=app)
    assert (refused.status_code, refused.json()["code"]) == (413, "FB-SERVE-020")
    sent["inputs"][0] |= {"shape": [3], "data": ["looked at"] * 3}
    assert ask("POST", "/v2/models/load/infer", json=sent, app=app).json()["code"] == "FB-SERVE-005"
