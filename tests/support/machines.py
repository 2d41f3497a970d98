"""A table of machines in the order of time: with a leak, a group, a weight and two classes, to be chosen from."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl

__all__ = ["machines"]


def machines(rows: int = 600, *, seed: int = 0, lives: bool = False) -> pl.DataFrame:
    """`when` (ascending), `engine`, `load`, `heat`, `site`, `weight`, `alarm` (a leak) and `failed` ("no", "yes").

    `lives`: each engine is seen for a while only, so that some are gone before others begin.
    """
    rng = np.random.default_rng(seed)
    engine = np.sort(rng.integers(0, 60, rows)) if lives else rng.integers(0, 30, rows)
    load, heat = rng.normal(size=rows), rng.normal(size=rows)
    failed = load + 0.5 * heat + rng.normal(0, 0.7, rows) > 0
    return pl.DataFrame(
        {
            "when": [datetime(2025, 1, 1) + timedelta(hours=3 * row) for row in range(rows)],  # noqa: DTZ001 - as read
            "engine": [f"engine {number}" for number in engine],
            "load": load.round(4),
            "heat": heat.round(4),
            "site": rng.choice(["north", "south"], rows),
            "weight": rng.uniform(0.5, 2, rows).round(3),
            "alarm": (failed & (rng.random(rows) < 0.4)).astype(int),
            "failed": np.where(failed, "yes", "no"),
        }
    )
