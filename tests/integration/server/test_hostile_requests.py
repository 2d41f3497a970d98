"""What a server that really runs does with requests that mean harm: a coded refusal, nothing written, nobody kept waiting."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from support.servers import Process, until

FILES = "/api/2.0/mlflow-artifacts/artifacts/"
PROMOTE = "/api/v1/models/plant/promote"
LOG = "/api/2.0/mlflow/runs/log-metric"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server whose folder stands alone in another one."""
    process = Process(tmp_path_factory.mktemp("attacked") / "p" / "q")
    yield process
    assert process.end(signal.SIGTERM) == 0
    assert not [line for line in process.lines if line["event"] == "unforeseen"]


class Wire:
    """A connection on which a test sends what it likes."""

    def __init__(self, server: Process) -> None:
        address = urlsplit(server.url)
        self.host = address.netloc
        self.socket = socket.create_connection((address.hostname, address.port), timeout=40)

    def send(self, method: str, path: str, *headers: str, body: bytes = b"") -> Wire:
        head = [f"{method} {path} HTTP/1.1", f"host: {self.host}", *headers, "", ""]
        self.socket.sendall("\r\n".join(head).encode("latin-1") + body)
        return self

    def answer(self) -> tuple[int, str]:
        """Status and body of the answer, whichever way it ends."""
        with self.socket, self.socket.makefile("rb") as stream:
            status = int(stream.readline().split()[1])
            length = 0
            while (line := stream.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            return status, stream.read(length).decode()

    def ended(self) -> bool:
        """Whether the server hangs up, after all that it had to say."""
        with self.socket, contextlib.suppress(ConnectionResetError):
            while self.socket.recv(65_536):
                pass
        return True


def written(server: Process) -> tuple[list[str], Any, Any]:
    """What lies around the project and in its artifact store, and what the ledger and the root of all files hold."""
    top = server.folder.parent.parent
    kept = [
        path.relative_to(top).as_posix()
        for path in sorted(top.rglob("*"))
        if ".flyball/flyball.db" not in path.as_posix() and path.is_file()
    ]
    entries = httpx.get(f"{server.url}/api/v1/ledger").json()
    return kept, entries, httpx.get(f"{server.url}/api/2.0/mlflow-artifacts/artifacts").json()


CLIMBING = [
    "../x", "a/../../x", "%2e%2e/x", "%2e%2e%2fx", "a/%2e%2e/%2e%2e/x", "%252e%252e/x", "%25252e%25252e%25252fx",
    "..%5cx", "a%5c..%5c..%5cx", "%5c%5chost%5cshare", "/etc/passwd", "%2fetc%2fpasswd", "%252fetc", "C:/x", "C:%5cx",
    "a%00b", "a%2500b", "a/./b", "a//b", "%c0%ae%c0%ae/x", "%ff", "%ef%bc%8e%ef%bc%8e/x", "%e2%80%a5/x",
    "a%ef%bc%8fb%ef%bc%8f..", "a%0ab", "a%23b", "x" * 1001,
]  # fmt: skip


@pytest.mark.parametrize("path", CLIMBING)
def test_a_path_that_leads_out_of_its_folder_is_refused_by_every_method(server: Process, path: str) -> None:
    before = written(server)
    for method in ("PUT", "GET", "DELETE"):
        status, text = Wire(server).send(method, FILES + path, "content-length: 1", body=b"x").answer()
        told = json.loads(text)
        assert (status, told["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), text
        assert told["message"].startswith("FB-TRACK-007")
    listed = Wire(server).send("GET", FILES.rstrip("/") + "?path=" + path).answer()
    assert listed[0] == 400 or json.loads(listed[1]) == {"files": []}
    assert written(server) == before


@pytest.fixture
def canary() -> Iterator[tuple[int, list[Any]]]:
    """A port that notes whoever comes."""
    came: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            with contextlib.suppress(OSError):
                while True:
                    caller, address = listener.accept()
                    came.append(address)
                    caller.close()

        threading.Thread(target=listen, daemon=True).start()
        yield listener.getsockname()[1], came
        listener.shutdown(socket.SHUT_RDWR)


def test_a_source_is_never_fetched_and_a_path_of_the_machine_is_none(
    server: Process, canary: tuple[int, list[Any]]
) -> None:
    port, came = canary
    api = f"{server.url}/api/2.0/mlflow"
    assert httpx.post(f"{api}/registered-models/create", json={"name": "fetched"}).status_code == 200

    def register(source: str) -> httpx.Response:
        return httpx.post(f"{api}/model-versions/create", json={"name": "fetched", "source": source})

    for scheme in ("http", "https", "ftp", "gopher", "s3", "dbfs", "hdfs"):
        assert register(f"{scheme}://127.0.0.1:{port}/model").status_code == 200  # a name of another place, no more
    for source in (
        "file:///etc/passwd",
        "/etc/passwd",
        "../x",
        "file://127.0.0.1/etc",
        "FILE:/etc",
        "http://h/a/%2e%2e/b",
    ):
        assert register(source).json()["error_code"] == "INVALID_PARAMETER_VALUE", source
    for source in (f"mlflow-artifacts://127.0.0.1:{port}/x", "runs:/none/x", "models:/m-none", "models:/none/1"):
        assert register(source).status_code in (400, 404), source
    assert httpx.get(f"{api}/model-versions/get-download-uri?name=fetched&version=1").status_code == 200
    for root in ("file:///etc", "/etc", f"http://127.0.0.1:{port}/../x"):
        made = httpx.post(f"{api}/experiments/create", json={"name": root, "artifact_location": root})
        assert made.json().get("error_code") == "INVALID_PARAMETER_VALUE", made.text
    assert came == []


def code_of(answer: tuple[int, str]) -> tuple[int, str]:
    """Status and code, as either interface says it."""
    told = json.loads(answer[1])
    return answer[0], told.get("code") or told["message"].partition(" ")[0]


@pytest.mark.parametrize("path", [PROMOTE, LOG])
def test_a_body_that_says_it_is_huge_is_refused_before_it_comes(server: Process, path: str) -> None:
    for extra in ((), ("expect: 100-continue",)):
        wire = Wire(server).send("POST", path, "content-type: application/json", f"content-length: {10**13}", *extra)
        assert code_of(wire.answer()) == (413, "FB-SERVE-001")


def test_a_body_without_end_is_refused_while_it_comes(server: Process) -> None:
    before, sent = written(server), 0
    wire = Wire(server).send("POST", PROMOTE, "content-type: application/json", "transfer-encoding: chunked")
    part = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    wire.socket.settimeout(0.05)
    while sent < 1000:
        wire.socket.sendall(part)
        sent += 1
        with contextlib.suppress(TimeoutError):
            assert wire.socket.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 413"
            break
    assert code_of(wire.answer()) == (413, "FB-SERVE-001")
    assert sent < 100
    assert written(server) == before


def test_a_body_that_unpacks_to_gigabytes_is_refused(server: Process) -> None:
    bomb = gzip.compress(bytes(2**27), 9)
    for path, headers in ((PROMOTE, {"content-type": "application/json"}), (LOG, {})):
        answer = httpx.post(server.url + path, content=bomb, headers={"content-encoding": "gzip", **headers})
        assert code_of((answer.status_code, answer.text)) == (413, "FB-SERVE-001")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"x: " + b"y" * 100_000, 431),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"".join(b"x%d: y\r\n" % number for number in range(9000)), 431),
        (b"GET /" + b"a" * 100_000, 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is TLS\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\nx y: z\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
    ],
    ids=["one header", "headers", "path", "TLS", "two lengths", "blank in a name", "two hosts"],
)
def test_a_head_that_is_no_request_or_too_large_is_refused(server: Process, sent: bytes, status: int) -> None:
    wire = Wire(server)
    with contextlib.suppress(ConnectionError):  # it may hang up before the last of it is sent
        wire.socket.sendall(sent)
    assert code_of(wire.answer()) == (status, "FB-SERVE-024" if status == 431 else "FB-SERVE-022")


def test_slow_clients_are_let_go_and_nobody_waits_for_them(server: Process) -> None:
    """More of them than there are threads: heads and bodies that come byte by byte, answers that nobody fetches."""
    wires: dict[str, list[Wire]] = {
        "head": [Wire(server) for _ in range(30)],
        "file": [Wire(server).send("PUT", f"{FILES}slow{number}", "content-length: 9999") for number in range(30)],
        "call": [Wire(server).send("POST", LOG, "content-length: 9999") for _ in range(30)],
        "body": [
            Wire(server).send("POST", PROMOTE, "content-type: application/json", "content-length: 999")
            for _ in range(30)
        ],
        "late": [Wire(server).send("POST", LOG, f"content-length: {10**12}") for _ in range(5)],
        "idle": [Wire(server)],
    }
    for wire in wires["head"]:
        wire.socket.sendall(b"GET / HTTP/1.1\r\n")
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.5):
            for kind, some in wires.items():
                for wire in some if kind != "idle" else []:
                    with contextlib.suppress(OSError):
                        wire.socket.send(b"x")

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        with httpx.Client(base_url=server.url, timeout=8) as client:
            for number in range(20):
                assert client.put(f"{FILES}quick{number}", content=b"quick").status_code == 200
                assert client.get(f"{FILES}quick{number}").content == b"quick"
                assert client.get("/api/v1/project").status_code == 200
                assert client.post("/api/2.0/mlflow/runs/create", json={"experiment_id": "0"}).status_code == 200
        assert {code_of(wire.answer()) for wire in wires["body"]} == {(408, "FB-SERVE-002")}
        assert all(wire.ended() for wire in wires["late"] + wires["idle"])
        assert {code_of(wire.answer()) for wire in wires["head"]} == {(408, "FB-SERVE-023")}
    finally:
        stop.set()
        dripping.join()
        for wire in wires["file"] + wires["call"]:
            wire.socket.close()
    staging = server.folder / ".flyball" / "artifacts" / "staging"
    until(lambda: not list(staging.iterdir()))
    listed = httpx.get(f"{server.url}{FILES.rstrip('/')}").json()["files"]
    assert not [entry for entry in listed if entry["path"].startswith("slow")]


def test_a_file_may_be_put_where_the_attacks_were(server: Process, tmp_path: Path) -> None:
    """The refusals above are no accident of a server that refuses everything."""
    answer = httpx.put(f"{server.url}{FILES}model/größe 1%25.bin", content=b"\0" * 3_000_000)
    assert answer.status_code == 200, answer.text
    assert len(httpx.get(f"{server.url}{FILES}model/größe 1%25.bin").content) == 3_000_000


TOKENS = [
    '{"offset": 1e400}', '{"offset": -1}', '{"offset": 99999999999999999999}', '{"offset": [1]}', "[" * 100_000, "null",
    '[1e400, "k", 1, 1, 1, 0]', '[1, "k", 99999999999999999999, 1, 1, 0]', '[1, "k", 1, 1, "x", 0]', "[1]", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("content", TOKENS, ids=range(len(TOKENS)))
def test_a_page_token_that_somebody_made_up_is_refused(server: Process, content: str) -> None:
    token = base64.urlsafe_b64encode(content.encode("utf-8", "surrogatepass")).decode()
    api = f"{server.url}/api/2.0/mlflow"
    asked = [
        httpx.post(f"{api}/runs/search", json={"experiment_ids": ["0"], "page_token": token}),
        httpx.post(f"{api}/experiments/search", json={"max_results": 1, "page_token": token}),
        httpx.get(f"{api}/registered-models/search", params={"page_token": token[:10_000]}),
        httpx.get(f"{server.url}/api/v1/runs/points", params={"after": token[:10_000]}),
    ]
    assert [answer.status_code for answer in asked] == [400] * 4, [answer.text for answer in asked]


@pytest.mark.parametrize("text", ["x", "5", "{}", "[" * 100_000, "null"])
def test_tags_that_the_server_reads_itself_may_hold_anything(server: Process, text: str) -> None:
    api = f"{server.url}/api/2.0/mlflow"

    def call(path: str, **fields: Any) -> httpx.Response:
        return httpx.post(f"{api}/{path}", json=fields)

    run = call("runs/create", experiment_id="0").json()["run"]["info"]["run_id"]
    whole = {"artifact_path": "m", "flavors": {}, "utc_time_created": "now", "run_id": run}
    for given in (text, "[{}]", json.dumps({"flavors": 1})):
        assert call("runs/log-model", run_id=run, model_json=given).json()["error_code"] == "INVALID_PARAMETER_VALUE"
    if len(text) < 5000:  # what a tag holds at the most
        assert call("runs/set-tag", run_id=run, key="mlflow.log-model.history", value=text).status_code == 200
        refused = call("runs/log-model", run_id=run, model_json=json.dumps(whole))
        assert refused.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    made = call("logged-models", experiment_id="0", name="m", source_run_id=run).json()["model"]["info"]["model_id"]
    tags = [{"key": "mlflow.modelVersions", "value": text}]
    assert httpx.patch(f"{api}/logged-models/{made}/tags", json={"tags": tags}).status_code in (200, 400)
    name = f"read-{len(text)}-{ord(text[0])}"
    call("registered-models/create", name=name)
    answer = call("model-versions/create", name=name, source=f"models:/{made}", model_id=made, run_id=run)
    assert answer.status_code in (200, 400), answer.text
    found = httpx.get(f"{api}/registered-models/get?name={name}").json()["registered_model"]
    assert bool(found.get("latest_versions")) == (answer.status_code == 200)  # what is refused is not registered either
