"""Small tables with every kind of column, of which the target is a known function plus noise."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

__all__ = ["LONG", "mixed_table", "write"]

LONG = "a very long name " * 40 + "that goes on"


def mixed_table(rows: int = 240, *, seed: int = 1) -> pl.DataFrame:
    """Numbers, integers, booleans, text, dates and times with nulls, under names that are hard to write down.

    "signal" (float) is what the target should be made of: `table["signal"] > 0` and the like.
    """
    rng = np.random.default_rng(seed)
    number, site = rng.normal(size=rows), rng.integers(0, 4, rows)
    flag = rng.random(rows) < 0.5
    day = rng.integers(0, 900, rows)
    columns: dict[str, list[Any]] = {
        "speed [rpm]": [round(float(value) * 10 + 50, 3) for value in number],
        'the "site", quoted': [["north", "süd", "o'st, east", ""][place] or None for place in site],
        "größe_µm · 寸": [int(value) for value in rng.integers(-5, 100, rows)],
        "ok?": [bool(value) for value in flag],
        "day of test": [date(1999, 6, 1) + timedelta(days=int(value)) for value in day],
        LONG: rng.normal(size=rows).round(4).tolist(),
    }
    for name in ("speed [rpm]", "größe_µm · 寸", "ok?", "day of test"):
        for row in rng.permutation(rows)[: rows // 20]:
            columns[name][row] = None
    signal = number + 1.2 * (site == 1) + 0.8 * flag + rng.normal(0, 0.4, rows)
    return pl.DataFrame(columns).with_columns(signal=pl.Series(signal - np.median(signal)))


def write(table: pl.DataFrame, path: Path) -> Path:
    """As CSV or Parquet, by the ending."""
    if path.suffix == ".parquet":
        table.write_parquet(path)
    else:
        table.write_csv(path)
    return path
