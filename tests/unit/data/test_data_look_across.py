"""Near copies between a training table and a test table: found with their evidence, and not where there are none."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from flyball.data import near_copies_across, read_source

RNG = np.random.default_rng(3)


def across(train: pl.DataFrame, test: pl.DataFrame) -> tuple[int, str]:
    """How many of the test rows are near copies, and the evidence."""
    table = read_source(pl.concat([train, test], how="vertical_relaxed")).table
    judged = np.arange(table.rows) >= train.height
    names = [name for name in table.names if name != "y"]
    rows, why = near_copies_across(table, names, np.asarray(table["y"], dtype=np.float64), judged, 0)
    assert judged[rows].all()
    return len(rows), why


def measurements(rows: int) -> pl.DataFrame:
    values = RNG.normal(size=(rows, 5))
    kinds = RNG.choice(["pump", "fan", "press"], rows)
    found = values[:, 0] + RNG.normal(size=rows) > 0
    return pl.DataFrame({**{f"x{at}": values[:, at] for at in range(5)}, "kind": kinds, "y": found.astype(int)})


def walks(rows: int) -> pl.DataFrame:
    """Rows that resemble their neighbours in time, as a machine's do."""
    values = np.cumsum(RNG.normal(size=(rows, 4)), axis=0)
    return pl.DataFrame({**{f"w{at}": values[:, at] for at in range(4)}, "y": (values[:, 0] > 0).astype(int)})


def coarse(rows: int) -> pl.DataFrame:
    return pl.DataFrame({f"c{at}": RNG.integers(0, 3 + at, rows) for at in range(5)} | {"y": RNG.integers(0, 2, rows)})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ([pl.col(f"x{at}") + 1e-4 * (at - 2) for at in range(5)], "small changes of numbers alone"),
        ([pl.col("x1") * 2 + 7], "differ in one cell alone"),
        ([pl.col("kind").str.to_uppercase()], "spelling of texts alone"),
    ],
)
def test_near_copies_among_new_rows_are_found(change: list[pl.Expr], said: str) -> None:
    train = measurements(1200)
    found, why = across(train, pl.concat([train[:30].with_columns(change), measurements(120)]))
    assert 27 <= found <= 31
    assert said in why


def test_few_near_copies_of_a_long_table_are_found() -> None:
    train = measurements(8000)
    assert across(train, pl.concat([train[:8].with_columns(pl.col("x0") + 1e-5), measurements(40)]))[0] == 8


def test_tables_without_near_copies_have_none_found() -> None:
    false = 0
    for make in (measurements, walks, coarse):
        for shuffled in (False, True):
            for _ in range(4):
                table = make(500)
                table = table.sample(fraction=1, shuffle=True, seed=1) if shuffled else table
                false += across(table[:400], table[400:])[0] > 0
    assert false == 0
