"""Two servers over one store, 32 writers: no error of a lock, and nothing acknowledged is lost, whoever is killed."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from flyball.server import open_for_server
from support.postgres import PostgresServer
from support.servers import until
from support.stores import Store

WRITERS, ROUNDS, POINTS = 32, 2, 25
GONE = (OSError, http.client.HTTPException)


@dataclass
class Told:
    """What servers have acknowledged, and every answer that was no success."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    points: dict[str, set[int]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    moves: int = 0
    calls: int = 0
    other: list[tuple[int, str]] = field(default_factory=list)


class Caller:
    """Calls one server after the other until one has acknowledged, as a balancer with two of them would."""

    def __init__(self, urls: list[str], told: Told, first: int) -> None:
        self._urls, self._told, self._place = urls, told, first
        self._connection: http.client.HTTPConnection | None = None

    def __call__(self, path: str, **fields: Any) -> dict[str, Any]:
        end = time.monotonic() + 60
        while True:
            assert time.monotonic() < end, path
            try:
                status, answer = self._once(path, json.dumps(fields))
            except GONE:  # or what a balancer says of a server that is
                self.close()
                self._place += 1
                time.sleep(0.01)
                continue
            with self._told.lock:
                self._told.calls += 1
                if status == 200:
                    return answer
                self._told.other.append((status, json.dumps(answer)))
            assert status == 503, answer

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _once(self, path: str, body: str) -> tuple[int, dict[str, Any]]:
        if self._connection is None:
            url = self._urls[self._place % len(self._urls)]
            self._connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
        self._connection.request("POST", f"/api/2.0/mlflow/{path}", body, {"content-type": "application/json"})
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status == 502:
            raise ConnectionError(body)
        return answer.status, json.loads(body)


def work(urls: list[str], told: Told, number: int) -> None:
    with closing(Caller(urls, told, number)) as ask:
        for turn in range(ROUNDS):
            one_run(ask, told, number, turn)


def one_run(ask: Caller, told: Told, number: int, turn: int) -> None:
    run = uuid.uuid4().hex  # its own, so that to begin it again begins it once
    ask("runs/create", run_id=run, experiment_id="0", run_name=f"{number}/{turn}", start_time=1)
    with told.lock:
        told.points[run] = set()
    metrics = [{"key": "m", "value": step, "timestamp": step, "step": step} for step in range(POINTS)]
    ask("runs/log-batch", run_id=run, metrics=metrics, params=[{"key": "writer", "value": str(number)}])
    with told.lock:
        told.points[run] |= set(range(POINTS))
    ask("runs/log-metric", run_id=run, key="m", value=1, timestamp=9999, step=9999)
    with told.lock:
        told.points[run].add(9999)
    ask("runs/set-tag", run_id=run, key="turn", value=str(turn))
    with told.lock:
        told.tags[run] = str(turn)
    ask("registered-models/alias", name="machines", alias=f"alias{number % 4}", version=str(1 + turn % 2))
    with told.lock:
        told.moves += 1


@pytest.fixture
def servers() -> Iterator[Callable[[Store], list[Any]]]:
    started: list[subprocess.Popen[str]] = []

    def start(store: Store) -> list[Any]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("FLYBALL_")}
        command = [sys.executable, "-m", "flyball", "server", "--port", "0", "--json", "--dir", str(store.folder)]
        command += ["--store", store.url]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        started.extend(subprocess.Popen(command, text=True, env=environment, **pipes) for _ in range(2))
        return [(process, json.loads(process.stdout.readline())["url"]) for process in started]  # type: ignore[union-attr]

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def write(urls: list[str], told: Told, meanwhile: Callable[[], None]) -> None:
    """32 writers at work, and what happens to them meanwhile."""
    failed: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(urls, told, number)
        except BaseException as error:  # noqa: BLE001 - raised in the test's own thread
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    meanwhile()
    for thread in threads:
        thread.join(120)
    if failed:
        raise failed[0]


def whole(store: Store, told: Told) -> None:
    """Everything that was acknowledged is in the store, once, and the ledger verifies."""
    project, _ = open_for_server(store.folder, store=store.url)
    for run, steps in told.points.items():
        points, _ = project.tracking.runs.history(run, "m")
        assert sorted(point.step for point in points) == sorted(steps)
        assert project.tracking.runs.get(run).tags["turn"] == told.tags[run]
    assert project.tracking.runs.count() == len(told.points) == WRITERS * ROUNDS
    assert len(project.registry.alias_history("machines")) > 0
    assert {move.alias for move in project.registry.alias_history("machines")} == {f"alias{one}" for one in range(4)}
    assert project.registry.verify().ok
    project.close()


def acknowledged(told: Told, least: int) -> None:
    end = time.monotonic() + 60
    while told.calls < least:
        assert time.monotonic() < end
        time.sleep(0.002)


def register(urls: list[str]) -> None:
    with closing(Caller(urls, Told(), 0)) as ask:
        ask("registered-models/create", name="machines")
        for _ in range(2):
            ask("model-versions/create", name="machines", source="s3://bucket/model")


def test_32_writers_on_two_servers_of_which_one_is_killed(store: Store, servers: Callable[[Store], list[Any]]) -> None:
    (one, url), (_, other) = servers(store)
    register([url])
    told = Told()

    def kill() -> None:
        acknowledged(told, WRITERS * ROUNDS * 2)
        assert told.calls < WRITERS * ROUNDS * 5
        one.send_signal(signal.SIGKILL)

    write([url, other], told, kill)
    assert told.other == []
    whole(store, told)


BALANCER = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1; events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream flyball {{ {servers} keepalive 32; }}
  server {{
    listen 127.0.0.1:{port}; client_max_body_size 0;
    location / {{
      proxy_pass http://flyball; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_request_buffering off; proxy_buffering off;
    }}
  }}
}}
"""


@pytest.fixture
def balancer(tmp_path: Path) -> Iterator[Callable[[list[str]], str]]:
    """nginx in front of servers; its URL."""
    started: list[subprocess.Popen[bytes]] = []
    folder = tmp_path / "balancer"
    folder.mkdir()

    def start(urls: list[str]) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        servers = " ".join(f"server {url.removeprefix('http://')};" for url in urls)
        (folder / "nginx.conf").write_text(BALANCER.format(folder=folder, port=port, servers=servers), encoding="utf-8")
        # In the foreground and by its path: on a path of users' own, /usr/sbin is missing.
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        started.append(subprocess.Popen([program, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]))
        url = f"http://127.0.0.1:{port}"
        until(lambda: answers(f"{url}/readyz"))
        return url

    yield start
    for process in started:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_32_writers_behind_a_balancer_of_whose_servers_one_is_killed(
    postgres: PostgresServer, tmp_path: Path, servers: Callable[[Store], list[Any]],
    balancer: Callable[[list[str]], str],
) -> None:  # fmt: skip
    store = Store(postgres.database(), tmp_path, postgres)
    (one, url), (_, other) = servers(store)
    front = balancer([url, other])
    register([front])
    told = Told()

    def kill() -> None:
        acknowledged(told, WRITERS * ROUNDS * 2)
        one.send_signal(signal.SIGKILL)

    write([front], told, kill)
    assert told.other == []
    whole(store, told)
    for path in ("/healthz", "/api/v1/runs?limit=2", "/"):
        assert answers(f"{front}{path}"), path


@pytest.fixture
def mortal() -> Iterator[PostgresServer]:
    """A server that this test alone may kill."""
    with PostgresServer() as server:
        yield server


def test_32_writers_on_two_servers_whose_database_is_killed_and_started_again(
    mortal: PostgresServer, tmp_path: Path, servers: Callable[[Store], list[Any]]
) -> None:
    store = Store(mortal.database(), tmp_path, mortal)
    (_, url), (_, other) = servers(store)
    register([url])
    told = Told()

    def restart() -> None:
        for least in (90, 200):
            acknowledged(told, least)
            mortal.kill()
            mortal.start()

    write([url, other], told, restart)
    assert all(json.loads(answer)["error_code"] == "TEMPORARILY_UNAVAILABLE" for _, answer in told.other)
    whole(store, told)
