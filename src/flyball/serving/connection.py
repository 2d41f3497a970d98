"""One HTTP connection: who is slow or sends what is no request is told so, with a code, and let go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, ClassVar
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from flyball.serving.asgi import Prompt, Response, error_response
from flyball_runtime.errors import BadInput, FlyballError

__all__ = ["HEAD_BYTES", "Connection", "HeadRefused", "HeadTooLarge", "HeadTooSlow"]

_HEAD_SECONDS = 20.0
_LINGER_SECONDS = 10.0
_BODY_SECONDS = 0.25
PROMPT_BYTES = 16 * 1024  # of a body that is waited for
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


class Cycle(RequestResponseCycle):
    """uvicorn's request and answer; an answer that is whole goes out in one packet, not its head before its body."""

    _start: Any = None

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start" and not self.response_started:
            self._start = message  # what is awaited next is the first of the body
            return
        start, self._start = self._start, None
        if start is not None:
            body, headers = message.get("body", b""), start.get("headers", ())
            plain = message["type"] == "http.response.body" and not message.get("more_body", False)
            if plain and self._is_plain(headers, body):
                self._answer(start["status"], headers, body)
                return
            await super().send(start)
        await super().send(message)

    def reply(self, response: Response) -> None:
        """Send a whole answer, if somebody is still there."""
        self._answer(response.status, response.raw_headers(), response.body)

    def _is_plain(self, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bool:
        """Whether an answer says its length and nothing about the connection, and can be sent at once."""
        said = [value for name, value in headers if name.lower() == b"content-length"]
        steers = any(name.lower() in (b"connection", b"transfer-encoding") for name, _ in headers)
        same = said == [b"%d" % len(body)] and not steers
        return same and self.scope["method"] != "HEAD" and not self.flow.write_paused

    def _answer(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
        if self.disconnected:
            return
        self.response_started = True
        self.waiting_for_100_continue = False
        lines = [STATUS_LINE[status]]
        for name, value in (*self.default_headers, *headers):
            if b"\n" in value or b"\r" in value:
                raise RuntimeError("a header of the answer has several lines")
            lines += (name, b": ", value, b"\r\n")
        lines += (b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n", body)
        self.transport.write(b"".join(lines))
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with limits: 20 seconds and 64 KiB for the head of a request, and 10 seconds for the rest
    of a body after the answer to it was sent, so that whoever sends too much still reads why it was refused.

    The parser takes heads of any size and with any hosts, so both are looked at here. Requests for which the application
    has a `Prompt` (see `flyball.serving.asgi`, in its mapping `prompts`) wait for their small bodies and take that.
    """

    _patience: asyncio.TimerHandle | None = None
    _refusal: Response | None = None  # of what came behind a request that is still being answered
    _prompt: Prompt | None = None  # of a request whose body is awaited
    _lingers = False
    _in_head = True
    _came = 0  # bytes of a head that is not complete
    _idle_since: float | None = None  # when the last answer was sent, while nothing has come since

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._patience = self.loop.call_later(_HEAD_SECONDS, self._too_slow)

    def data_received(self, data: bytes) -> None:
        self._idle_since = None
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
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._came = max(self._came, 1)  # it may begin behind the end of the one before

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        version = self.parser.get_http_version()
        self._check_head(version)
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope: Any = self.scope
        scope["method"] = method = self.parser.get_method().decode("ascii")
        scope["path"] = path = unquote(path) if "%" in path else path
        scope["raw_path"], scope["query_string"], scope["http_version"] = url.path, url.query or b"", version
        before: Any = self.cycle  # None before the first request
        self.cycle = cycle = Cycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            # What follows a wish for another protocol may be of that.
            keep_alive=version != "1.0" and self.parser.should_keep_alive() and not self.parser.should_upgrade(),
            on_response=self.on_response_complete,
        )
        self._in_head = False
        if before is not None and not before.response_complete:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))
            return
        if not self.expect_100_continue and not self.flow.write_paused:
            self._prompt = getattr(self.app, "prompts", {}).get((method, path))
        if self._prompt is None:
            self._start_asgi_task(cycle, self.app)

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self._prompt is not None and len(self.cycle.body) > PROMPT_BYTES:
            self._take_application()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True
        self._came = 0
        if self._lingers:
            self._rest()
        if (prompt := self._prompt) is not None:
            self._rest()
            self._prompt = None
            cycle: Any = self.cycle
            if not prompt(cycle.scope, bytes(cycle.body), cycle.reply):
                self._start_asgi_task(cycle, self.app)

    def _take_application(self) -> None:
        """The longer road: the body of the request is not small, or does not come at once."""
        self._rest()
        self._prompt = None
        self._start_asgi_task(self.cycle, self.app)

    def _check_head(self, version: str) -> None:
        size, hosts = len(self.url), 0
        for name, value in self.headers:
            size += len(name) + len(value) + 4
            if name == b"host":
                hosts += 1
            elif name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
        if size > HEAD_BYTES:
            raise _too_large()
        if hosts > 1 or (not hosts and version == "1.1"):
            raise _no_request("it names no host" if not hosts else "it names several hosts")

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._idle_since = self.loop.time()
            if self.timeout_keep_alive_task is None:
                self._let_idle(self.timeout_keep_alive)
        if not self.cycle.response_complete:  # another one, that came behind it, is under way
            return
        if self._refusal is not None:
            self._end(self._refusal)
        elif self.cycle.more_body and not self.transport.is_closing():
            self._rest()
            self._lingers = True
            self._patience = self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    def _let_idle(self, seconds: float) -> None:
        """Look after so many seconds whether nothing came: one timer a connection, not one an answer."""
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        if self._idle_since is None or self.transport.is_closing():
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0.001:
            self._let_idle(left)
        else:
            self.transport.close()

    def _watch_head(self) -> None:
        """Set the timer while a head is awaited of which something is there; take it off once it is complete."""
        if not self._in_head:
            if not self._lingers:
                self._rest()
            if self._prompt is not None:
                self._patience = self.loop.call_later(_BODY_SECONDS, self._take_application)
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
