"""What `fb.track()` costs a training while its server is away: LightGBM at work with and without it, in turns.

Both trainings are the same to the bit; the tracked one logs 20 metrics after every tree to a server that is not there. The
figure is the additional processor time of the whole process, the tracker's thread among it; what the wall clock says is
told beside it.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

import flyball as fb

ROWS, COLUMNS, TREES, METRICS, PAIRS = 40_000, 40, 1500, 20, 4
NOWHERE = "http://127.0.0.1:9"
MOST = 0.01


def main() -> dict[str, Any]:
    """Seconds of trainings with and without tracking, and the share that tracking adds; whether it stays below 1 %."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(ROWS, COLUMNS))
    y = X[:, 0] * X[:, 1] + np.sin(X[:, 2]) + rng.normal(size=ROWS)
    train(X, y, lambda _: None)
    found: dict[str, list[tuple[float, float]]] = {"without": [], "with": []}
    calls: list[float] = []
    with tempfile.TemporaryDirectory(prefix="flyball-bench-") as folder:
        for pair in range(PAIRS):
            for which in ("without", "with") if pair % 2 else ("with", "without"):
                began = time.process_time(), time.perf_counter()
                if which == "with":
                    tracked(X, y, Path(folder), calls)
                else:
                    train(X, y, lambda _: None)
                found[which].append((time.process_time() - began[0], time.perf_counter() - began[1]))
    cpu = [one[0] / other[0] - 1 for one, other in zip(found["with"], found["without"], strict=True)]
    wall = [one[1] / other[1] - 1 for one, other in zip(found["with"], found["without"], strict=True)]
    seconds = {which: sum(one[0] for one in both) for which, both in found.items()}
    share = {
        "processor": statistics.median(cpu),
        "wall": statistics.median(wall),
        "in the calls": sum(calls) / seconds["without"],
    }
    print(f"{PAIRS} pairs, {TREES} trees each, {METRICS} metrics a tree: {seconds['without']:.1f} s of training")
    for name, value in share.items():
        print(f"{name:<14} {100 * value:+7.3f} %")
    return {
        "seconds": seconds,
        "pairs": {"cpu": cpu, "wall": wall},
        "share": share,
        "most": MOST,
        "met": share["processor"] <= MOST,
    }


def tracked(X: NDArray[Any], y: NDArray[Any], folder: Path, calls: list[float]) -> None:
    """The same training with a run that no server takes."""
    run = fb.track(NOWHERE, spool=folder)
    names = [f"metric {number}" for number in range(METRICS)]

    def log(step: int) -> None:
        values = dict.fromkeys(names, step / 7)
        began = time.thread_time()
        run.log(values, step=step)
        calls.append(time.thread_time() - began)

    train(X, y, log)
    run.finish(timeout_s=0.05)


def train(X: NDArray[Any], y: NDArray[Any], after_tree: Callable[[int], None]) -> None:
    """One training on one thread."""
    settings = {"objective": "regression", "num_threads": 1, "num_leaves": 63, "verbose": -1, "deterministic": True}
    data = lightgbm.Dataset(X, y, params=settings)
    lightgbm.train(settings, data, TREES, callbacks=[lambda environment: after_tree(environment.iteration)])


if __name__ == "__main__":
    sys.exit(0 if main()["met"] else 1)
