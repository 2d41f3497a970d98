"""The tracking server against MLflow's own, with its defaults and with one worker, through MLflow's unmodified client.

One run, one server after the other on the same machine; the figures are ratios. It needs the environment that `make
conformance` makes. The 10,000 runs to search are written into both stores directly, because their making is not measured.
"""

from __future__ import annotations

import importlib.util
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks._tracking_client import timed
from benchmarks._tracking_shapes import PEERS, TARGETS, memory, verdict
from flyball.client import RunReader

ROOT = Path(__file__).resolve().parent.parent
RUNS = 10_000
Fill = Callable[[Path], str]


def main() -> dict[str, Any]:
    """Milliseconds and processor time per call of each server, their ratios, and whether the targets were met."""
    servers = _servers()
    servers.prepare()
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="flyball-bench-") as name:
        folder = Path(name)
        found["mlflow"] = measure(servers, "theirs", folder / "default", fill_theirs, workers=None, jobs=True)
        found["mlflow, one worker"] = measure(servers, "theirs", folder / "one", fill_theirs, workers=1, jobs=True)
        found["flyball"] = measure(servers, "ours", folder / "ours", fill_ours)
    ratios, met = verdict(found)
    for peer in PEERS:
        for figure, value in ratios[peer].items():
            target = TARGETS.get(peer, {}).get(figure)
            print(f"{figure:<24} {value:8.4f} of {peer}" + (f", target {target:.4f}" if target else ""))
    return {"figures": found, "ratios": ratios, "targets": TARGETS, "met": met}


def measure(
    servers: ModuleType, which: str, folder: Path, fill: Fill, *, jobs: bool = False, **more: Any
) -> dict[str, Any]:
    """Start, idle, small calls, then searches over 10,000 runs."""
    if jobs:
        servers.QUIET.pop("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", None)
    began = time.perf_counter()
    with getattr(servers, which)(folder, **more) as url:
        first = time.perf_counter() - began
        pid = servers.STARTED[url]
        time.sleep(5)
        processes, megabytes = memory(pid)
        small = {**ask(servers, url, pid, "alive"), **ask(servers, url, pid, "small")}
        if which == "ours":
            with servers.ours(folder) as second:  # two over one store, as behind a balancer
                time.sleep(5)
                small["keep_alive_of_two"] = ask(servers, second, servers.STARTED[second], "alive")["keep_alive"]
    experiment = fill(folder)
    began = time.perf_counter()
    with getattr(servers, which)(folder, **more) as url:
        again = time.perf_counter() - began
        searched = ask(servers, url, servers.STARTED[url], "search", experiment)
        if which == "ours":
            searched["page_by_column"] = by_column(url, servers.STARTED[url])
    print(
        f"{folder.name}: up in {first:.1f} s, then {again:.1f} s; {processes} processes, {megabytes:.0f} MB", flush=True
    )
    return {
        "first_start_s": first,
        "start_s": again,
        "processes": processes,
        "idle_mb": megabytes,
        "calls": {**small, **searched},
    }


def ask(servers: ModuleType, url: str, pid: int, *arguments: str) -> dict[str, Any]:
    """What the client measured."""
    command = [servers.PYTHON, Path(__file__).with_name("_tracking_client.py"), url, str(pid), *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=servers.environment())
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    for name, figures in found.items():
        print(
            f"  {name:<16} {figures['p50_ms']:9.2f} ms, {figures['cpu_ms']:9.2f} ms of the server's processors",
            flush=True,
        )
    return found


def by_column(url: str, pid: int) -> dict[str, float]:
    """The same page of 1,000 runs through our own client: every metric, parameter and tag of them, as a table."""
    reader = RunReader(url)
    names = ["id", "experiment", "name", "user", "status", "started", "ended"]
    names += [
        f"{kind}{key}"
        for kind, count in (("metrics.metric", 10), ("params.param", 10), ("tags.tag", 5))
        for key in range(count)
    ]
    table = reader.runs("experiment.name = 'many'", limit=1000)
    assert (table.rows, sorted(table.columns)) == (1000, sorted(names))
    found = timed(pid, 15, lambda _: reader.runs("experiment.name = 'many'", limit=1000))
    print(
        f"  page_by_column   {found['p50_ms']:9.2f} ms, {found['cpu_ms']:9.2f} ms of the server's processors",
        flush=True,
    )
    return found


def fill_theirs(folder: Path) -> str:
    """10,000 runs in MLflow's tables; the id of their experiment."""
    with sqlite3.connect(folder / "store.db") as store:
        columns = "experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time, workspace"
        row = (999, "many", "mlflow-artifacts:/999", "active", 1, 1, "default")
        store.execute(f"INSERT INTO experiments ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        rng = random.Random(1)
        for number in range(RUNS):
            run = f"{number:032x}"
            store.execute(
                "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, "
                "source_version, lifecycle_stage, artifact_uri, experiment_id) VALUES (?, ?, 'LOCAL', '', '', 'u', 'RUNNING', "
                "?, '', 'active', 'x', 999)", (run, f"r{number}", 1_700_000_000_000 + number),
            )  # fmt: skip
            metrics, params, tags = shape(rng)
            store.executemany(
                "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, 1, 0, 0, ?)",
                [(key, value, run) for key, value in metrics],
            )
            store.executemany(
                "INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)", [(*pair, run) for pair in params]
            )
            store.executemany(
                "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)", [(*pair, run) for pair in tags]
            )
    return "999"


def fill_ours(folder: Path) -> str:
    """The same runs in Flyball's tables."""
    with sqlite3.connect(folder / ".flyball" / "flyball.db") as store:
        store.execute("INSERT INTO tracking_experiments VALUES (999, 'many', 'mlflow-artifacts:/999', 'active', 1, 1)")
        rng = random.Random(1)
        for number in range(RUNS):
            run = 1_000_000 + number
            store.execute(
                "INSERT INTO tracking_runs VALUES (?, ?, 999, ?, 'u', 'RUNNING', 'active', 'x', ?, NULL, NULL, NULL)",
                (run, f"{number:032x}", f"r{number}", 1_700_000_000_000 + number),
            )
            metrics, params, tags = shape(rng)
            store.executemany(
                "INSERT INTO tracking_latest VALUES (?, ?, ?, 0, 1, 0)", [(run, *pair) for pair in metrics]
            )
            store.executemany("INSERT INTO tracking_params VALUES (?, ?, ?)", [(run, *pair) for pair in params])
            store.executemany("INSERT INTO tracking_tags VALUES (?, ?, ?)", [(run, *pair) for pair in tags])
    return "999"


def shape(rng: random.Random) -> tuple[list[tuple[str, float]], list[tuple[str, str]], list[tuple[str, str]]]:
    """Metrics, parameters and tags of one run."""
    metrics = [(f"metric{key}", rng.random()) for key in range(10)]
    params = [(f"param{key}", str(rng.randint(0, 9))) for key in range(10)]
    return metrics, params, [(f"tag{key}", str(rng.randint(0, 4))) for key in range(5)]


def _servers() -> ModuleType:
    spec = importlib.util.spec_from_file_location("flyball_conformance", ROOT / "tools" / "conformance.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(0 if main()["met"] else 1)
