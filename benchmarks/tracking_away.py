"""What `fb.track()` costs a training while its server is away: LightGBM at work with and without it, in turns.

Both trainings are the same to the bit; the tracked one logs 20 metrics after every tree to a server that is not there. What
counts is the processor time of everything that tracking does: the calls, the thread that writes and tries to send, and the
end. Beside it stands how much longer the tracked trainings took than the others, the quickest of each: on a machine with other
work that tells more of the neighbours.
"""

from __future__ import annotations

import sys
import tempfile
import threading
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
    taken: dict[str, list[tuple[float, float]]] = {"without": [], "with": []}
    own: list[float] = []
    with tempfile.TemporaryDirectory(prefix="flyball-bench-") as folder:
        for pair in range(PAIRS):
            for which in ("without", "with") if pair % 2 else ("with", "without"):
                began = time.process_time(), time.perf_counter()
                if which == "with":
                    own.append(tracked(X, y, Path(folder)))
                else:
                    train(X, y, lambda _: None)
                taken[which].append((time.process_time() - began[0], time.perf_counter() - began[1]))
    quickest = {which: [min(column) for column in zip(*both, strict=True)] for which, both in taken.items()}
    longer = [one / other - 1 for one, other in zip(quickest["with"], quickest["without"], strict=True)]
    seconds = sum(cpu for cpu, _ in taken["without"])
    share = sum(own) / seconds
    print(f"{PAIRS} pairs of {TREES} trees, {METRICS} metrics a tree: {seconds:.1f} s of training without tracking")
    print(f"tracking itself  {100 * share:7.3f} % of it")
    print(f"the quickest with against without: processor {100 * longer[0]:+.2f} %, wall {100 * longer[1]:+.2f} %")
    return {
        "taken": taken, "own": own, "share": share, "longer": {"cpu": longer[0], "wall": longer[1]}, "most": MOST,
        "met": share <= MOST,
    }  # fmt: skip


def tracked(X: NDArray[Any], y: NDArray[Any], folder: Path) -> float:
    """The same training with a run that no server takes; the seconds of the processor that tracking took."""
    began = time.thread_time()
    run = fb.track(NOWHERE, spool=folder)
    spent = time.thread_time() - began
    names = [f"metric {number}" for number in range(METRICS)]

    def log(step: int) -> None:
        nonlocal spent
        values = dict.fromkeys(names, step / 7)
        began = time.thread_time()
        run.log(values, step=step)
        spent += time.thread_time() - began

    train(X, y, log)
    thread = next(one for one in threading.enumerate() if one.name == "flyball-track")
    spent += float(Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text().split()[0]) / 1e9
    began = time.thread_time()
    run.finish(timeout_s=0.05)
    return spent + time.thread_time() - began


def train(X: NDArray[Any], y: NDArray[Any], after_tree: Callable[[int], None]) -> None:
    """One training on one thread."""
    settings = {"objective": "regression", "num_threads": 1, "num_leaves": 63, "verbose": -1, "deterministic": True}
    data = lightgbm.Dataset(X, y, params=settings)
    lightgbm.train(settings, data, TREES, callbacks=[lambda environment: after_tree(environment.iteration)])


if __name__ == "__main__":
    sys.exit(0 if main()["met"] else 1)
