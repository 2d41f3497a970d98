"""Artifacts in a bucket keep the promises of a folder's; the bucket is a real server's, over HTTP."""

from __future__ import annotations

import socket
import threading

import pytest

from flyball.store import (
    ArtifactPlaceInvalid,
    ArtifactStore,
    ArtifactStoreAway,
    ArtifactStoreRefuses,
    open_artifacts,
)
from flyball.testing.artifacts import ABSENT, ArtifactStoreContract, UploadsContract
from support.object_store import ObjectServer, object_server


@pytest.fixture
def artifacts(bucket: str) -> ArtifactStore:
    return open_artifacts(bucket)


class TestObjectArtifacts(ArtifactStoreContract, UploadsContract):
    @pytest.fixture(autouse=True)
    def _server(self, object_store: ObjectServer) -> None:
        self.object_store = object_store

    def damage(self, artifacts: ArtifactStore, digest: str) -> None:
        key = f"{digest[:2]}/{digest}"
        content = self.object_store.get(artifacts.location, key)
        self.object_store.put(artifacts.location, key, content[:-1] + bytes([content[-1] ^ 1]))


def test_blobs_lie_below_the_prefix_and_nothing_else_does(
    object_store: ObjectServer, bucket: str, artifacts: ArtifactStore
) -> None:
    small, large = artifacts.put(b"blob"), artifacts.put(b"large" * 5_000_000)
    assert object_store.keys(bucket) == sorted(f"some/prefix/{digest[:2]}/{digest}" for digest in (small, large))


def test_a_large_blob_that_is_abandoned_leaves_nothing_even_where_nobody_looks(
    object_store: ObjectServer, bucket: str, artifacts: ArtifactStore
) -> None:
    for writer in (artifacts.begin(), artifacts.uploads.part(artifacts.uploads.begin(), 1)):
        for _ in range(25):
            writer.write(b"x" * (1 << 20))
        writer.abandon()
    assert [key for key in object_store.keys(bucket) if not key.endswith("/00000")] == []
    assert object_store.unfinished(bucket) == []


@pytest.mark.parametrize("url", ["ftp://host/x", "s3://", "s3://key:secret@bucket/x", "s3://bucket/x?secret=1"])
def test_a_place_that_cannot_be_used_is_told_without_its_secrets(url: str) -> None:
    with pytest.raises(ArtifactPlaceInvalid) as refused:
        open_artifacts(url)
    assert "secret" not in str(refused.value).replace("AWS_SECRET_ACCESS_KEY", "")


def test_a_bucket_that_is_not_there_is_told(bucket: str) -> None:
    with pytest.raises(ArtifactStoreRefuses, match="NoSuchBucket"):
        open_artifacts("s3://no-such-bucket-here/x").put(b"x")


def test_a_store_that_is_away_is_told_and_used_again_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with object_server() as own:
        for name, value in own.environment.items():
            monkeypatch.setenv(name, value)
        artifacts = open_artifacts(own.bucket())
        artifacts.put(b"before")
        own.stop()
        for ask in (lambda: artifacts.put(b"x"), lambda: artifacts.read(ABSENT)):
            with pytest.raises(ArtifactStoreAway) as away:
                ask()
            assert away.value.code == "FB-STORE-017"
            assert "not-a-secret" not in str(away.value)
        own.start()  # a new one, on the same port: its bucket is gone, and that is what is told
        with pytest.raises(ArtifactStoreRefuses, match="NoSuchBucket"):
            artifacts.put(b"after")


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        (403, "<Error><Code>AccessDenied</Code><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>", ArtifactStoreRefuses),
        (503, "<Error><Code>SlowDown</Code></Error>", ArtifactStoreAway),
    ],
)
def test_what_a_store_answers_instead_is_coded_and_its_keys_are_not_repeated(
    monkeypatch: pytest.MonkeyPatch, status: int, answer: str, kind: type[Exception]
) -> None:
    with Says(status, answer) as port:
        for name, value in ObjectServer().environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{port}")
        artifacts = open_artifacts("s3://bucket/x")
        for ask in (lambda: artifacts.put(b"x"), lambda: artifacts.read(ABSENT)):
            with pytest.raises(kind, match=f"status {status}") as told:
                ask()
            assert "AKIA" not in str(told.value)


def test_a_moment_of_refusal_is_waited_out(
    object_store: ObjectServer, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Says(503, "<Error><Code>SlowDown</Code></Error>", times=2, then=object_store.port) as port:
        monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{port}")
        artifacts = open_artifacts(bucket)
        assert artifacts.read(artifacts.put(b"patience")) == b"patience"


class Says:
    """A listener that answers every request the same; after `times` of them, a real server does."""

    def __init__(self, status: int, answer: str, *, times: int | None = None, then: int = 0) -> None:
        self._text = (
            f"HTTP/1.1 {status} X\r\ncontent-type: application/xml\r\ncontent-length: {len(answer)}\r\n"
            f"connection: close\r\n\r\n{answer}"
        ).encode()
        self._times, self._then = times, then
        self._socket = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> int:
        threading.Thread(target=self._serve, daemon=True).start()
        return int(self._socket.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            asked = connection.recv(65_536)
            if self._times is None or self._times > 0:
                self._times = None if self._times is None else self._times - 1
                connection.sendall(self._text)
                return
            asked = asked.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1)
            with socket.create_connection(("127.0.0.1", self._then)) as real:
                real.sendall(asked)
                real.settimeout(1)
                try:
                    while piece := real.recv(65_536):
                        connection.sendall(piece)
                except TimeoutError:
                    return
