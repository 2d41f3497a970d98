"""Requests that are refused at the door are counted by source and minute: few entries, and the right number in them."""

from __future__ import annotations

import asyncio
import collections
import datetime as dt
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from flyball.mlflow import MlflowApp, Service
from flyball.server import open_for_server
from flyball.server.refusals import ENTRY, OTHERS, SOURCES, Refusals
from flyball.server.running import server_app
from flyball.server.watching import Log
from flyball.serving.guard import NotAuthenticated
from support.asking import HandClock
from support.servers import Process

TOKEN = "correct-horse-battery-staple"


def settled(folder: Path) -> list[dict[str, Any]]:
    """The payloads of the entries that tell of refusals, oldest first; every hash of the ledger holds."""
    project, _ = open_for_server(folder)
    try:
        assert project.ledger.verify().ok
        return [project.ledger.payload(entry.seq) for entry in project.ledger.entries(what=ENTRY)]
    finally:
        project.close()


def total(folder: Path) -> int:
    return sum(found["total"] for found in settled(folder))


def knock(url: str, times: int) -> int:
    """So many requests without a token; how many were refused with 401."""
    with httpx.Client() as client:
        return sum(client.get(f"{url}/api/v1/project").status_code == 401 for _ in range(times))


def test_ten_thousand_refused_requests_are_few_entries_with_the_right_count(tmp_path: Path) -> None:
    project, _ = open_for_server(tmp_path)
    clock = HandClock()
    refusals = Refusals(tmp_path / ".flyball" / "refusals", clock)
    protocol = MlflowApp(Service.of(project))
    app = server_app(project, protocol, Log(clock, io.StringIO()), token=TOKEN, refusals=refusals)

    answers: collections.Counter[int] = collections.Counter()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answers[message["status"]] += 1

    async def receive() -> Any:
        raise AssertionError("nothing of a refused request is read")

    async def flood() -> None:
        path, headers = "/api/2.0/mlflow/runs/create", [(b"host", b"h"), (b"authorization", b"Bearer wrong")]
        for number in range(10_000):
            client = (f"203.0.113.{number % 7}", 1)
            scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "client": client}
            await app(scope, receive, send)
            if number == 5000:
                clock.forward(minutes=1)

    try:
        asyncio.run(flood())
        assert answers == {401: 10_000}
        assert refusals.settle(project.ledger) == 7  # the first minute, which ended
        assert refusals.settle(project.ledger) == 0
        assert refusals.settle(project.ledger, whole=True) == 7
    finally:
        refusals.close()
        protocol.close()
        project.close()
    told = settled(tmp_path)
    assert sum(found["total"] for found in told) == 10_000
    assert {found["source"] for found in told} == {f"203.0.113.{number}" for number in range(7)}
    assert {tuple(found["refused"]) for found in told} == {("FB-SERVE-011",)}
    assert list((tmp_path / ".flyball" / "refusals").iterdir()) == []


def test_counts_survive_a_kill_to_the_last_one(tmp_path: Path, start: Callable[..., Process]) -> None:
    first = start(tmp_path, token=TOKEN)
    refused = knock(first.url, 300)
    first.end(signal.SIGKILL)
    second = start(tmp_path, token=TOKEN)
    refused += knock(second.url, 40)
    wrong = httpx.get(f"{second.url}/", headers={"authorization": "Bearer wrong"})
    foreign = {"authorization": f"Bearer {TOKEN}", "origin": "http://evil.example"}
    crossed = httpx.post(f"{second.url}/api/2.0/mlflow/runs/create", json={}, headers=foreign)
    assert (refused, wrong.status_code, crossed.status_code) == (340, 401, 403)
    assert second.end(signal.SIGTERM) == 0
    told = settled(tmp_path)
    assert sum(found["total"] for found in told) == 342
    assert len(told) <= 4  # two servers, two minutes at the most each
    assert sum(found["refused"].get("FB-SERVE-013", 0) for found in told) == 1
    assert {found["source"] for found in told} == {"127.0.0.1"}


KILLED_WHILE_SETTLING = """
import os, sys
from pathlib import Path
from flyball.server import open_for_server
from flyball.server.refusals import Refusals
from flyball.serving.guard import NotAuthenticated
project, _ = open_for_server(Path(sys.argv[1]))
refusals = Refusals(Path(sys.argv[1]) / ".flyball" / "refusals", project.clock)
for _ in range(123):
    refusals.count({"client": ("198.51.100.4", 1)}, NotAuthenticated("x"))
os.environ["FLYBALL_FAILPOINT"] = sys.argv[2]
refusals.settle(project.ledger, whole=True)
"""


@pytest.mark.parametrize(
    "point", ["server.refusals:before-commit", "server.refusals:after-commit", "server.refusals:settled"]
)
def test_a_kill_while_they_are_settled_neither_loses_nor_doubles_any(tmp_path: Path, point: str) -> None:
    command = [sys.executable, "-c", KILLED_WHILE_SETTLING, str(tmp_path), point]
    assert subprocess.run(command, check=False, env={**os.environ}).returncode == -signal.SIGKILL
    project, _ = open_for_server(tmp_path)
    later = Refusals(tmp_path / ".flyball" / "refusals", project.clock)
    later.settle(project.ledger)
    later.settle(project.ledger)
    project.close()
    assert total(tmp_path) == 123


def test_many_sources_make_no_more_entries_than_a_minute_may_have(tmp_path: Path) -> None:
    project, _ = open_for_server(tmp_path)
    refusals = Refusals(tmp_path / "counts", HandClock())
    refused = NotAuthenticated("x")

    def knock_from(part: int) -> None:
        for number in range(500):
            refusals.count({"client": (f"2001:db8:{part:x}:{number % 50:x}::{number:x}", 1)}, refused)

    threads = [threading.Thread(target=knock_from, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refusals.settle(project.ledger, whole=True) == SOURCES + 1
    refusals.close()
    project.close()
    told = settled(tmp_path)
    assert sum(found["total"] for found in told) == 2000
    assert OTHERS in {found["source"] for found in told}
    assert all(json.dumps(found).isascii() for found in told)
    assert dt.datetime.fromisoformat(told[0]["minute"]).second == 0
