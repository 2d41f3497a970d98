"""Real boosters and hostile rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import pytest

SPECIAL = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-35, -1e-35, 1e-40, -1e-40, 1e-34, 3.4e38, -3.4e38], np.float32
)


@pytest.fixture
def training() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Five features, one of whole numbers, one half zeros; `missing` blanks a tenth of the cells."""

    def make(task: str = "regression", *, rows: int = 1200, missing: bool = True) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(3)
        X = rng.normal(size=(rows, 5)).astype(np.float32)
        X[:, 1] = np.round(X[:, 1])
        X[:, 2] = np.abs(X[:, 2]) * (rng.random(rows) < 0.5)
        if missing:
            X[rng.random(X.shape) < 0.1] = np.nan
        y = np.nan_to_num(X[:, 0]) + np.nan_to_num(X[:, 1]) ** 2 + np.isnan(X[:, 2]) + rng.normal(size=rows) * 0.1
        if task == "binary":
            return X, (y > 1).astype(float)
        return X, np.digitize(y, [0, 1.5]).astype(float) if task.startswith("multi") else y

    return make


@pytest.fixture
def boost() -> Callable[..., lightgbm.Booster]:
    def train(X: np.ndarray, y: np.ndarray, rounds: int = 30, **parameters: Any) -> lightgbm.Booster:
        settings = {"objective": "regression", "num_leaves": 31, "num_threads": 1, "verbose": -1, "seed": 1}
        return lightgbm.train({**settings, **parameters}, lightgbm.Dataset(X, y), rounds)

    return train


@pytest.fixture
def hostile() -> Callable[..., np.ndarray]:
    """Rows made of thresholds, their float32 neighbours, and special values, independently per feature."""

    def make(ensemble: Any, rows: int = 2000) -> np.ndarray:
        rng = np.random.default_rng(5)
        columns = []
        for feature in range(ensemble.features):
            on = ensemble.threshold[ensemble.feature == feature].astype(np.float32)
            with np.errstate(over="ignore"):
                beside = [np.nextafter(on, np.float32(np.inf)), np.nextafter(on, np.float32(-np.inf))]
            columns.append(rng.choice(np.concatenate([on, *beside, SPECIAL]), rows))
        return np.stack(columns, axis=1).astype(np.float32)

    return make
