"""The few pieces of ASGI that serving needs: one request, one JSON answer, with limits on size and time."""

from __future__ import annotations

import asyncio
import json
import math
import zlib
from codecs import BOM_UTF8
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Protocol

from flyball_runtime.errors import BadInput, FlyballError, Refused

__all__ = [
    "App",
    "BodyTooLarge",
    "BodyTooSlow",
    "ClientGone",
    "Limits",
    "MalformedBody",
    "Message",
    "Prompt",
    "Receive",
    "Request",
    "Response",
    "Scope",
    "Send",
    "TooManyRows",
    "UnsupportedEncoding",
    "check_rows",
    "error_response",
    "header",
    "json_bytes",
    "json_response",
    "parse_json",
    "status_of",
]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Prompt(Protocol):
    """The short road of a small request that is asked all the time, beside the ASGI application and equal to it."""

    def __call__(self, scope: Scope, body: bytes, reply: Callable[[Response], None], /) -> bool:
        """Whether the request is taken: then `reply` is called once, now or later, on the event loop.

        One that is not taken has left no trace, and goes to the application: whatever is unusual goes that way.
        """


_DROPPED = 4  # times the limit: so much of a body that is too large is still read, and dropped


class BodyTooLarge(BadInput):
    """A request's body is larger than the server accepts."""

    code = "FB-SERVE-001"
    status: ClassVar[int] = 413


class BodyTooSlow(BadInput):
    """A request's body did not arrive in time."""

    code = "FB-SERVE-002"
    status: ClassVar[int] = 408


class MalformedBody(BadInput):
    """A request's body is not the JSON that the route expects."""

    code = "FB-SERVE-003"


class UnsupportedEncoding(BadInput):
    """A request's body is compressed in a way that the server does not read."""

    code = "FB-SERVE-004"
    status: ClassVar[int] = 415


class TooManyRows(BadInput):
    """A request holds more rows, or more outcomes, than the server answers at a time."""

    code = "FB-SERVE-020"
    status: ClassVar[int] = 413


class ClientGone(Exception):
    """The client hung up before its request was complete; nobody waits for an answer."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may cost: its body in bytes (after decompression), the seconds until it has arrived, its rows."""

    body_bytes: int = 16 * 2**20
    body_seconds: float = 30.0
    rows: int = 10_000


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, ready to send."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """Its headers as ASGI has them."""
        headers = {"content-type": self.content_type, "content-length": str(len(self.body)), **self.headers}
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]

    async def send(self, send: Send, *, head_only: bool = False) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.raw_headers()})
        await send({"type": "http.response.body", "body": b"" if head_only else self.body})


class Request:
    """One HTTP request of an ASGI server."""

    def __init__(self, scope: Scope, receive: Receive, limits: Limits) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        # The raw path keeps "%2F" inside a model's name apart from the slashes between the parts.
        self.raw_path: str = (scope.get("raw_path") or self.path.encode()).decode("latin-1")
        self._raw = scope["headers"]
        self._receive = receive
        self._limits = limits

    @cached_property
    def headers(self) -> dict[str, str]:
        """Every header by its name in lower case; the last of a name."""
        return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self._raw}

    def header(self, name: str) -> str:
        """One header, "" when it was not sent: for those who need no other."""
        return header(self._raw, name.encode("latin-1"))

    async def body(self) -> bytes:
        """The whole body, decompressed.

        Raises BodyTooLarge, BodyTooSlow, UnsupportedEncoding, MalformedBody, ClientGone.
        """
        encoding = self.header("content-encoding").strip().lower() or "identity"
        if encoding not in {"identity", "gzip", "deflate"}:
            raise UnsupportedEncoding(
                f"the body is encoded as {encoding!r}", fix="send it plain, or with Content-Encoding: gzip or deflate"
            )
        declared = self.header("content-length")
        if declared.isascii() and declared.isdigit() and int(declared[:20]) > _DROPPED * self._limits.body_bytes:
            raise _too_large(self._limits.body_bytes)
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                data = await self._read()
        except TimeoutError:
            raise BodyTooSlow(
                f"the request's body did not arrive within {self._limits.body_seconds:g} s",
                fix="send the body at once, or in smaller requests",
            ) from None
        return data if encoding == "identity" else _decompress(data, self._limits.body_bytes)

    async def _read(self) -> bytes:
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part = message.get("body", b"")
            size += len(part)
            # What is too much is still read, for a while, and dropped: a client that is cut off in the middle of
            # sending sees a broken pipe instead of the reason.
            if size <= self._limits.body_bytes:
                parts.append(part)
            elif size > _DROPPED * self._limits.body_bytes:
                break
            more = message.get("more_body", False)
        if size > self._limits.body_bytes:
            raise _too_large(self._limits.body_bytes)
        return b"".join(parts)


def header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str:
    """The value of a header of an ASGI scope by its name in lower case, the last if it was sent often; "" if never."""
    found = b""
    for key, value in headers:
        if key == name:
            found = value
    return found.decode("latin-1")


def check_rows(rows: int, limit: int, of: str = "rows") -> None:
    """Before anything is built of them: a few bytes of body per row become kilobytes of memory. Raises TooManyRows."""
    if rows > limit:
        raise TooManyRows(
            f"the request holds {rows:,} {of}",
            why=f"this server takes at most {limit:,} {of} at a time",
            fix="send them in several requests" + ("; `flyball predict` scores whole files" if of == "rows" else ""),
        )


def parse_json(body: bytes) -> Any:
    """The value that a body holds. NaN and Infinity are read, as some clients write them. Raises MalformedBody."""
    if not body:
        raise MalformedBody("the request has no body", fix="send one JSON object")
    try:
        text = body.decode("utf-8-sig" if body.startswith(BOM_UTF8) else "utf-8")
        value = json.loads(text)
        if (
            "\\u" in text and "\\ud" in text.lower()
        ):  # half of an escaped surrogate pair is no text; nothing below could store it
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise MalformedBody("the body is not UTF-8 text", why=str(error), fix="send JSON in UTF-8") from None
    except UnicodeEncodeError:
        raise MalformedBody(
            "the body holds text that is not valid Unicode",
            why="half of an escaped surrogate pair stands alone",
            fix="send both halves, or the character itself",
        ) from None
    except RecursionError:
        raise MalformedBody(
            "the body is nested too deeply", fix="send rows or columns as the model needs them"
        ) from None
    except ValueError as error:
        raise MalformedBody("the body is not valid JSON", why=str(error), fix="send one JSON object") from None
    return value


def json_bytes(value: Any) -> bytes:
    """JSON text that every reader accepts: NaN and infinities become null, numpy values plain ones."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=_plain)
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"), default=_plain)
    return text.encode("utf-8", "replace")


def json_response(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, json_bytes(value), headers=headers or {})


def error_response(error: FlyballError, status: int | None = None) -> Response:
    """`{"error": one line, "code": ..., ...}`: the first key is what the Open Inference Protocol asks for."""
    line = error.what
    if error.where:
        line += f" ({error.where})"
    line += "".join(f"; {part}" for part in (error.why, error.fix) if part)
    headers = dict(getattr(error, "headers", {}))
    return json_response(status or status_of(error), {"error": line, **error.to_dict()}, headers)


def status_of(error: FlyballError) -> int:
    """The HTTP status of a coded error: its own `status` if it has one, else by who has to act."""
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return status
    if isinstance(error, BadInput):
        return 400
    return 409 if isinstance(error, Refused) else 500


def _decompress(data: bytes, limit: int) -> bytes:
    reader = zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: gzip and zlib are told apart by their headers
    try:
        plain = reader.decompress(data, limit + 1)
    except zlib.error as error:
        raise MalformedBody("the compressed body is damaged", why=str(error)) from None
    if len(plain) > limit:
        raise _too_large(limit)
    if not reader.eof:
        raise MalformedBody("the compressed body ends too early")
    return plain


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"the request's body is larger than {limit:,} bytes",
        fix="send fewer rows at a time; `flyball predict` scores whole files",
    )


def _plain(value: Any) -> Any:
    import numpy as np  # here, so that a server that answers without arrays starts without them

    if isinstance(value, np.generic):
        return _finite(value.item())
    if isinstance(value, np.ndarray):
        return _finite(value.tolist())
    raise TypeError(f"no JSON form for {type(value).__name__}")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value if value is None or isinstance(value, (str, int)) else _plain(value)
