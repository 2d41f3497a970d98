"""A server in a process of its own on loopback, asked by the field's own client."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from flyball.core.clock import SystemClock
from flyball.serving import NotLoopback, PortTaken, run, serving_app

_SERVER = """
import sys
from pathlib import Path
from flyball.core.clock import SystemClock
from flyball.predictions import PredictionLog
from flyball.serving import Served, run, serving_app
from flyball.store.database import Database
from flyball_runtime.bundle import open_bundle
folder = Path(sys.argv[1])
served = {p.name: Served(open_bundle(p), p.name, 3, "production") for p in (folder / "bundles").iterdir()}
with Database.open("sqlite:///s.db", SystemClock(), folder=folder) as database, PredictionLog(database) as log:
    app = serving_app(served, log, SystemClock())
    run(app, ready=lambda address: print(address.host, address.port, flush=True))
print("ended", flush=True)
"""


@pytest.fixture(scope="module")
def server(bundles, tmp_path_factory) -> Iterator[tuple[str, int, subprocess.Popen[str]]]:
    folder: Path = tmp_path_factory.mktemp("server")
    for name, bundle in bundles.items():
        (folder / "bundles" / name).mkdir(parents=True)
        for file, content in bundle.files.items():
            (folder / "bundles" / name / file).write_bytes(content)
    process = subprocess.Popen([sys.executable, "-c", _SERVER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    host, port = process.stdout.readline().split()
    yield host, int(port), process
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=20)
    assert (process.returncode, rest) == (0, "ended\n")


TABLE = {
    "Air temperature [K]": np.array([298.1, np.nan, -1e6]),
    "flag": np.array([True, False, True]),
    "ts": np.array([b"2026-01-02T03:04:05Z", b"1960-05-05", b"2026-01-02T03:04:05+02:00"], dtype=object),
    "Type": np.array(["L", "Ä", "unseen"], dtype=object),
}
_CLIENT = """
import json, sys
import numpy as np
import tritonclient.http as triton
url, name = sys.argv[1:]
client = triton.InferenceServerClient(url)
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(name, "3")
meta = client.get_model_metadata(name)
table = {
    "Air temperature [K]": np.array([298.1, np.nan, -1e6]),
    "flag": np.array([True, False, True]),
    "ts": np.array(["2026-01-02T03:04:05Z", "1960-05-05", "2026-01-02T03:04:05+02:00"], dtype=object),
    "Type": np.array(["L", "Ä", "unseen"], dtype=object),
}
kinds = {"Air temperature [K]": "FP64", "flag": "BOOL", "ts": "BYTES", "Type": "BYTES"}
def tensors(binary, shape):
    made = [triton.InferInput(column["name"], shape, kinds[column["name"]]) for column in meta["inputs"]]
    for tensor in made:
        tensor.set_data_from_numpy(table[tensor.name()].reshape(shape), binary_data=binary)
    return made
wanted = [triton.InferRequestedOutput(o["name"], binary_data=False) for o in meta["outputs"]]
results = [
    client.infer(name, tensors(False, [3]), request_id="r1", outputs=wanted),
    client.infer(name, tensors(False, [3, 1]), model_version="3", request_compression_algorithm="gzip"),
    client.async_infer(name, tensors(False, [3]), outputs=wanted).get_result(),
]
answer = {"id": results[0].get_response()["id"], "outputs": []}
for result in results:
    arrays = {o["name"]: result.as_numpy(o["name"]) for o in meta["outputs"]}
    answer["outputs"].append({n: [a.tolist(), list(a.shape)] for n, a in arrays.items()})
errors = {
    "binary": lambda: client.infer(name, tensors(True, [3])),
    "missing": lambda: client.infer(name, tensors(False, [3])[1:]),
    "model": lambda: client.get_model_metadata("nobody"),
}
for label, call in errors.items():
    try:
        call()
    except triton.InferenceServerException as error:
        answer[label] = [error.status(), error.message()]
print(json.dumps(answer))
"""


@pytest.mark.parametrize("name", ["machines", "grades", "flags", "load"])
def test_tritonclient_gets_the_bundles_predictions(server, bundles, name):
    host, port, _ = server
    # In its own process: the client brings gevent, which would patch this one.
    child = subprocess.run(
        [sys.executable, "-c", _CLIENT, f"{host}:{port}", name], capture_output=True, text=True, check=False, timeout=60
    )
    assert child.returncode == 0, child.stderr
    answer = json.loads(child.stdout)
    expected = bundles[name].score({**TABLE, "ts": [text.decode() for text in TABLE["ts"]]})
    assert answer["id"] == "r1"
    for outputs in answer["outputs"]:
        assert outputs == {n: [values.tolist(), list(values.shape)] for n, values in expected.items()}
    assert answer["binary"][0] == "400" and "binary_data=False" in answer["binary"][1]
    assert answer["missing"][0] == "400" and "Air temperature [K]" in answer["missing"][1]
    assert answer["model"][0] == "404"


def test_single_rows_on_one_connection_are_answered_without_a_delayed_acknowledgement(server):
    host, port, _ = server
    connection = http.client.HTTPConnection(host, port, timeout=10)
    body = json.dumps({"Air temperature [K]": 1.0, "flag": True, "ts": None, "Type": "L"})
    seconds = []
    for _ in range(40):
        start = time.perf_counter()
        connection.request("POST", "/predict/load", body)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
        seconds.append(time.perf_counter() - start)
    connection.close()
    assert statistics.quantiles(seconds, n=4)[0] < 0.035  # the delay would be 0.040 each time


def test_a_body_beyond_the_limit_gets_its_reason_over_a_real_connection(server):
    host, port, _ = server
    answer = httpx.post(f"http://{host}:{port}/predict/load", content=b" " * (20 * 2**20), timeout=30)
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"


def test_a_client_that_hangs_up_half_way_leaves_the_server_answering(server):
    host, port, _ = server
    with socket.create_connection((host, port)) as raw:
        raw.sendall(b"POST /predict/load HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
    with socket.create_connection((host, port), timeout=10) as raw:
        raw.sendall(b"nonsense\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400")
    assert httpx.get(f"http://{host}:{port}/readyz").status_code == 200


def test_a_taken_port_and_an_unprotected_address_are_refused_before_anything_listens(server, monkeypatch):
    host, port, _ = server
    with pytest.raises(PortTaken, match=str(port)):
        run(serving_app({}, None, SystemClock()), host=host, port=port)
    with pytest.raises(PortTaken, match="cannot listen"):
        run(serving_app({}, None, SystemClock()), port=70_000)
    for token in (None, "", "short"):
        with pytest.raises(NotLoopback) as refusal:
            run(serving_app({}, None, SystemClock()), host="0.0.0.0", token=token)
        assert refusal.value.exit_code == 2
    with pytest.raises(PortTaken):
        run(serving_app({}, None, SystemClock()), host="nowhere.invalid", token="t" * 32)


def test_requests_under_way_are_answered_before_a_stopped_server_ends(bundles, tmp_path):
    """SIGTERM in the middle of a request: the answer still comes, is logged, and the process ends with 0."""
    folder = tmp_path / "bundles" / "load"
    folder.mkdir(parents=True)
    for file, content in bundles["load"].files.items():
        (folder / file).write_bytes(content)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout
    host, port = process.stdout.readline().split()
    body = json.dumps({"Air temperature [K]": 1.0, "flag": True, "ts": None, "Type": "L"}).encode()
    with socket.create_connection((host, int(port)), timeout=20) as raw:
        head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        raw.sendall(head.encode() + body[:10])
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        raw.sendall(body[10:])
        assert raw.recv(4096).startswith(b"HTTP/1.1 200")
    rest, _ = process.communicate(timeout=20)
    assert (process.returncode, rest) == (0, "ended\n")


def test_a_server_in_a_thread_serves_until_its_event_is_set(served, log, listening):
    address = listening(serving_app(served, log, SystemClock()))

    async def go() -> int:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://{address}/v2/health/ready")).status_code

    assert asyncio.run(go()) == 200
