"""OpenTelemetry, where it is configured: a span and a duration for every request, sent by OTLP over HTTP.

The names are those of OpenTelemetry's semantic conventions for HTTP servers (1.23 and later). Nothing that a client says
beyond the method and the path's pattern is told: query strings and bodies may hold what is nobody else's business.
This is the only file that imports OpenTelemetry, which is an extra.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from flyball.core.clock import rfc3339
from flyball.core.version import __version__
from flyball.serving.asgi import App, Message, Receive, Scope, Send
from flyball_runtime.errors import BadInput

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

__all__ = ["Telemetry", "TelemetryNotInstalled", "configured"]

_ENDPOINTS = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)
_QUIET_SECONDS = 60.0
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"))
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)  # as the conventions ask
_IDENTITY = re.compile(r"/(?=[^/]*\d)[0-9A-Za-z_-]{3,}(?=/|$)")
_PLACE = re.compile(r"(/artifacts|/mpu/[a-z]+|/presigned|/parts|/blobs)/.*")
_VERSION = re.compile(r"/api/\d\.\d(?=/)")
_UNKNOWN = frozenset((401, 403, 404, 405, 421))


class TelemetryNotInstalled(BadInput):
    """The environment asks for OpenTelemetry, but its packages are not installed."""

    code = "FB-SERVE-031"


def configured(environment: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's own variables name a place to send to, and do not switch it off."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    return any(environment.get(name, "").strip() for name in _ENDPOINTS)


class _Complaints(logging.Handler):
    """What its exporters complain of, as a line of JSON like the rest of the log: one a minute, of which kind is enough."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(logging.WARNING)
        self._stream, self._next = stream, 0.0

    def emit(self, record: logging.LogRecord) -> None:
        if record.created < self._next:
            return
        self._next = record.created + _QUIET_SECONDS
        moment = datetime.fromtimestamp(record.created, UTC)
        line = {"time": rfc3339(moment), "event": "telemetry", "why": record.getMessage()[:300]}
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more: serving goes on
            self._stream.write(json.dumps(line) + "\n")
            self._stream.flush()


class Telemetry:
    """What is told to a collector; `close` sends the rest, within some seconds.

    Its exporters read their own variables (OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, OTEL_SERVICE_NAME and the like). They
    send from threads of their own: a collector that is slow or away costs requests nothing.
    """

    def __init__(self, service: str) -> None:
        """service: the name told where OTEL_SERVICE_NAME says none. Raises TelemetryNotInstalled."""
        try:
            self._tracers, self._meters = _providers(service)
        except ModuleNotFoundError as error:
            raise TelemetryNotInstalled(
                "OpenTelemetry is configured, but not installed", where="the environment variables OTEL_…",
                why=str(error), fix='pip install "flyball[telemetry]", or unset the endpoint',
            ) from error  # fmt: skip
        logger = logging.getLogger("opentelemetry")
        logger.handlers = [_Complaints(sys.stderr)]  # for good: its threads may complain after the end
        logger.propagate = False

    def around(self, app: App) -> App:
        """`app`, each of whose requests is told of."""
        return _Traced(app, self._tracers, self._meters)

    def close(self) -> None:
        """Send what waits, and stop."""
        self._tracers.shutdown()
        self._meters.shutdown(timeout_millis=3_000)


def _providers(service: str) -> tuple[TracerProvider, MeterProvider]:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = Resource({"service.name": service, "service.version": __version__})
    resource = Resource.create().merge(named).merge(OTELResourceDetector().detect())
    tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    return tracers, MeterProvider([reader], resource=resource, shutdown_on_exit=False)


class _Traced:
    """ASGI middleware around everything else; `scope["flyball.trace"]` is the ids of trace and span, for the log."""

    def __init__(self, app: App, tracers: TracerProvider, meters: MeterProvider) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._app = app
        self._tracer = tracers.get_tracer("flyball", __version__)
        meter = meters.get_meter("flyball", __version__)
        self._seconds = meter.create_histogram(
            "http.server.request.duration", "s", "How long answers took.", explicit_bucket_boundaries_advisory=_SECONDS
        )
        self._propagator = TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        span = self._start(method, scope, given)
        began, status = time.perf_counter(), 0

        async def send_told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_told)
        finally:
            seconds = time.perf_counter() - began
            facts = _facts(method, scope, status)
            _finish(span, method, facts)
            self._seconds.record(seconds, facts)

    def _start(self, method: str, scope: Scope, given: Mapping[str, str]) -> Span:
        from opentelemetry.trace import SpanKind, format_span_id, format_trace_id

        known = {name: given[name] for name in ("traceparent", "tracestate") if name in given}
        span = self._tracer.start_span(method, self._propagator.extract(known), SpanKind.SERVER)
        context = span.get_span_context()
        scope["flyball.trace"] = (format_trace_id(context.trace_id), format_span_id(context.span_id))
        return span


def _facts(method: str, scope: Scope, status: int) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "http.request.method": method,
        "url.scheme": scope.get("scheme", "http"),
        "network.protocol.version": scope.get("http_version", "1.1"),
    }
    if status:
        facts["http.response.status_code"] = status
    if status >= 500 or not status:
        facts["error.type"] = str(status or "no_answer")
    pattern = _pattern(scope, status)
    return facts if pattern is None else facts | {"http.route": pattern}


def _pattern(scope: Scope, status: int) -> str | None:
    """The path with its ids left out, so that few stand for all; None of a path that is not known to be one of ours."""
    if status in _UNKNOWN or not status:
        return None
    declared = getattr(scope.get("route"), "path", None)
    if isinstance(declared, str):
        return declared
    path = str(scope.get("path", ""))
    if not path.startswith(("/api/", "/v2/", "/predict", "/healthz", "/readyz", "/health", "/metrics")):
        return "/"  # the console and its files
    version = _VERSION.match(path)
    head = version.group() if version else ""
    return head + _IDENTITY.sub("/{id}", _PLACE.sub(r"\1/{path}", path[len(head) :]))


def _finish(span: Span, method: str, facts: Mapping[str, Any]) -> None:
    from opentelemetry.trace import StatusCode

    route = facts.get("http.route")
    span.update_name(f"{method} {route}" if route else method)
    span.set_attributes(facts)
    if "error.type" in facts:
        span.set_status(StatusCode.ERROR)
    span.end()
