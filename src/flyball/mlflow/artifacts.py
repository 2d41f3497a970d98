"""Files over HTTP: taken in and given out as streams, so that a large one needs no memory."""

from __future__ import annotations

import asyncio
import base64
import binascii
import functools
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from pathlib import PurePosixPath
from typing import Any, BinaryIO, TypeVar, cast
from urllib.parse import parse_qs

from flyball.mlflow.entities import file_entities
from flyball.mlflow.errors import ProtocolError, invalid
from flyball.mlflow.links import Links, base_url
from flyball.mlflow.ranges import asked_span
from flyball.mlflow.uploads import UploadCalls
from flyball.serving.asgi import (
    BodyTooSlow,
    ClientGone,
    Limits,
    Receive,
    Request,
    Response,
    Scope,
    Send,
    json_response,
    parse_json,
)
from flyball.store import ArtifactWriter
from flyball.tracking.files import Files, Receiving
from flyball_runtime.errors import FlyballError

__all__ = ["BrokenOff", "FileRoutes"]

_CHUNK = 1 << 20
# A sender that stays below this pace is given up: it would hold its connection, and a file on the disk, for ever.
_PART, _PART_SECONDS = 256 * 1024, 60.0
_LIMITS = Limits(body_bytes=8 * 2**20, body_seconds=60.0)
_LINK_SECONDS = 900.0
# From here on MLflow's client is told the size of what comes through this server, and so fetches it by ranges, each of which
# it tries again: one stream is several times as fast, but has to begin anew when it breaks. It sends parts from here on too.
_BY_RANGES = 500 << 20
_PLACE = re.compile(r"(artifacts|mpu/create|mpu/resume|mpu/complete|mpu/abort|presigned)/(.+)", re.DOTALL)
_LINKED = re.compile(r"parts/([0-9a-f]{32})/([0-9]{1,5})|blobs/([0-9a-f]{64})")
Found = TypeVar("Found")


class BrokenOff(Exception):
    """What went wrong (its cause) showed after the answer had begun: all that can be done is not to complete it."""


class FileRoutes:
    """What is asked for below `mlflow-artifacts/`. Raises ProtocolError, and what files raise."""

    def __init__(self, files: Files, executor: Executor, links: Links) -> None:
        self._files, self._executor, self._links = files, executor, links
        self._uploads = UploadCalls(files, links)

    async def __call__(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; `path` is what follows the prefix."""
        method, request = scope["method"], Request(scope, receive, _LIMITS)
        place, linked = _PLACE.fullmatch(path), _LINKED.fullmatch(path)
        if path == "artifacts" and method == "GET":
            folder = (parse_qs(scope["query_string"].decode("latin-1")).get("path") or [""])[0]
            entries = await self._work(lambda: self._files.listing(folder))
            await json_response(200, {"files": file_entities("", entries)}).send(send)
        elif linked is not None:
            await self._linked(linked, request, scope, receive, send)
        elif place is None:
            raise _no_such(method, path)
        elif place[1] == "artifacts":
            await self._file(place[2], request, receive, send)
        elif place[1] == "presigned" and method == "GET":
            base = base_url(scope, request.headers)
            await json_response(200, await self._work(lambda: self._presigned(place[2], base))).send(send)
        elif place[1].startswith("mpu/") and method == "POST":
            fields = parse_json(await request.body())
            if not isinstance(fields, dict):
                raise invalid("the body must be one JSON object")
            base = base_url(scope, request.headers)
            answer = await self._uploads(place[1][4:], place[2], fields, base=base, work=self._work)
            await json_response(200, answer).send(send)
        else:
            raise _no_such(method, path)

    async def direct(self) -> bool:
        """Whether clients can send parts of a file past this server."""
        return await self._work(lambda: self._files.artifacts.uploads.direct)

    # -- whole files

    async def _file(self, name: str, request: Request, receive: Receive, send: Send) -> None:
        method = request.method
        if method == "PUT":
            expected = _content_digest(request.headers)
            incoming = await self._work(lambda: self._files.receive(name))
            await self._take(incoming, receive, lambda: incoming.finish(expected))
            await json_response(200, {}).send(send)
        elif method == "DELETE":
            await self._work(lambda: self._files.delete(name))
            await json_response(200, {}).send(send)
        elif method in ("GET", "HEAD"):
            entry = await self._work(lambda: self._files.find_file(name))
            await self._give(entry.digest, entry.size, name, request, send)
        else:
            raise _no_such(method, f"artifacts/{name}")

    def _presigned(self, name: str, base: str) -> dict[str, Any]:
        """A link to a file's content; with `file_size` where MLflow's client had better fetch it by ranges."""
        entry = self._files.find_file(name)
        link = self._files.link(entry, _LINK_SECONDS)
        told = {
            "url": link or base + self._links.sign("GET", f"blobs/{entry.digest}", _LINK_SECONDS),
            "headers": {}, "size": entry.size, "sha256": entry.digest,
        }  # fmt: skip
        return told | ({"file_size": entry.size} if link or entry.size >= _BY_RANGES else {})

    # -- what a link leads to

    async def _linked(self, place: re.Match[str], request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        upload, number, digest = place.groups()
        if not self._links.holds(scope):
            raise ProtocolError(
                "PERMISSION_DENIED", "this link has ended, or was not signed for this; ask for a new one"
            )
        if digest is not None:
            size = await self._work(lambda: self._files.artifacts.size(digest))
            await self._give(digest, size, digest, request, send)
            return
        part = await self._work(lambda: self._files.artifacts.uploads.part(upload, int(number)))
        etag = await self._take(part, receive, part.finish)
        await Response(200, b"", headers={"etag": f'"{etag.strip(chr(34))}"'}).send(send)

    # -- bytes

    async def _take(self, incoming: ArtifactWriter | Receiving, receive: Receive, finish: Callable[[], Found]) -> Found:
        """Take in a body. A thread is held while a piece is written, never while one is awaited: threads are few, and
        clients may be slow on purpose."""
        try:
            ended = False
            while not ended:
                piece, ended = await _piece(receive)
                await self._work(functools.partial(incoming.write, piece))
            return await self._work(finish)
        finally:
            await self._work(incoming.abandon)

    async def _give(self, digest: str, size: int, name: str, request: Request, send: Send) -> None:
        span = asked_span(request.headers, size, f'"{digest}"')
        quoted = PurePosixPath(name).name.encode("ascii", "replace").decode().replace('"', "?")
        headers = {
            "content-type": "application/octet-stream", "content-disposition": f'attachment; filename="{quoted}"',
            "etag": f'"{digest}"', "accept-ranges": "bytes", "x-content-type-options": "nosniff",
        }  # fmt: skip
        if span is None:
            await Response(416, b"", headers={**headers, "content-range": f"bytes */{size}"}).send(send)
            return
        if span.partial:
            headers["content-range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
        headers["content-length"] = str(span.length)
        raw = [(key.encode(), value.encode("latin-1")) for key, value in headers.items()]
        start = {"type": "http.response.start", "status": 206 if span.partial else 200, "headers": raw}
        if request.method == "HEAD":
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return
        stream = await self._work(lambda: self._files.artifacts.open(digest, span.start))
        begun = False
        try:
            piece = await self._work(functools.partial(stream.read, min(_CHUNK, span.length) or 1))
            await send(start)
            begun = True
            await self._pass_on(stream, piece, span.length, send)
        except FlyballError as error:
            if begun:
                raise BrokenOff from error
            raise
        finally:
            await self._work(stream.close)

    async def _pass_on(self, stream: BinaryIO, piece: bytes, left: int, send: Send) -> None:
        """Send `piece` and what follows it, `left` bytes in all. The last piece waits until the end was read, where damage
        shows: it is never sent whole then."""
        while True:
            left -= len(piece)
            # One byte more than is left is the read that finds the end of a whole file, and holds its digest against it.
            ahead = await self._work(functools.partial(stream.read, min(_CHUNK, left) or 1)) if piece else b""
            if left <= 0 or not ahead:
                await send({"type": "http.response.body", "body": piece})
                return
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            piece = ahead

    async def _work(self, work: Callable[[], Found]) -> Found:
        result: Any = await asyncio.get_running_loop().run_in_executor(self._executor, work)
        return cast("Found", result)


async def _piece(receive: Receive) -> tuple[bytes, bool]:
    """The next piece of a body, and whether it is the last. Raises ClientGone, BodyTooSlow."""
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


def _content_digest(headers: Mapping[str, str]) -> str | None:
    """The SHA-256 that the sender says the body has (`Content-Digest`, RFC 9530); None where none is said."""
    match = re.search(r"sha-256=:([A-Za-z0-9+/=]{44}):", headers.get("content-digest", ""))
    if match is None:
        return None
    try:
        return base64.b64decode(match[1], validate=True).hex()
    except binascii.Error:
        raise invalid("the header Content-Digest cannot be read") from None


def _no_such(method: str, path: str) -> ProtocolError:
    return ProtocolError("ENDPOINT_NOT_FOUND", f"there is no {method} {path[:200]}")
