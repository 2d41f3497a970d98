"""What is told of every request: an id, a line of the log, the numbers that Prometheus reads."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import sys
import threading
import time
import traceback
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from json.encoder import encode_basestring_ascii as quoted
from typing import TextIO

from flyball.core.clock import Clock, rfc3339
from flyball.core.version import __version__
from flyball.serving.asgi import App, Message, Prompt, Receive, Response, Scope, Send, header

__all__ = ["Log", "Measured", "Watched"]

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_TOGETHER_SECONDS, _TOGETHER_LINES = 0.05, 200
_SKIPPED = frozenset(("/healthz", "/readyz", "/metrics", "/health"))


class Log:
    """One JSON object per line. Threads may share it.

    The lines of requests are written together, a twentieth of a second after the first of them at the latest.
    """

    def __init__(self, clock: Clock, stream: TextIO | None = None) -> None:
        self._clock = clock
        self._stream = stream or sys.stderr
        self._lock = threading.Lock()
        self._lines: list[str] = []

    def tell(self, event: str, **facts: object) -> None:
        line = {"time": rfc3339(self._clock.now()), "event": event, **facts}
        self._write(json.dumps(line, ensure_ascii=True, default=str) + "\n")

    def request(
        self,
        identity: str,
        method: str,
        path: str,
        status: int,
        *,
        seconds: float,
        trace: tuple[str, str] | None = None,
    ) -> None:
        """The line of a request: as `tell` would write it, which takes longer than many an answer."""
        traced = f', "trace_id": {quoted(trace[0])}, "span_id": {quoted(trace[1])}' if trace else ""
        line = (
            f'{{"time": "{rfc3339(self._clock.now())}", "event": "request", "id": {quoted(identity)}, '
            f'"method": {quoted(method)}, "path": {quoted(path[:200])}, "status": {status}, '
            f'"ms": {round(seconds * 1000, 2)}{traced}}}\n'
        )
        with self._lock:
            self._lines.append(line)
            count = len(self._lines)
        if count == 1:
            asyncio.get_running_loop().call_later(_TOGETHER_SECONDS, self._write)
        elif count >= _TOGETHER_LINES:
            self._write()

    def _write(self, line: str = "") -> None:
        with self._lock:
            lines, self._lines = self._lines, []
            if not (lines or line):
                return
            try:
                self._stream.write("".join((*lines, line)))
                self._stream.flush()
            except (OSError, ValueError):  # nobody reads it any more: serving goes on
                return

    def unforeseen(self, error: BaseException, path: str) -> None:
        """An error that nobody foresaw: what kind and where in the code, not what its message said."""
        frames = [
            f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)
        ]
        self.tell("unforeseen", path=path[:200], error=type(error).__name__, frames=frames[-12:])


class Measured:
    """Counts and durations of requests, by what they were about."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: Counter[tuple[str, str, int]] = Counter()
        self._buckets: dict[str, list[int]] = {}
        self._sums: Counter[str] = Counter()
        self._started = time.time()
        self.under_way = 0

    def add(self, method: str, part: str, status: int, seconds: float) -> None:
        with self._lock:
            self._answers[method, part, status] += 1
            buckets = self._buckets.setdefault(part, [0] * (len(_SECONDS) + 1))
            buckets[bisect_left(_SECONDS, seconds)] += 1
            self._sums[part] += seconds  # type: ignore[assignment]

    def text(self) -> str:
        """The numbers in the form that Prometheus scrapes (text format 0.0.4)."""
        lines = [
            "# HELP flyball_info The version that runs.", "# TYPE flyball_info gauge",
            f'flyball_info{{version="{__version__}"}} 1',
            "# HELP flyball_start_time_seconds When the server started.", "# TYPE flyball_start_time_seconds gauge",
            f"flyball_start_time_seconds {self._started:.3f}",
            "# HELP flyball_requests_under_way Requests that are being answered.",
            "# TYPE flyball_requests_under_way gauge", f"flyball_requests_under_way {self.under_way}",
            "# HELP flyball_requests_total Requests that were answered.", "# TYPE flyball_requests_total counter",
        ]  # fmt: skip
        with self._lock:
            for (method, part, status), count in sorted(self._answers.items()):
                lines.append(f'flyball_requests_total{{method="{method}",part="{part}",status="{status}"}} {count}')
            lines += [
                "# HELP flyball_request_seconds How long answers took.", "# TYPE flyball_request_seconds histogram"
            ]  # fmt: skip
            for part, buckets in sorted(self._buckets.items()):
                total = 0
                for edge, count in zip((*map(str, _SECONDS), "+Inf"), buckets, strict=True):
                    total += count
                    lines.append(f'flyball_request_seconds_bucket{{part="{part}",le="{edge}"}} {total}')
                lines.append(f'flyball_request_seconds_sum{{part="{part}"}} {self._sums[part]:.6f}')
                lines.append(f'flyball_request_seconds_count{{part="{part}"}} {total}')
        return "\n".join(lines) + "\n"


class Watched:
    """ASGI middleware around everything else. An id that the client gave (X-Request-Id) is kept.

    prompts: the short roads beside `app`, by method and path, which are watched too.
    """

    def __init__(
        self, app: App, log: Log, measured: Measured, prompts: Mapping[tuple[str, str], Prompt] | None = None
    ) -> None:
        self._app, self._log, self._measured = app, log, measured
        self.prompts = {place: partial(self._at_once, prompt) for place, prompt in (prompts or {}).items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identity = _identity(scope)
        began, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", identity.encode())]
            await send(message)

        self._measured.under_way += 1
        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:  # noqa: BLE001 - the web server's own word for it would be a traceback with data in it
            self._log.unforeseen(error, scope["path"])
            if not status:
                await Response(500, b"", "text/plain").send(send_with_id)
        finally:
            self._answered(scope, identity, status, began)

    def _at_once(self, prompt: Prompt, scope: Scope, body: bytes, reply: Callable[[Response], None]) -> bool:
        identity, began = _identity(scope), time.perf_counter()

        def reply_with_id(response: Response) -> None:
            headers = {**response.headers, "x-request-id": identity}
            reply(Response(response.status, response.body, response.content_type, headers))
            self._answered(scope, identity, response.status, began)

        self._measured.under_way += 1
        try:
            taken = prompt(scope, body, reply_with_id)
        except Exception as error:  # noqa: BLE001 - as above; nobody has answered
            self._log.unforeseen(error, scope["path"])
            taken = False
        if not taken:
            self._measured.under_way -= 1
        return taken

    def _answered(self, scope: Scope, identity: str, status: int, began: float) -> None:
        self._measured.under_way -= 1
        seconds = time.perf_counter() - began
        method, path = scope["method"], scope["path"]
        self._measured.add(method if method.isalpha() else "?", _part(path), status, seconds)
        if path not in _SKIPPED:
            self._log.request(identity, method, path, status, seconds=seconds, trace=scope.get("flyball.trace"))


def _identity(scope: Scope) -> str:
    given = header(scope["headers"], b"x-request-id")
    return given if given and _ID.fullmatch(given) else secrets.token_hex(8)


def _part(path: str) -> str:
    """What a path is about, of few: labels of a metric must not grow with what clients ask."""
    if "/mlflow-artifacts/" in path:
        return "files"
    if "/mlflow/" in path:
        return "mlflow"
    if path.startswith("/api/"):
        return "api"
    return "probe" if path in _SKIPPED else "console"
