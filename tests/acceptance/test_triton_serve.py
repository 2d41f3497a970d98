"""`flyball serve` as a process, asked by the field's own client: it answers what the bundle scores."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from flyball_runtime import open_bundle
from support.command_line import flyball
from support.projects import Standing, standing
from support.tables import mixed_table

KINDS = ["binary", "multiclass", "regression"]
_CLIENT = """
import json, sys
import numpy as np
import tritonclient.http as triton
url, columns = sys.argv[1], json.load(sys.stdin)
client = triton.InferenceServerClient(url)
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("plant")
metadata = client.get_model_metadata("plant")
types = {"FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_, "BYTES": object}
inputs = []
for column in metadata["inputs"]:
    cells = columns[column["name"]]
    kind = column["datatype"]
    if kind == "INT64" and isinstance(next((c for c in cells if c is not None), 0), str):
        kind = "BYTES"
    if kind in ("INT64", "BOOL") and None in cells:
        kind = "FP64"
    if kind == "FP64":
        cells = [float("nan") if c is None else float(c) for c in cells]
    elif kind == "BYTES":
        cells = ["" if c is None else c for c in cells]
    made = triton.InferInput(column["name"], [len(cells)], kind)
    made.set_data_from_numpy(np.array(cells, dtype=types[kind]), binary_data=False)
    inputs.append(made)
names = [output["name"] for output in metadata["outputs"]]
outputs = [triton.InferRequestedOutput(name, binary_data=False) for name in names]
result = client.infer("plant", inputs, outputs=outputs, request_id="mine")
answer = {name: result.as_numpy(name) for name in names}
print(json.dumps({name: [c.decode() if isinstance(c, bytes) else c for c in values.ravel().tolist()]
                  for name, values in answer.items()}))
"""


class Server:
    """A `flyball serve` process on a free port."""

    def __init__(self, folder: Path, ref: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flyball", "serve", ref, "--port", "0", "--dir", str(folder), "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        self.announced: dict[str, Any] = json.loads(line)
        self.host = self.announced["url"].removeprefix("http://")

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self.host, timeout=30)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request(method, path, data, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text)

    def stop(self) -> tuple[int, str, str]:
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


def rows(count: int = 40) -> pl.DataFrame:
    """New rows with nulls and unseen texts; a null text and a null number among them."""
    table = mixed_table(count, seed=77).drop("signal")
    odd = pl.Series(["atlantis", None, "o'st, east", *table['the "site", quoted'][3:]])
    return table.with_columns(odd.alias('the "site", quoted'))


def as_json(table: pl.DataFrame) -> dict[str, list[Any]]:
    """Columns as JSON has them: dates as ISO texts."""
    return {
        name: [cell.isoformat() if isinstance(cell, date) else cell for cell in table[name].to_list()]
        for name in table.columns
    }


@pytest.fixture(scope="module", params=KINDS)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Standing, Server]]:
    made = standing(request.param)
    folder = made.copy(tmp_path_factory.mktemp("served") / "p")
    flyball("promote", "plant@1", "live", "--reason", "serve it", folder=folder).answer()
    server = Server(folder, "plant@live")
    first = {name: cells[:1] for name, cells in as_json(rows(5)).items()}
    assert server.ask("POST", "/predict", {"columns": first})[0] == 200
    yield made, server
    code, out, err = server.stop()
    assert (code, out) == (0, ""), err
    assert "Traceback" not in err
    status = flyball("status", folder=folder).answer()
    assert status["predictions"] > 0
    assert flyball("audit", "verify", folder=folder).answer()["ok"]


def test_tritonclient_gets_the_bundles_answers_for_every_kind_of_column(served: tuple[Standing, Server]) -> None:
    made, server = served
    table = rows()
    done = subprocess.run(
        [sys.executable, "-c", _CLIENT, server.host], input=json.dumps(as_json(table)),
        capture_output=True, text=True, check=False, timeout=120, env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answered = json.loads(done.stdout)
    # A text tensor has no null, so "" stands for a missing text there.
    expected = open_bundle(made.bundle).score(table)
    assert set(answered) == set(expected)
    for name, values in expected.items():
        if values.dtype.kind == "f":
            np.testing.assert_array_equal(np.array(answered[name]), values.ravel(), err_msg=name)
        else:
            assert answered[name] == values.ravel().tolist()


def test_predict_takes_rows_and_columns_and_outcomes_come_later(served: tuple[Standing, Server]) -> None:
    made, server = served
    table = rows(6)
    columns = as_json(table)
    scored = open_bundle(made.bundle).score(table)
    by_row = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    for body in ({"rows": by_row}, {"columns": columns}):
        status, answer = server.ask("POST", "/predict", body)
        assert status == 200, answer
        assert (answer["model"], answer["version"]) == ("plant", 1)
        assert [item["prediction"] for item in answer["predictions"]] == scored["prediction"].tolist()
        if "probability" in scored:
            shares = [list(item["probability"].values()) for item in answer["predictions"]]
            np.testing.assert_array_equal(np.array(shares), scored["probability"])
        else:
            assert [item["low"] for item in answer["predictions"]] == scored["low"].tolist()
    status, one = server.ask("POST", "/predict", by_row[0])
    assert (status, len(one["predictions"])) == (200, 1)
    ids = [item["id"] for item in answer["predictions"]]
    assert len(set(ids)) == 6
    truth = scored["prediction"].tolist()
    assert server.ask("POST", "/outcomes", {"id": ids[0], "value": truth[0]})[0] == 200
    later = [{"id": name, "value": value} for name, value in zip(ids[1:], truth[1:], strict=True)]
    assert server.ask("POST", "/outcomes", later)[0] == 200
    status, unknown = server.ask("POST", "/outcomes", {"id": "pred_never", "value": truth[0]})
    assert 400 <= status < 500, unknown


MALFORMED: dict[str, tuple[str, str, Any]] = {
    "no JSON": ("POST", "/predict", b"{"),
    "no text": ("POST", "/predict", b"\xff\xfe"),
    "a list": ("POST", "/predict", [1]),
    "no rows": ("POST", "/predict", {"rows": []}),
    "a row that is no object": ("POST", "/predict", {"rows": [1]}),
    "an unknown column alone": ("POST", "/predict", {"rows": [{"nothing": 1}]}),
    "a nested cell": ("POST", "/predict", {"rows": [{"speed [rpm]": {"a": 1}}]}),
    "an outcome without id": ("POST", "/outcomes", {"value": 1}),
    "no inputs": ("POST", "/v2/models/plant/infer", {}),
    "inputs of another shape": ("POST", "/v2/models/plant/infer", {"inputs": {"a": 1}}),
    "an unknown model": ("GET", "/v2/models/plants", None),
    "an unknown version": ("GET", "/v2/models/plant/versions/7", None),
    "an unknown path": ("GET", "/v3", None),
    "a wrong method": ("GET", "/predict", None),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_request_gets_4xx_with_a_reason(kind: str, served: tuple[Standing, Server]) -> None:
    _, server = served
    status, answer = server.ask(*MALFORMED[kind])
    assert 400 <= status < 500, (status, answer)
    assert answer["error"]


def test_a_tensor_of_the_wrong_type_shape_or_length_is_refused(served: tuple[Standing, Server]) -> None:
    _, server = served
    _, metadata = server.ask("GET", "/v2/models/plant")
    columns = as_json(rows(6).head(2))
    columns["ok?"] = [None, 1.0]
    good = [
        {"name": item["name"], "shape": [2], "datatype": item["datatype"], "data": columns[item["name"]]}
        for item in metadata["inputs"]
    ]
    for item in good:
        if isinstance(item["data"][0], str):
            item["datatype"] = "BYTES"
    status, answer = server.ask("POST", "/v2/models/plant/infer", {"inputs": good})
    assert status == 200, answer
    speed = next(place for place, item in enumerate(good) if item["name"] == "speed [rpm]")
    for change in (
        {"shape": [3]},
        {"data": [1.0]},
        {"datatype": "FP65"},
        {"data": ["fast", "slow"]},
        {"shape": [2, 2]},
    ):
        inputs = [{**item, **change} if place == speed else item for place, item in enumerate(good)]
        status, answer = server.ask("POST", "/v2/models/plant/infer", {"inputs": inputs})
        assert 400 <= status < 500, (change, answer)
        assert answer["error"]
    missing = [item for place, item in enumerate(good) if place != speed]
    status, answer = server.ask("POST", "/v2/models/plant/infer", {"inputs": missing})
    assert status == 400
    assert "speed [rpm]" in json.dumps(answer)


def test_serving_what_is_not_there_or_beyond_loopback_without_a_token_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FLYBALL_TOKEN", raising=False)
    folder = standing("binary").folder
    assert flyball("serve", "plant@nothing", folder=folder).error(2)["code"] == "FB-REG-004"
    beyond = flyball("serve", "plant@1", "--host", "0.0.0.0", folder=folder)
    assert beyond.code in (1, 2)
    assert "FLYBALL_TOKEN" in beyond.out
