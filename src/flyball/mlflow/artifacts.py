"""Files over HTTP: taken in and given out as streams, so that a large one needs no memory."""

from __future__ import annotations

import asyncio
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
_CHUNK_SECONDS = 60.0
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
        body = cast("BinaryIO", _Body(receive, asyncio.get_running_loop()))
        await _in_thread(executor, lambda: files.put(name, body))
    elif method == "DELETE":
        await _in_thread(executor, lambda: files.delete(name))
    elif method == "GET":
        await _give(name, files, executor, send)
        return
    else:
        raise ProtocolError("ENDPOINT_NOT_FOUND", f"there is no {method} {path[:200]}")
    await json_response(200, {}).send(send)


class _Body:
    """A request's body as a stream for another thread."""

    def __init__(self, receive: Receive, loop: asyncio.AbstractEventLoop) -> None:
        self._receive, self._loop, self._ended = receive, loop, False

    def read(self, _size: int = -1) -> bytes:
        """The next part of any size; nothing at the end. Raises ClientGone, BodyTooSlow."""
        if self._ended:
            return b""
        return asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(_CHUNK_SECONDS):
                while not self._ended:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        raise ClientGone
                    self._ended = not message.get("more_body", False)
                    if part := message.get("body", b""):
                        return bytes(part)
        except TimeoutError:
            raise BodyTooSlow(
                f"nothing of the file arrived for {_CHUNK_SECONDS:g} s", fix="send it again, over a better connection"
            ) from None
        return b""


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
