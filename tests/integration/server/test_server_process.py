"""`flyball server` as a process: who may ask, what it tells of itself, and what a crash leaves."""

from __future__ import annotations

import asyncio
import base64
import io
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from flyball.mlflow import MlflowApp, Service
from flyball.server import open_for_server
from flyball.server.running import server_app
from flyball.server.watching import Log
from flyball.serving.asgi import App
from support.command_line import flyball
from support.servers import Process

TOKEN = "correct-horse-battery-staple"


def post(url: str, path: str, fields: dict[str, Any]) -> dict[str, Any]:
    answer = httpx.post(f"{url}/api/2.0/mlflow/{path}", json=fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_one_process_serves_the_protocol_the_interface_and_the_console(
    tmp_path: Path, start: Callable[..., Process]
) -> None:
    server = start(tmp_path)
    assert server.first["made"] is True
    assert (tmp_path / "flyball.toml").is_file()
    run = post(server.url, "runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
    post(server.url, "runs/update", {"run_id": run, "status": "FINISHED"})
    assert httpx.get(f"{server.url}/api/v1/project").json()["name"] == "tracking"
    assert "<html" in httpx.get(f"{server.url}/").text
    for probe in ("healthz", "readyz"):
        assert httpx.get(f"{server.url}/{probe}").text == "OK"
    answer = httpx.get(
        f"{server.url}/api/2.0/mlflow/runs/get", params={"run_id": run}, headers={"x-request-id": "mine-7"}
    )
    assert answer.headers["x-request-id"] == "mine-7"
    numbers = httpx.get(f"{server.url}/metrics").text
    assert 'flyball_requests_total{method="POST",part="mlflow",status="200"} 2' in numbers
    assert 'flyball_request_seconds_bucket{part="mlflow",le="+Inf"} 3' in numbers
    assert server.end(signal.SIGTERM) == 0
    told = next(line for line in server.lines if line.get("id") == "mine-7")
    assert (told["event"], told["method"], told["status"]) == ("request", "GET", 200)
    entries = subprocess.run(
        [sys.executable, "-m", "flyball", "audit", "log", "--json", "--dir", str(tmp_path)],
        capture_output=True,
        check=True,
    )
    assert "run.tracked" in entries.stdout.decode()


def test_beyond_this_machine_it_needs_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLYBALL_SERVER_TOKEN", raising=False)
    told = flyball("server", "--host", "0.0.0.0", folder=tmp_path).error(2)
    assert (told["code"], "FLYBALL_SERVER_TOKEN" in told["fix"]) == ("FB-SERVE-010", True)


def ask(app: App, path: str, headers: dict[str, str], **fields: Any) -> int:
    """The status of a request to the application, called as a server would."""

    async def send() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            answer = await client.request("POST" if fields else "GET", path, json=fields or None, headers=headers)
            return answer.status_code

    return asyncio.run(send())


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Callable[[str | None], App]]:
    project, _ = open_for_server(tmp_path)
    protocol = MlflowApp(Service.of(project))
    log = Log(project.clock, io.StringIO())
    yield lambda token: server_app(project, protocol, log, token=token)
    protocol.close()
    project.close()


def test_with_a_token_it_answers_nobody_else(application: Callable[[str | None], App]) -> None:
    app = application(TOKEN)
    basic = base64.b64encode(f"ada:{TOKEN}".encode()).decode()
    given = {"": 401, "Bearer wrong": 401, f"Bearer {TOKEN}": 200, f"Basic {basic}": 200}
    for path in ("/api/2.0/mlflow/experiments/get?experiment_id=0", "/metrics", "/api/v1/project", "/"):
        for value, status in given.items():
            assert ask(app, path, {"authorization": value} if value else {}) == status
    assert [ask(app, path, {}) for path in ("/healthz", "/readyz")] == [200, 200]


def test_a_page_under_another_name_reaches_nothing(application: Callable[[str | None], App]) -> None:
    app, path = application(None), "/api/2.0/mlflow/experiments/create"
    assert ask(app, path, {"host": "evil.example"}, name="x") == 421
    assert ask(app, path, {"origin": "http://evil.example"}, name="x") == 403
    assert ask(app, path, {}, name="x") == 200


def test_runs_are_found_over_http_by_the_whole_query_language(application: Callable[[str | None], App]) -> None:
    app, path = application(None), "/api/v1/runs?where="
    assert ask(app, "/api/2.0/mlflow/runs/create", {}, experiment_id="0", run_name="one") == 200
    for query in (
        "",
        "run_name = 'one' OR (metrics.auc > 1 AND NOT tags.a = 'b')",
        "experiment.name = 'Default'&order=started DESC",
    ):
        assert ask(app, path + query, {}) == 200
    for query in ("odd", "(metrics.auc > 1", "&limit=1001", "&offset=-1", "&order=odd", "&limit=x"):
        assert ask(app, path + query, {}) == 400


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, start: Callable[..., Process]) -> None:
    server = start(tmp_path)
    run = post(server.url, "runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
    acknowledged: list[int] = []
    ended = threading.Event()

    def write() -> None:
        with suppress(httpx.HTTPError), httpx.Client() as client:
            for step in range(100_000):
                fields = {"run_id": run, "key": "m", "value": step, "timestamp": step, "step": step}
                if client.post(f"{server.url}/api/2.0/mlflow/runs/log-metric", json=fields).status_code == 200:
                    acknowledged.append(step)
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    while len(acknowledged) < 40:
        assert not ended.is_set()
    server.end(signal.SIGKILL)
    writer.join(30)
    again = start(tmp_path)
    found = httpx.get(
        f"{again.url}/api/2.0/mlflow/metrics/get-history", params={"run_id": run, "metric_key": "m"}
    ).json()["metrics"]
    assert set(acknowledged) <= {point["step"] for point in found}
    assert len(found) <= len(acknowledged) + 1
