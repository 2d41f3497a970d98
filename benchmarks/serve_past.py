"""What the past costs a server: a model that looks back against one of the same columns that does not, in the same run.

Both are made from one table and served by `flyball serve`, each in a process of its own, one after the other on the same
store. Asked are single rows over one connection, single rows over sixteen, and requests of a thousand rows; of one
entity and of a thousand. Every answer is durable before it is given. Targets, as shares of the rows a second without: half
of single rows over one connection, a quarter over sixteen, and a seventh by the thousand, where the windows of a thousand
entities are gone over for one row each.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

__all__ = ["main"]

_SENSORS = 6
_SINGLE, _CLIENTS, _EACH, _BATCHES, _BATCH = 300, 16, 60, 15, 1_000
_WINDOWS = "".join(
    f'  {{ column = "s{number}", aggregate = "{aggregate}", rows = {rows} }},\n'
    for number in range(_SENSORS)
    for aggregate, rows in (("mean", 20), ("slope", 30))
)
_TARGETS = {"single": 0.5, "many": 0.5, "batch": 0.5}


def main() -> dict[str, Any]:
    """Rows a second and milliseconds of each, their ratios, and whether the targets were met."""
    with tempfile.TemporaryDirectory(prefix="flyball-bench-") as name:
        folder = Path(name)
        refs = _versions(folder)
        found: dict[str, dict[str, dict[str, float]]] = {}
        for label, ref in refs.items():
            found[label] = {}
            for entities in (1, 1_000):
                with _serving(folder / "plant", ref) as address:
                    found[label][str(entities)] = _measured(address, entities)
    ratios = {
        entities: {
            figure: found["with the past"][entities][figure] / found["without"][entities][figure] for figure in _TARGETS
        }
        for entities in ("1", "1000")
    }
    for label, figures in found.items():
        for entities, each in figures.items():
            print(
                f"{label:<14} {entities:>5} entities: one row {each['single_ms']:6.2f} ms (p99 {each['single_p99_ms']:.2f}); "
                f"rows a second: {each['single']:7.0f} single, {each['many']:7.0f} over {_CLIENTS} connections, "
                f"{each['batch']:8.0f} by the thousand"
            )
    for entities, each in ratios.items():
        shown = ", ".join(f"{figure} {ratio:.2f} (target {_TARGETS[figure]})" for figure, ratio in each.items())
        print(f"with the past over without, {entities} entities: {shown}")
    met = all(ratio >= _TARGETS[figure] for each in ratios.values() for figure, ratio in each.items())
    return {"figures": found, "ratios": ratios, "targets": _TARGETS, "met": met}


def _versions(folder: Path) -> dict[str, str]:
    """A project with two versions: the first of single rows, the second with windows."""
    rng = np.random.default_rng(3)
    units, cycles = 60, 60
    sensors = {f"s{number}": rng.normal(size=units * cycles) for number in range(_SENSORS)}
    cycle = np.tile(np.arange(1, cycles + 1), units)
    unit = np.repeat([f"unit {number}" for number in range(units)], cycles)
    wear = sensors["s0"] + cycle / 20 + rng.normal(size=len(cycle)) * 0.1
    pl.DataFrame({"unit": unit, "cycle": cycle, **sensors, "wear": wear}).write_csv(folder / "wear.csv")
    plant = folder / "plant"
    _flyball("init", "wear", "--from", str(folder / "wear.csv"), "--target", "wear", "--dir", str(plant))
    project = plant / "flyball.toml"
    text = project.read_text(encoding="utf-8")
    project.write_text(text.replace("[model.wear]\n", "[model.wear]\nwindows = false\n"), encoding="utf-8")
    _flyball("run", "--budget", "4s", "--dir", str(plant))
    project.write_text(f"{text}\n[model.wear.windows]\nfeatures = [\n{_WINDOWS}]\n", encoding="utf-8")
    _flyball("run", "--budget", "4s", "--dir", str(plant))
    return {"without": "wear@1", "with the past": "wear@2"}


def _flyball(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "flyball", *words, "--json"], check=True, capture_output=True)


@contextlib.contextmanager
def _serving(folder: Path, ref: str) -> Iterator[str]:
    words = [sys.executable, "-m", "flyball", "serve", ref, "--port", "0", "--json", "--dir", str(folder)]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield json.loads(server.stdout.readline())["url"].removeprefix("http://")
    finally:
        server.terminate()
        server.communicate(timeout=60)


class _Rows:
    """New rows of so many units, each in its order; threads may take them."""

    def __init__(self, entities: int) -> None:
        self._entities = entities
        self._next = 0
        self._lock = threading.Lock()
        self._begin = int(time.time())  # later than those that an earlier server was asked
        self._values = np.random.default_rng(1).normal(size=(997, _SENSORS)).round(6).tolist()

    def take(self, many: int) -> list[dict[str, Any]]:
        with self._lock:
            first, self._next = self._next, self._next + many
        return [
            {
                "unit": f"unit {number % self._entities}", "cycle": self._begin + number // self._entities,
                **{f"s{place}": value for place, value in enumerate(self._values[number % 997])},
            }
            for number in range(first, first + many)
        ]  # fmt: skip


def _measured(address: str, entities: int) -> dict[str, float]:
    rows = _Rows(entities)
    _ask(address, rows, 20)  # the first ones build what the others find
    seconds = _ask(address, rows, _SINGLE)
    began = time.perf_counter()
    threads = [threading.Thread(target=_ask, args=(address, rows, _EACH)) for _ in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    many = _CLIENTS * _EACH / (time.perf_counter() - began)
    batches = _ask(address, rows, _BATCHES, _BATCH)
    return {
        "single": 1 / statistics.mean(seconds), "single_ms": 1000 * statistics.median(seconds),
        "single_p99_ms": 1000 * statistics.quantiles(seconds, n=100)[98], "many": many,
        "batch": _BATCH / statistics.median(batches),
    }  # fmt: skip


def _ask(address: str, rows: _Rows, requests: int, many: int = 1) -> list[float]:
    """Ask one request after another over one connection; seconds of each."""
    seconds = []
    with contextlib.closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        for _ in range(requests):
            body = json.dumps({"rows": rows.take(many)})
            began = time.perf_counter()
            connection.request("POST", "/predict", body)
            answer = connection.getresponse()
            answer.read()
            seconds.append(time.perf_counter() - began)
            if answer.status != 200:
                raise SystemExit(f"the server answered {answer.status}")
    return seconds


if __name__ == "__main__":
    sys.exit(0 if main()["met"] else 1)
