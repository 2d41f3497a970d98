"""Wide and long tables go through the loop; `python -m benchmarks large` measures the same at full size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flyball.data import from_parquet, read_source, to_parquet_bytes
from flyball.data.sources.staging import Staging
from support.command_line import flyball


def table(rows: int, numbers: int) -> pl.DataFrame:
    rng = np.random.default_rng(9)
    columns = {f"x{place}": rng.normal(size=rows).round(3) for place in range(numbers)}
    site = np.array(["north", "south", "east"])[rng.integers(0, 3, rows)]
    day = np.datetime64("2020-01-01") + rng.integers(0, 900, rows).astype("timedelta64[D]")
    y = (columns["x0"] + rng.normal(size=rows) > 0).astype(int)
    return pl.DataFrame({**columns, "site": site, "day": day, "y": y})


@pytest.mark.parametrize(("rows", "numbers"), [(120_000, 4), (200, 1_200)])
def test_a_large_table_goes_through_the_loop(rows: int, numbers: int, tmp_path: Path) -> None:
    table(rows, numbers).write_csv(tmp_path / "t.csv")
    folder = tmp_path / "p"
    made = flyball("init", "large", "--from", tmp_path / "t.csv", "--target", "y", folder=folder).answer()
    assert (made["rows"], made["columns"]) == (rows, numbers + 3)
    assert flyball("run", "--budget", "1s", folder=folder).answer()["version"] == 1


def test_a_wide_table_is_read_and_restored_in_few_queries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each query of a wide file reads the description of all its columns: one query a column would take minutes."""
    table(20, 1_000).write_csv(tmp_path / "t.csv")
    asked: list[str] = []
    for name in ("rows", "arrays"):
        ask = getattr(Staging, name)
        monkeypatch.setattr(Staging, name, lambda stage, sql, ask=ask: asked.append(sql) or ask(stage, sql))
    read = read_source(tmp_path / "t.csv").table
    assert len(asked) < 60
    asked.clear()
    restored = from_parquet(to_parquet_bytes(read))
    assert len(asked) < 20
    assert restored.names == read.names
    assert np.array_equal(restored["x999"], read["x999"])
    assert restored["site"].tolist() == read["site"].tolist()
