"""Worlds without a change, to draw a reference and windows from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.monitoring import Baseline, Judgement, Reference, judge_window
from flyball_runtime.profile import Profile
from flyball_runtime.schema import Field, Schema

__all__ = ["WORLDS", "judged", "schema_of", "shares"]

Columns = dict[str, NDArray[Any]]
World = Callable[[np.random.Generator, int], Columns]


def schema_of(columns: Columns) -> Schema:
    return Schema(tuple(Field(name, "text" if v.dtype == object else "number") for name, v in columns.items()))


def shares(rng: np.random.Generator, rows: int, levels: int, *, power: float = 1.0) -> NDArray[np.object_]:
    """Texts of which the first are common and the last rare."""
    weight = 1 / np.arange(1, levels + 1) ** power
    names = np.array([f"v{level}" for level in range(levels)], dtype=object)
    return names[rng.choice(levels, rows, p=weight / weight.sum())]


def independent(rng: np.random.Generator, rows: int) -> Columns:
    numbers = {f"n{i}": rng.normal(size=rows) for i in range(6)}
    return {**numbers, "few": shares(rng, rows, 3), "many": shares(rng, rows, 200)}


def correlated(rng: np.random.Generator, rows: int) -> Columns:
    common = rng.normal(size=rows)
    return {f"n{i}": common + 0.1 * rng.normal(size=rows) for i in range(10)}


def discrete(rng: np.random.Generator, rows: int) -> Columns:
    counts = {f"k{i}": rng.poisson(0.3 * (i + 1), rows).astype(float) for i in range(4)}
    flag = np.array(["no", "yes"], dtype=object)
    return {**counts, **{f"f{i}": flag[(rng.random(rows) < 0.02 * (i + 1)).astype(int)] for i in range(3)}}


def heavy_tailed(rng: np.random.Generator, rows: int) -> Columns:
    columns = {}
    for i in range(5):
        values = rng.standard_cauchy(rows)
        values[rng.random(rows) < 0.05 * i] = np.nan
        values[rng.random(rows) < 0.002] = np.inf
        columns[f"n{i}"] = values
    return columns


def identifiers(rng: np.random.Generator, rows: int) -> Columns:
    names = np.array([f"u{i}" for i in range(10_000)], dtype=object)
    return {"id": names[rng.integers(0, 10_000, rows)], "n": rng.normal(size=rows)}


WORLDS: dict[str, World] = {
    "independent": independent,
    "correlated": correlated,
    "discrete": discrete,
    "heavy-tailed": heavy_tailed,
    "identifiers": identifiers,
}


def judged(
    reference: Columns, window: Columns, *, level: float, seed: int = 0, ordered: bool = False, profile: bool = False
) -> Judgement:
    """One window of normalised columns against the rows, or only the profile, of a reference."""
    schema = schema_of(reference)
    inputs = Profile.build(reference, schema) if profile else Reference(schema, reference, ordered)
    return judge_window(Baseline(inputs), window, None, level=level, fewest=20, seed=seed)
