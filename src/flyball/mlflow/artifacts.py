"""Files over HTTP: taken in and given out as streams, so that a large one needs no memory."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import PurePosixPath
from typing import Any, BinaryIO, TypeVar, cast
from urllib.parse import parse_qs

from flyball.mlflow.entities import file_entities
from flyball.mlflow.errors import ProtocolError
from flyball.serving.asgi import BodyTooSlow, ClientGone, Receive, Scope, Send, json_response
from flyball.tracking import FileEntry
from flyball.tracking.files import Files

__all__ = ["serve_file"]

_PREFIX = "artifacts/"
_CHUNK = 1 << 20
# A sender that stays below this pace is given up: it would hold its connection, and a file on the disk, for ever.
_PART, _PART_SECONDS = 256 * 1024, 60.0
Found = TypeVar("Found")


async def serve_file(
    path: str, files: Files, executor: Executor, *, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer one request below `mlflow-artifacts/`. Raises ProtocolError, and what files raise."""
    method = scope["method"]
    if path == "artifacts" and method == "GET":
        folder = (parse_qs(scope["query_string"].decode("latin-1")).get("path") or [""])[0]
        entries = await _in_thread(executor, lambda: files.listing(folder))
        await json_response(200, {"files": file_entities("", entries)}).send(send)
        return
    name = path.removeprefix(_PREFIX)
    if not path.startswith(_PREFIX) or not name:
        if path.startswith(("mpu/", "presigned/")):
            raise ProtocolError("NOT_IMPLEMENTED", "this server takes and gives whole files, in one request each")
        raise ProtocolError("ENDPOINT_NOT_FOUND", f"there is no {method} {path[:200]}")
    if method == "PUT":
        await _take(name, files, executor, receive)
    elif method == "DELETE":
        await _in_thread(executor, lambda: files.delete(name))
    elif method == "GET":
        await _give(name, files, executor, send)
        return
    else:
        raise ProtocolError("ENDPOINT_NOT_FOUND", f"there is no {method} {path[:200]}")
    await json_response(200, {}).send(send)


async def _take(name: str, files: Files, executor: Executor, receive: Receive) -> None:
    """Take in a file. A thread is held while a part is written, never while one is awaited: threads are few, and
    clients may be slow on purpose."""
    incoming = await _in_thread(executor, lambda: files.receive(name))
    try:
        ended = False
        while not ended:
            part, ended = await _part(receive)
            await _in_thread(executor, functools.partial(incoming.write, part))
        await _in_thread(executor, incoming.finish)
    finally:
        await _in_thread(executor, incoming.abandon)


async def _part(receive: Receive) -> tuple[bytes, bool]:
    """The next part of a body, and whether it is the last. Raises ClientGone, BodyTooSlow."""
    part = bytearray()
    try:
        async with asyncio.timeout(_PART_SECONDS):
            while len(part) < _PART:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                part += message.get("body", b"")
                if not message.get("more_body", False):
                    return bytes(part), True
    except TimeoutError:
        raise BodyTooSlow(
            f"less than {_PART:,} bytes of the file arrived in {_PART_SECONDS:g} s",
            fix="send it again, over a better connection",
        ) from None
    return bytes(part), False


async def _give(name: str, files: Files, executor: Executor, send: Send) -> None:
    def begin() -> tuple[FileEntry, BinaryIO]:
        entry = files.find(name)
        return entry, files.open(entry)

    entry, stream = await _in_thread(executor, begin)
    quoted = PurePosixPath(name).name.encode("ascii", "replace").decode().replace('"', "?")
    headers = [
        (b"content-type", b"application/octet-stream"),
        (b"content-length", str(entry.size).encode()),
        (b"content-disposition", f'attachment; filename="{quoted}"'.encode()),
        (b"etag", f'"{entry.digest}"'.encode()),
    ]
    try:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while part := await _in_thread(executor, lambda: stream.read(_CHUNK)):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        stream.close()


async def _in_thread(executor: Executor, work: Callable[[], Found]) -> Found:
    result: Any = await asyncio.get_running_loop().run_in_executor(executor, work)
    return cast("Found", result)
