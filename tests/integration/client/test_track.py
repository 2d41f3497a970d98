"""`fb.track()`: nothing is lost, nothing is doubled, and no training waits or fails because of it."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import flyball as fb
from flyball.client import Spool
from flyball.mlflow import MlflowApp, Service
from flyball.project import Project
from flyball.server import open_for_server
from flyball.serving.run import run as run_server
from support.command_line import flyball


class Server:
    """The protocol on a port, for as long as it is started."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.url = ""
        self._port = 0

    def start(self) -> None:
        self._stop, ready = threading.Event(), threading.Event()
        self._app = MlflowApp(Service.of(self.project))

        def told(address: Any) -> None:
            self.url, self._port = address.url, address.port
            ready.set()

        arguments = {"port": self._port, "ready": told, "stop": self._stop}
        self._thread = threading.Thread(target=run_server, args=(self._app,), kwargs=arguments)
        self._thread.start()
        assert ready.wait(30)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)
        self._app.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    project, _ = open_for_server(_made(tmp_path / "server"))
    one = Server(project)
    one.start()
    yield one
    one.stop()
    project.close()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_run_arrives_whole(server: Server, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    with fb.track(server.url, experiment="north", name="first", spool=spool) as run:
        run.params({"depth": 3, "rate": 0.1})
        run.tags({"stage": "try"})
        for step in range(2500):
            run.log({"loss": 1 / (step + 1), "odd": math.nan}, step=step)
        assert run.flush(30)
    assert run.trouble is None
    found = server.project.tracking.runs.get(run.id)
    assert (found.name, found.status, found.params) == ("first", "FINISHED", {"depth": "3", "rate": "0.1"})
    assert found.tags["stage"] == "try"
    assert len(server.project.tracking.runs.history(run.id, "loss")[0]) == 2500
    assert server.project.tracking.experiments.get(found.experiment).name == "north"
    assert list(spool.iterdir()) == []


def test_a_training_goes_on_while_the_server_is_away_and_is_sent_later(server: Server, tmp_path: Path) -> None:
    spool = tmp_path / ".flyball" / "spool"
    server.stop()
    with fb.track(server.url, spool=spool) as run:
        run.log({"loss": 0.5}, step=1)
        assert not run.flush(0.1)
        run.finish(timeout_s=0.1)
    assert "cannot be reached" in (run.trouble or "")
    os.utime(next(spool.glob("*.jsonl")), (1, 1))  # as if it had ended long ago
    assert flyball("track", "sync", server.url, folder=tmp_path).error(2)["code"] == "FB-CLIENT-002"
    server.start()
    assert flyball("track", "sync", server.url, folder=tmp_path).answer()["sent"] == [run.id]
    assert flyball("track", "sync", server.url, folder=tmp_path).answer()["sent"] == []
    found = server.project.tracking.runs.get(run.id)
    assert (found.status, [metric.value for metric in found.metrics]) == ("FINISHED", [0.5])


def test_what_flush_returned_for_survives_a_kill(server: Server, tmp_path: Path) -> None:
    script = """
import sys, time
import flyball as fb
run = fb.track(sys.argv[1] or None, spool=sys.argv[2])
for step in range(500):
    run.log({"loss": step}, step=step)
run.flush(0)
print(run.id, flush=True)
time.sleep(60)
"""
    spool = tmp_path / ".flyball" / "spool"
    environment = {name: value for name, value in os.environ.items() if not name.endswith("TRACKING_URI")}
    training = subprocess.Popen(
        [sys.executable, "-c", script, "", str(spool)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert training.stdout is not None
    identity = training.stdout.readline().strip()
    training.send_signal(signal.SIGKILL)
    training.wait()
    training.stdout.close()
    os.utime(spool / f"{identity}.jsonl", (1, 1))
    assert flyball("track", "sync", server.url, folder=tmp_path).answer()["sent"] == [identity]
    history, _ = server.project.tracking.runs.history(identity, "loss")
    assert [point.step for point in history] == list(range(500))


def test_sending_the_same_again_doubles_nothing(server: Server, tmp_path: Path) -> None:
    spool = tmp_path / ".flyball" / "spool"
    run = fb.track(None, spool=spool)
    run.params({"depth": 3})
    run.log({"loss": 1.0}, step=1)
    run.finish()
    file = spool / f"{run.id}.jsonl"
    kept = file.read_bytes()
    for _ in range(2):
        file.write_bytes(kept + b'{"kind": "metric", "run": "half')  # a kill in the middle of a line
        os.utime(file, (1, 1))
        flyball("track", "sync", server.url, folder=tmp_path).answer()
    assert len(server.project.tracking.runs.history(run.id, "loss")[0]) == 1
    assert len(server.project.tracking.runs.search().items) == 1


def test_nothing_that_goes_wrong_reaches_the_training(server: Server, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with fb.track(server.url, spool=blocked / "spool") as run:
        run.log({"loss": "no number"})  # type: ignore[dict-item]
        run.log({"loss": 1.0})
    assert run.trouble is not None
    with fb.track(server.url, spool=tmp_path / "spool") as other:
        other.params({"depth": 1})
        other.params({"depth": 2})
        other.log({"b|d": 1.0})
        other.flush(30)
    assert "refused" in (other.trouble or "")


def test_a_training_that_fails_leaves_a_failed_run(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), fb.track(server.url, spool=tmp_path / "spool") as run:
        run.log({"loss": 1 / 0})
    assert server.project.tracking.runs.get(run.id).status == "FAILED"


def test_logging_waits_for_no_server(tmp_path: Path) -> None:
    """Against a port that takes connections and never answers, logging costs what it costs without any server."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        taken = []
        for url in (None, f"http://127.0.0.1:{silent.getsockname()[1]}"):
            run = fb.track(url, spool=tmp_path / "spool")
            began = time.thread_time()
            for step in range(3000):
                run.log({"loss": 1.0}, step=step)
            taken.append(time.thread_time() - began)
            run.finish(timeout_s=0.1)
        assert taken[1] < 5 * taken[0] + 0.05


def test_a_spool_gives_back_what_was_put_in_and_forgets_nothing_unacknowledged(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "x.jsonl")
    spool.add([{"n": number} for number in range(10)])
    records, place = spool.pending(4)
    assert [record["n"] for record in records] == [0, 1, 2, 3]
    spool.acknowledge(place)
    again = Spool(tmp_path / "x.jsonl")
    assert [record["n"] for record in again.pending(100)[0]] == [4, 5, 6, 7, 8, 9]
    assert not again.done()
    again.acknowledge(again.pending(100)[1])
    assert again.done()
    spool.close()
    again.close(remove=True)
    assert json.dumps([path.name for path in tmp_path.iterdir()]) == "[]"


def test_what_an_earlier_version_wrote_down_point_by_point_is_sent_too(server: Server, tmp_path: Path) -> None:
    spool = tmp_path / ".flyball" / "spool"
    run = fb.track(None, spool=spool)
    run.log({"new": 1.0, "other": math.nan}, step=3)
    run.finish()
    file = spool / f"{run.id}.jsonl"
    old = {"kind": "metric", "run": run.id, "timestamp": 5, "step": 2, "key": "old", "value": 0.5}
    file.write_bytes(file.read_bytes() + json.dumps(old).encode() + b"\n")
    os.utime(file, (1, 1))
    assert flyball("track", "sync", server.url, folder=tmp_path).answer()["sent"] == [run.id]
    found = {metric.key: (metric.value, metric.step) for metric in server.project.tracking.runs.get(run.id).metrics}
    assert found["old"] == (0.5, 2)
    assert found["new"] == (1.0, 3)
    assert math.isnan(found["other"][0])
