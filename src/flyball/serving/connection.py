"""One HTTP connection: who is slow or sends what is no request is told so, with a code, and let go."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from flyball.serving.asgi import Response, error_response
from flyball_runtime.errors import BadInput, FlyballError

__all__ = ["HEAD_BYTES", "Connection", "HeadRefused", "HeadTooLarge", "HeadTooSlow"]

_HEAD_SECONDS = 20.0
_LINGER_SECONDS = 10.0
HEAD_BYTES = 64 * 1024


class HeadRefused(BadInput):
    """What a client sent is no HTTP request: the first line or a header is malformed, or says two things at once."""

    code = "FB-SERVE-022"


class HeadTooSlow(BadInput):
    """The first line and headers of a request did not arrive in time."""

    code = "FB-SERVE-023"
    status: ClassVar[int] = 408


class HeadTooLarge(BadInput):
    """The first line and headers of a request are together larger than the server reads."""

    code = "FB-SERVE-024"
    status: ClassVar[int] = 431


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with limits: 20 seconds and 64 KiB for the head of a request, and 10 seconds for the rest
    of a body after the answer to it was sent, so that whoever sends too much still reads why it was refused.

    The parser takes heads of any size and with any hosts, so both are looked at here.
    """

    _patience: asyncio.TimerHandle | None = None
    _refusal: Response | None = None  # of what came behind a request that is still being answered
    _lingers = False
    _in_head = True
    _came = 0  # bytes of a head that is not complete
    _size = 0  # bytes of the lines of a head that the parser has told of

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._patience = self.loop.call_later(_HEAD_SECONDS, self._too_slow)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._refusal is not None:
            return
        self._came += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # the request is answered as if it had not asked for that, and the connection ends with it
        except httptools.HttpParserError as error:
            problem = error.__context__ or error  # what our own methods raised, or the parser
            self._refuse(problem if isinstance(problem, FlyballError) else _no_request(problem))
            return
        if self._in_head and self._came > HEAD_BYTES:
            self._refuse(_too_large())
            return
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._size = 0
        self._came = max(self._came, 1)  # it may begin behind the end of the one before

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._size += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._size += len(name) + len(value) + 4

    def on_headers_complete(self) -> None:
        if self._size > HEAD_BYTES:
            raise _too_large()
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            raise _no_request("it names no host" if not hosts else "it names several hosts")
        super().on_headers_complete()
        self._in_head = False
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False  # what follows may be of another protocol

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True
        self._came = 0
        if self._lingers:
            self._rest()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.cycle.response_complete:  # another one, that came behind it, is under way
            return
        if self._refusal is not None:
            self._end(self._refusal)
        elif self.cycle.more_body and not self.transport.is_closing():
            self._rest()
            self._lingers = True
            self._patience = self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    def _watch_head(self) -> None:
        """Set the timer while a head is awaited of which something is there; take it off once it is complete."""
        if not self._in_head:
            if not self._lingers:
                self._rest()
        elif self._came == 0:
            self._rest()
        elif self._patience is None:
            self._patience = self.loop.call_later(_HEAD_SECONDS, self._too_slow)

    def _rest(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._lingers = False

    def _under_way(self) -> bool:
        cycle: Any = self.cycle  # None before the first request
        return cycle is not None and not cycle.response_complete

    def _too_slow(self) -> None:
        self._patience = None
        if self._under_way():
            self._watch_head()
        elif not self._came:
            self.transport.close()  # nothing was asked
        elif not self.transport.is_closing():
            what = f"the head of the request did not arrive within {_HEAD_SECONDS:g} s"
            self._end(error_response(HeadTooSlow(what, fix="send it at once")))

    def _refuse(self, error: FlyballError) -> None:
        """Answer what cannot be read, after the answers to all that came before it."""
        self._rest()
        self._refusal = answer = error_response(error)
        if self._under_way() and self._in_head:
            self.flow.pause_reading()
        else:
            self._end(answer)

    def _end(self, answer: Response) -> None:
        """Answer without having read a request, and hang up."""
        self._rest()
        under_way = self._under_way()
        mute = (
            self.cycle.response_started if under_way else not self._in_head
        )  # then bytes would not be read as an answer
        if not mute and not self.transport.is_closing():
            head = f"content-type: {answer.content_type}\r\ncontent-length: {len(answer.body)}\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[answer.status] + head.encode() + answer.body)
        if under_way:
            self.cycle.disconnected = True  # it has nothing more to say
            self.cycle.message_event.set()
        self.transport.close()


def _no_request(why: object) -> HeadRefused:
    return HeadRefused("this is no HTTP request", why=str(why), fix="send HTTP/1.1")


def _too_large() -> HeadTooLarge:
    what = f"the head of the request is larger than {HEAD_BYTES:,} bytes"
    return HeadTooLarge(what, fix="send fewer or shorter headers, and long queries in a body")
