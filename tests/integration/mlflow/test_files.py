"""Uploads in parts, links and ranges over HTTP, for whoever speaks the protocol without our client."""

from __future__ import annotations

import base64
import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.object_store import ObjectServer
from support.servers import Process, until

TOKEN = "a-token-that-is-long-enough"
ROOT = "/api/2.0/mlflow-artifacts/"
PLACE = "0/run/artifacts/deep"
ABANDONED = f".flyball/artifacts/staging/upload-{'ab' * 16}"


@pytest.fixture(scope="module", params=["folder", "bucket"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with pytest.MonkeyPatch.context() as patch:
        arguments = []
        if request.param == "bucket":
            bucket: ObjectServer = request.getfixturevalue("object_store")
            for name, value in bucket.environment.items():
                patch.setenv(name, value)
            arguments = ["--artifacts", bucket.bucket()]
        folder = tmp_path_factory.mktemp("server")
        left = folder / ABANDONED
        left.mkdir(parents=True)
        (left / "00001").write_bytes(b"nobody went on with it")
        os.utime(left, (1, 1))
        running = Process(folder, *arguments, token=TOKEN)
        running.kind = request.param
        yield running
        running.end(signal.SIGTERM)


@pytest.fixture
def ask(server: Process) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url + ROOT, headers={"authorization": f"Bearer {TOKEN}"}, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def anyone() -> Iterator[httpx.Client]:
    """Somebody without a token."""
    with httpx.Client(timeout=60) as client:
        yield client


def begun(ask: httpx.Client, name: str, count: int) -> dict[str, Any]:
    made = ask.post(f"mpu/create/{PLACE}", json={"path": f"/home/ada/{name}", "num_parts": count})
    assert made.status_code == 200, made.text
    assert [one["part_number"] for one in made.json()["credentials"]] == list(range(1, count + 1))
    return dict(made.json())


def test_parts_go_where_the_links_lead_and_are_one_file(
    server: Process, ask: httpx.Client, anyone: httpx.Client
) -> None:
    parts = [os.urandom(9_000_000), os.urandom(9_000_000), b"end"]
    made = begun(ask, "weights.bin", 3)
    told = []
    for link, content in zip(made["credentials"], parts, strict=True):
        assert (server.url in link["url"]) == (server.kind == "folder")
        answer = anyone.put(link["url"], content=content, headers=link["headers"])
        assert answer.status_code == 200
        told.append({"part_number": link["part_number"], "etag": answer.headers["etag"], "url": link["url"]})
        assert ask.get(f"artifacts/{PLACE}/weights.bin").status_code == 404
    fields = {"path": "/home/ada/weights.bin", "upload_id": made["upload_id"], "parts": told}
    assert ask.post(f"mpu/complete/{PLACE}", json=fields).status_code == 200
    assert ask.post(f"mpu/complete/{PLACE}", json=fields).status_code == 200  # whoever missed the answer asks again
    whole = ask.get(f"artifacts/{PLACE}/weights.bin")
    assert whole.content == b"".join(parts)
    assert whole.headers["etag"] == f'"{hashlib.sha256(whole.content).hexdigest()}"'
    assert anyone.put(made["credentials"][0]["url"], content=b"late").status_code in (200, 404)
    assert ask.get(f"artifacts/{PLACE}/weights.bin").content == whole.content

    link = ask.get(f"presigned/{PLACE}/weights.bin").json()
    assert (link["size"], link["headers"]) == (len(whole.content), {})
    assert link["sha256"] == hashlib.sha256(whole.content).hexdigest()
    assert ("file_size" in link) == (server.kind == "bucket")
    middle = anyone.get(link["url"], headers={"range": "bytes=8999990-9000009"})
    assert (middle.status_code, middle.content) == (206, whole.content[8_999_990:9_000_010])
    assert middle.headers["content-range"] == f"bytes 8999990-9000009/{len(whole.content)}"
    if (
        server.kind == "folder"
    ):  # what a bucket's links are good for is for its server to say, and not for this one of tests
        for other in (link["url"].replace("expires=", "expires=1"), link["url"][:-4], link["url"].split("?")[0]):
            assert anyone.get(other).status_code == 401


def test_an_upload_is_gone_on_with_or_given_up(ask: httpx.Client, anyone: httpx.Client) -> None:
    made = begun(ask, "resumed.bin", 2)
    fields: dict[str, Any] = {"path": "resumed.bin", "upload_id": made["upload_id"]}
    anyone.put(made["credentials"][1]["url"], content=b"second")
    left = ask.post(f"mpu/resume/{PLACE}", json={**fields, "num_parts": 2}).json()
    assert left["parts"] == [{"part_number": 2, "size": 6}]
    assert [one["part_number"] for one in left["credentials"]] == [1]
    both = [{"part_number": number, "etag": None} for number in (1, 2)]
    early = ask.post(f"mpu/complete/{PLACE}", json={**fields, "parts": both})
    assert (early.status_code, early.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "FB-STORE-021" in early.json()["message"]
    anyone.put(left["credentials"][0]["url"], content=b"first ")
    wrong = ask.post(f"mpu/complete/{PLACE}", json={**fields, "parts": both, "sha256": "0" * 64})
    assert (wrong.status_code, ask.get(f"artifacts/{PLACE}/resumed.bin").status_code) == (400, 404)
    right = hashlib.sha256(b"first second").hexdigest()
    done = ask.post(f"mpu/complete/{PLACE}", json={**fields, "parts": both, "sha256": right}).json()
    assert done == {"sha256": right, "file_size": 12}
    given_up = begun(ask, "given-up.bin", 1)
    fields["upload_id"] = given_up["upload_id"]
    assert ask.post(f"mpu/abort/{PLACE}", json=fields).json() == {}
    gone = ask.post(f"mpu/resume/{PLACE}", json={**fields, "num_parts": 1})
    assert (gone.status_code, gone.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (f"mpu/create/{PLACE}", {"path": "x", "num_parts": 0}),
        (f"mpu/create/{PLACE}", {"path": "x", "num_parts": 10_001}),
        (f"mpu/create/{PLACE}", {"path": "x", "num_parts": True}),
        (f"mpu/create/{PLACE}", {"num_parts": 1}),
        (f"mpu/create/{PLACE}", {"path": "..", "num_parts": 1}),
        ("mpu/create/a/%2e%2e/b", {"path": "x", "num_parts": 1}),
        (f"mpu/complete/{PLACE}", {"path": "x", "upload_id": "y"}),
        (f"mpu/complete/{PLACE}", {"path": "x", "upload_id": "y", "parts": [{"part_number": "1", "etag": 3}]}),
        (f"mpu/complete/{PLACE}", ["no object"]),
    ],
)
def test_what_no_upload_can_be_is_refused(ask: httpx.Client, path: str, fields: Any) -> None:
    answer = ask.post(path, json=fields)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), answer.text


def test_ranges_heads_and_digests_of_whole_files(ask: httpx.Client, anyone: httpx.Client, server: Process) -> None:
    content = os.urandom(3_000_000)
    coded = base64.b64encode(hashlib.sha256(content).digest()).decode()
    url = f"artifacts/{PLACE}/plain.bin"
    other = base64.b64encode(hashlib.sha256(b"").digest()).decode()
    refused = ask.put(url, content=content, headers={"content-digest": f"sha-256=:{other}:"})
    assert (refused.status_code, ask.get(url).status_code) == (400, 404)
    assert ask.put(url, content=content, headers={"content-digest": f"sha-256=:{coded}:"}).status_code == 200
    head = ask.head(url)
    assert (head.headers["content-length"], head.headers["accept-ranges"], head.content) == ("3000000", "bytes", b"")
    for asked, status, found in (
        ("bytes=0-9", 206, content[:10]), ("bytes=2999990-", 206, content[-10:]), ("bytes=-10", 206, content[-10:]),
        ("bytes=3000000-", 416, b""), ("lines=1-2", 200, content),
    ):  # fmt: skip
        answer = ask.get(url, headers={"range": asked})
        assert (answer.status_code, answer.content) == (status, found), asked
    assert ask.get(url, headers={"range": "bytes=0-9", "if-range": '"another"'}).content == content
    empty = f"artifacts/{PLACE}/empty"
    ask.put(empty, content=b"")
    assert (ask.get(empty).content, ask.get(empty, headers={"range": "bytes=0-"}).status_code) == (b"", 416)
    assert anyone.get(f"{server.url}{ROOT}{url}").status_code == 401
    assert ask.get("presigned/0/nothing").status_code == 404
    info = ask.get(f"{server.url}/api/3.0/mlflow/server-info").json()
    assert info["multipart_uploads_enabled"] == (server.kind == "bucket")
    assert info["multipart_downloads_enabled"]


@pytest.mark.parametrize("server", ["folder"], indirect=True)
def test_a_server_tidies_up_what_was_abandoned_long_ago(server: Process, ask: httpx.Client) -> None:
    young = begun(ask, "young.bin", 1)["upload_id"]
    until(lambda: not (server.folder / ABANDONED).exists())
    assert (server.folder / f".flyball/artifacts/staging/upload-{young}").is_dir()


def test_no_line_of_the_log_holds_a_signature(server: Process, ask: httpx.Client, anyone: httpx.Client) -> None:
    ask.put(f"artifacts/{PLACE}/logged", content=b"x")
    link = ask.get(f"presigned/{PLACE}/logged").json()["url"]
    anyone.get(link)
    assert "ignature" not in str(server.lines)
    assert not any(b"ignature=" in path.read_bytes() for path in Path(server.folder, ".flyball").glob("*.db*"))
