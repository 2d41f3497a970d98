"""OpenTelemetry: what a collector is told of requests, and that one that is away costs nothing."""

from __future__ import annotations

import gzip
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flyball.serving.telemetry import configured
from support.servers import Process, until

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector:
    """An OTLP receiver on a port of this machine: the bodies that came, decoded."""

    def __init__(self) -> None:
        self.traces: list[Any] = []
        self.metrics: list[Any] = []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                if self.path == "/v1/traces":
                    collector.traces.append(ExportTraceServiceRequest.FromString(body))
                else:
                    assert self.path == "/v1/metrics"
                    collector.metrics.append(ExportMetricsServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def spans(self) -> list[Any]:
        return [span for body in self.traces for resource in body.resource_spans for scope in resource.scope_spans
                for span in scope.spans]  # fmt: skip

    def resource(self) -> dict[str, Any]:
        return facts(self.traces[0].resource_spans[0].resource.attributes)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with closing(Collector()) as made:
        yield made


def facts(attributes: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in attributes}


def ask(url: str, body: Mapping[str, object] | None = None, **headers: str) -> int:
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers)
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_each_request_is_a_span_of_the_callers_trace_and_a_duration(collector: Collector, tmp_path: Path) -> None:
    server = Process(tmp_path, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    mlflow = f"{server.url}/api/2.0/mlflow"
    assert ask(f"{mlflow}/experiments/create", {"name": "north"}, traceparent=PARENT) == 200
    assert ask(f"{mlflow}/experiments/get?experiment_id=1") == 200
    assert ask(f"{mlflow}/nothing/of/the/kind") == 404
    assert ask(f"{server.url}/api/v1/runs?where=tags.who%20%3D%20'nobody'") == 200
    assert ask(f"{server.url}/api/2.0/mlflow-artifacts/artifacts/1/0123456789abcdef/artifacts/secret.txt") in {400, 404}
    assert server.end(signal.SIGTERM) == 0

    spans = collector.spans()
    told = {span.name: facts(span.attributes) for span in spans}
    assert set(told) == {
        "POST /api/2.0/mlflow/experiments/create",
        "GET /api/2.0/mlflow/experiments/get",
        "GET /api/v1/runs",
        "GET",
    } | ({"GET /api/2.0/mlflow-artifacts/artifacts/{path}"} & set(told))
    first = next(span for span in spans if span.name.startswith("POST"))
    assert (first.trace_id.hex(), first.parent_span_id.hex()) == (PARENT[3:35], PARENT[36:52])
    assert first.end_time_unix_nano > first.start_time_unix_nano
    attributes = told["POST /api/2.0/mlflow/experiments/create"]
    assert attributes["http.request.method"] == "POST"
    assert attributes["http.response.status_code"] == 200
    assert attributes["http.route"] == "/api/2.0/mlflow/experiments/create"
    assert collector.resource()["service.name"] == "flyball-server"
    assert all(word not in str(collector.traces) for word in ("nobody", "secret.txt", "north"))

    (line,) = [line for line in server.lines if line.get("path", "").endswith("experiments/create")]
    assert (line["trace_id"], line["span_id"]) == (first.trace_id.hex(), first.span_id.hex())
    (metric,) = collector.metrics[-1].resource_metrics[0].scope_metrics[0].metrics
    assert (metric.name, metric.unit) == ("http.server.request.duration", "s")
    assert sum(point.count for point in metric.histogram.data_points) == 5


def test_its_own_variables_name_the_service_and_switch_it_off(collector: Collector, tmp_path: Path) -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    server = Process(
        tmp_path, environment=endpoint | {"OTEL_SERVICE_NAME": "plant", "OTEL_RESOURCE_ATTRIBUTES": "site=4"}
    )
    ask(f"{server.url}/healthz")
    assert server.end(signal.SIGTERM) == 0
    assert collector.resource() | {"service.name": "plant", "site": "4"} == collector.resource()
    assert configured(endpoint)
    assert not configured(endpoint | {"OTEL_SDK_DISABLED": "true"})
    assert not configured({"OTEL_EXPORTER_OTLP_ENDPOINT": " "})


def test_a_collector_that_is_away_costs_requests_nothing_and_the_server_ends(tmp_path: Path) -> None:
    server = Process(tmp_path, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"})
    assert [ask(f"{server.url}/healthz") for _ in range(20)] == [200] * 20
    began = time.monotonic()
    assert server.end(signal.SIGTERM) == 0
    assert time.monotonic() - began < 25
    until(lambda: any(line.get("event") == "stopped" for line in server.lines))


def test_without_the_packages_the_server_says_what_to_install(tmp_path: Path) -> None:
    blocked = "import sys; sys.modules['opentelemetry.sdk'] = None; from flyball.cli import main; sys.exit(main(sys.argv[1:]))"
    environment = os.environ | {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}
    command = [sys.executable, "-c", blocked, "server", "--port", "0", "--json", "--dir", str(tmp_path)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    error = json.loads(ended.stdout)["error"]
    assert (ended.returncode, error["code"]) == (2, "FB-SERVE-031")
    assert "flyball[telemetry]" in error["fix"]
