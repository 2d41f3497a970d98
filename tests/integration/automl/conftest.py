"""Small tables of every kind, and what was learned from them: made once, read by many tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from flyball.automl import Learned, learn
from flyball.core.executor import LocalExecutor
from flyball.data import Table
from flyball_runtime.schema import MISSING_TIME, Field, Schema

DAY = 86_400_000_000


@dataclass(frozen=True)
class Example:
    table: Table
    target: np.ndarray
    learned: Learned


def make_table(rows: int, seed: int) -> Table:
    """Numbers with gaps, a far-off number, a time before and after 1970, and texts of few and of many levels."""
    rng = np.random.default_rng(seed)
    speed = rng.normal(50, 10, rows)
    speed[rng.random(rows) < 0.1] = np.nan
    when = rng.integers(-3000 * DAY, 3000 * DAY, rows)
    when[rng.random(rows) < 0.05] = MISSING_TIME
    site, part = np.empty(rows, dtype=object), np.empty(rows, dtype=object)
    site[:] = rng.choice(["north", "south", "east"], rows, p=[0.6, 0.3, 0.1]).tolist()
    part[:] = [f"part {number}" for number in rng.integers(0, 40, rows)]
    site[rng.random(rows) < 0.05] = None
    schema = Schema(
        (
            Field("site", "text"),
            Field("speed", "number", "float"),
            Field("when", "time", "datetime"),
            Field("counter", "number", "float"),
            Field("part", "text"),
            Field("constant", "number"),
        )
    )
    counter = 1.7e9 + rng.random(rows) * 1000
    columns = {"site": site, "speed": speed, "when": when, "counter": counter, "part": part, "constant": np.ones(rows)}
    return Table(schema, columns)


def signal(table: Table, seed: int) -> np.ndarray:
    part = np.array([int(value.split()[1]) for value in table["part"]]) % 3
    speed = np.where(np.isnan(table["speed"]), 55, table["speed"])
    noise = np.random.default_rng(seed + 1).normal(size=table.rows)
    return (speed - 50) / 10 + (table["site"] == "north") + part + 0.5 * noise


def folds_of(rows: int, count: int = 3) -> list[tuple[np.ndarray, np.ndarray]]:
    part = np.random.default_rng(0).permutation(rows) % count
    return [(np.flatnonzero(part != fold), np.flatnonzero(part == fold)) for fold in range(count)]


def target_for(task: str, table: Table, seed: int) -> np.ndarray:
    values = signal(table, seed)
    if task == "regression":
        return 40_000.0 * values  # a scale at which float32 sums of leaves would miss the tolerance near zero
    if task == "binary":
        return (values > 1.5).astype(np.float64)
    labels = np.empty(len(values), dtype=object)
    labels[:] = np.array(["low", "middle", "high"])[np.digitize(values, [1.0, 2.5])].tolist()
    return labels


@pytest.fixture(scope="session", params=["binary", "multiclass", "regression"])
def example(request: pytest.FixtureRequest) -> Example:
    table = make_table(1200, 5)
    target = target_for(request.param, table, 5)
    learned = learn(
        table, target, folds=folds_of(1200), budget_seconds=12, seed=1, executor=LocalExecutor(2), task=request.param
    )
    return Example(table, target, learned)
