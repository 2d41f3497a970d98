"""A real S3 server of these tests, over HTTP, in a process of its own: it can be stopped, and starts anew on its port."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

_SERVE = """
import logging, sys, threading
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
ThreadedMotoServer(ip_address="127.0.0.1", port=int(sys.argv[1]), verbose=False).start()
threading.Event().wait()
"""
_numbers = itertools.count()


class ObjectServer:
    """An S3 server; `environment` is what clients of it need to be told."""

    def __init__(self) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "AWS_ENDPOINT": self.url, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        }  # fmt: skip

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _SERVE, str(self.port)], env={**os.environ, **self.environment}
        )
        end = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/moto-api/", timeout=5):
                    return
            except OSError:
                assert self._process.poll() is None and time.monotonic() < end, "the S3 server did not start"
                time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def bucket(self) -> str:
        """The URL of a new bucket, with a prefix."""
        name = f"bucket-{os.getpid()}-{next(_numbers)}"
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/{name}", method="PUT")):
            return f"s3://{name}/some/prefix"

    def keys(self, place: str) -> list[str]:
        """Every key of a bucket, as S3 itself lists them."""
        with urllib.request.urlopen(f"{self.url}/{place.split('/')[2]}?list-type=2") as answer:
            return re.findall(r"<Key>([^<]*)</Key>", answer.read().decode())

    def get(self, place: str, key: str) -> bytes:
        bucket, prefix = place.split("/", 3)[2:]
        return bytes(self._client().get_object(Bucket=bucket, Key=f"{prefix}/{key}")["Body"].read())

    def put(self, place: str, key: str, data: bytes) -> None:
        """Write an object behind everybody's back."""
        bucket, prefix = place.split("/", 3)[2:]
        self._client().put_object(Bucket=bucket, Key=f"{prefix}/{key}", Body=data)

    def unfinished(self, place: str) -> list[str]:
        """Keys of uploads that S3 itself holds unfinished, and lists nowhere else."""
        return [
            one["Key"] for one in self._client().list_multipart_uploads(Bucket=place.split("/")[2]).get("Uploads", [])
        ]

    def _client(self) -> Any:
        import boto3

        return boto3.client(
            "s3", endpoint_url=self.url, region_name="us-east-1", aws_access_key_id="tester",
            aws_secret_access_key="not-a-secret",
        )  # fmt: skip


@contextlib.contextmanager
def object_server() -> Iterator[ObjectServer]:
    """A server while the block lasts."""
    server = ObjectServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
