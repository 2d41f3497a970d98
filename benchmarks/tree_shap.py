"""Exact Shapley values of boosted trees: ours against LightGBM's own `pred_contrib`, one thread each.

Processor seconds of this process, so that what else the machine does counts little; ours with reading the booster and
preparing its paths. Target: at least as fast as LightGBM on 2,000 rows x (200 trees x 31 leaves).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from flyball.trees import TreeAttributor, from_lightgbm

TARGET = 1.0
ROUNDS = 3
SHAPES = {
    "200 x 31, 2,000 rows": (200, 31, 2000),
    "500 x 63, 500 rows": (500, 63, 500),
    "200 x 31, 1 row": (200, 31, 1),
}


def seconds(call: Callable[[], Any]) -> float:
    """The fastest of some rounds, in processor seconds."""
    found = []
    for _ in range(ROUNDS):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return min(found)


def training(rows: int = 20_000, features: int = 20) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, features)).astype(np.float32)
    X[rng.random(X.shape) < 0.05] = np.nan
    filled = np.nan_to_num(X)
    y = filled[:, 0] + filled[:, 1] ** 2 + filled[:, 2] * filled[:, 3] + 0.3 * rng.normal(size=rows)
    return X, y


def measure(trees: int, leaves: int, rows: int) -> dict[str, float]:
    X, y = training()
    parameters = {"objective": "regression", "num_leaves": leaves, "learning_rate": 0.05, "verbose": -1, "seed": 0}
    booster = lightgbm.train(parameters, lightgbm.Dataset(X, y), trees)
    part = X[:rows]
    ensemble = from_lightgbm(booster)
    attributor = TreeAttributor(ensemble)
    reference = booster.predict(part, pred_contrib=True, num_threads=1)
    lightgbm_s = seconds(lambda: booster.predict(part, pred_contrib=True, num_threads=1))
    ours_s = seconds(lambda: TreeAttributor(from_lightgbm(booster)).values(part))
    prepared_s = seconds(lambda: attributor.values(part))
    return {
        "lightgbm_s": lightgbm_s,
        "ours_s": ours_s,
        "prepared_s": prepared_s,
        "ratio": lightgbm_s / ours_s,
        "ratio_prepared": lightgbm_s / prepared_s,
        "max_abs_diff": float(np.abs(attributor.values(part)[:, :, 0] - reference[:, :-1]).max()),
    }


def main() -> dict[str, Any]:
    results = {name: measure(*shape) for name, shape in SHAPES.items()}
    for name, found in results.items():
        print(
            f"{name:22} LightGBM {found['lightgbm_s'] * 1000:8.1f} ms  ours {found['ours_s'] * 1000:8.1f} ms"
            f"  ({found['ratio']:.1f}x; prepared {found['ratio_prepared']:.1f}x)  |difference| {found['max_abs_diff']:.0e}"
        )
    first = next(iter(results.values()))
    met = first["ratio"] >= TARGET
    print(f"target {TARGET:g}x on {next(iter(results))}: {'met' if met else 'missed'}")
    return {"results": results, "target": TARGET, "met": met}


if __name__ == "__main__":
    raise SystemExit(0 if main()["met"] else 1)
