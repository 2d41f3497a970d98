"""One HTTP connection: who is slow or sends what is no request is told so, with a code, and let go."""

from __future__ import annotations

import asyncio
import sys
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from flyball.serving.asgi import Response, error_response
from flyball_runtime.errors import BadInput

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


class Connection(H11Protocol):
    """uvicorn's connection, with limits: 20 seconds and 64 KiB for the head of a request, and 10 seconds for the rest
    of a body after the answer to it was sent, so that whoever sends too much still reads why it was refused.
    """

    _patience: asyncio.TimerHandle | None = None
    _lingers = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self._rest()
            self._lingers = True
            self._patience = self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        problem = sys.exc_info()[1]  # this is called while it is handled
        if getattr(problem, "error_status_hint", 400) == 431:
            what = f"the head of the request is larger than {HEAD_BYTES:,} bytes"
            self._end(
                error_response(HeadTooLarge(what, fix="send fewer or shorter headers, and long queries in a body"))
            )
        else:
            self._end(
                error_response(HeadRefused("this is no HTTP request", why=str(problem or msg), fix="send HTTP/1.1"))
            )

    def _watch_head(self) -> None:
        """Set the timer while a head is awaited; take it off once it is there."""
        if self.conn.their_state is not h11.IDLE:
            if not (self._lingers and self.conn.their_state is h11.SEND_BODY):
                self._rest()
        elif self._patience is None:
            self._patience = self.loop.call_later(_HEAD_SECONDS, self._too_slow)

    def _rest(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._lingers = False

    def _too_slow(self) -> None:
        if not self.conn.trailing_data[0]:
            self.transport.close()  # nothing was asked
        elif self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            what = f"the head of the request did not arrive within {_HEAD_SECONDS:g} s"
            self._end(error_response(HeadTooSlow(what, fix="send it at once")))

    def _end(self, answer: Response) -> None:
        """Answer without having read a request, and hang up."""
        headers = [(b"content-type", answer.content_type.encode()), (b"content-length", str(len(answer.body)).encode())]
        events = (
            h11.Response(status_code=answer.status, headers=[*headers, (b"connection", b"close")]),
            h11.Data(data=answer.body),
            h11.EndOfMessage(),
        )
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            for event in events:
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
