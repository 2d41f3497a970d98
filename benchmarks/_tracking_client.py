"""MLflow's client at work on one server; runs in the environment of `make conformance` and prints one line of JSON."""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CALLS = {"log_metric": 300, "create_run": 200, "get_run": 100, "log_batch_1000": 15}
STALL_MS = 35.0  # a packet that waited for a delayed acknowledgement took 40


def main() -> None:
    url, server, part = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if part == "alive":
        print(json.dumps({"keep_alive": kept_alive(url, server)}))
        return
    from mlflow import MlflowClient

    client = MlflowClient(url)
    print(json.dumps(small(client, server) if part == "small" else searches(client, server, sys.argv[4])))


def small(client: Any, server: int) -> dict[str, Any]:
    from mlflow.entities import Metric

    experiment = client.create_experiment(f"bench {time.time_ns()}")
    run = client.create_run(experiment).info.run_id
    batch = [
        [Metric(f"m{i % 20}", i / 3, i, n * 1000 + i) for i in range(1000)] for n in range(CALLS["log_batch_1000"])
    ]
    return {
        "log_metric": timed(server, CALLS["log_metric"], lambda i: client.log_metric(run, "loss", i / 7, i, i)),
        "create_run": timed(server, CALLS["create_run"], lambda i: client.create_run(experiment, run_name=f"r{i}")),
        "get_run": timed(server, CALLS["get_run"], lambda _: client.get_run(run)),
        "log_batch_1000": timed(server, CALLS["log_batch_1000"], lambda i: client.log_batch(run, batch[i])),
    }


def kept_alive(url: str, server: int) -> dict[str, float]:
    """One connection that stays open, a call after the other as plain as can be: the share that stalled beside the rest."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    taken: list[float] = []

    def ask(number: int) -> None:
        began = time.perf_counter()
        connection.request("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0")
        connection.getresponse().read()
        taken.append((time.perf_counter() - began) * 1000)

    found = timed(server, 200, ask)
    connection.close()
    return {**found, "stalled": sum(one >= STALL_MS for one in taken) / len(taken)}


def searches(client: Any, server: int, experiment: str) -> dict[str, Any]:
    where = "metrics.metric1 > 0.5 AND params.param1 = '3'"
    return {
        "search_filtered": timed(
            server,
            7,
            lambda _: client.search_runs([experiment], where, max_results=100, order_by=["metrics.metric2 DESC"]),
        ),
        "page_of_1000": timed(server, 5, lambda _: client.search_runs([experiment], max_results=1000)),
    }


def timed(server: int, count: int, call: Callable[[int], Any]) -> dict[str, float]:
    """Milliseconds of a call (median), and of the server's processors per call."""
    call(0)
    spent, taken = cpu_seconds(server), []
    for number in range(count):
        began = time.perf_counter()
        call(number)
        taken.append(time.perf_counter() - began)
    used = cpu_seconds(server) - spent
    return {"p50_ms": sorted(taken)[count // 2] * 1000, "cpu_ms": used / count * 1000}


def cpu_seconds(root: int) -> float:
    """Processor time of a process and of all below it that live."""
    return sum(_stat(pid)[1] for pid in family(root)) / os.sysconf("SC_CLK_TCK")


def family(root: int) -> list[int]:
    parents = {int(path.name): _stat(int(path.name))[0] for path in Path("/proc").iterdir() if path.name.isdigit()}
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def _stat(pid: int) -> tuple[int, int]:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0, 0
    return int(fields[1]), int(fields[11]) + int(fields[12])


if __name__ == "__main__":
    main()
