"""Adversarial validation stays silent on exchangeable rows and groups, and finds what moved, by its column."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from flyball.automl import Shift, split_shift
from flyball.data import Table
from flyball_runtime.schema import Field, Schema
from support.prose import reviews, texts

SEEDS = 60


def drawn(
    seed: int, rows: int, *, groups: int = 0, moved: float = 0.0
) -> tuple[Table, np.ndarray, np.ndarray, np.ndarray | None]:
    """A table, its training and test rows, and the group of each row; `moved` is added to x1 in the test rows."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, groups, rows) if groups else None
    values = rng.normal(size=(rows, 3))
    if group is None:
        later = rng.random(rows) < 0.25
    else:
        values = 0.5 * values + rng.normal(size=(groups, 3))[group]
        later = np.isin(group, rng.permutation(groups)[: groups // 4])
    values[later, 1] += moved
    values[rng.random(rows) < 0.1, 2] = np.nan
    kinds = texts(rng.choice(["a", "b", "c", "d"], rows).tolist())
    schema = Schema((*(Field(f"x{number}", "number") for number in range(3)), Field("kind", "text")))
    table = Table(schema, {**{f"x{number}": values[:, number] for number in range(3)}, "kind": kinds})
    return table, np.flatnonzero(~later), np.flatnonzero(later), group


def looked(seed: int, rows: int, **how: float) -> Shift | None:
    table, train, test, group = drawn(seed, rows, **how)  # type: ignore[arg-type]
    return split_shift(table, train, test, units=group, seed=seed)


@pytest.mark.parametrize(("rows", "groups"), [(240, 0), (80, 0), (400, 32)])
def test_exchangeable_splits_are_called_shifted_no_more_often_than_promised(rows: int, groups: int) -> None:
    found = [shift for shift in (looked(seed, rows, groups=groups) for seed in range(SEEDS)) if shift is not None]
    assert len(found) > 0.8 * SEEDS
    called = sum(shift.demonstrated for shift in found)
    assert called <= binom.ppf(0.999, len(found), 0.02), "one split in fifty, and what chance adds"
    assert called <= 0.05 * len(found)
    small = sum(shift.p < 0.1 for shift in found)
    assert small <= binom.ppf(0.999, len(found), 0.1), "the p-value is one"


@pytest.mark.parametrize(("rows", "groups", "moved"), [(400, 0, 1.5), (900, 60, 3.0)])
def test_a_column_that_moved_is_found_and_named(rows: int, groups: int, moved: float) -> None:
    found = [looked(seed, rows, groups=groups, moved=moved) for seed in range(5)]
    assert all(shift is not None and shift.demonstrated for shift in found)
    assert all(shift is not None and shift.columns[0][0] == "x1" for shift in found)
    assert all(shift is not None and shift.auc.low <= shift.auc.value <= shift.auc.high for shift in found)


def test_prose_of_another_kind_is_told_by_its_words() -> None:
    values, good = reviews(500, seed=3)
    table = Table(Schema((Field("review", "text"),)), {"review": values})
    shift = split_shift(table, np.flatnonzero(good), np.flatnonzero(~good))
    assert shift is not None
    assert shift.demonstrated
    assert shift.columns == (("review", 1.0),)
    fair = split_shift(table, np.arange(0, 500, 2), np.arange(1, 500, 2))
    assert fair is not None
    assert not fair.demonstrated


@pytest.mark.parametrize("test_rows", [0, 1, 5])
def test_too_few_rows_tell_nothing(test_rows: int) -> None:
    table, *_ = drawn(1, 60)
    assert split_shift(table, np.arange(60 - test_rows), np.arange(60 - test_rows, 60)) is None


def test_rows_and_columns_beyond_what_a_look_may_take_are_sampled() -> None:
    table, train, test, _ = drawn(2, 40_000)
    shift = split_shift(table, train, test)
    assert shift is not None
    assert shift.rows + shift.test_rows == pytest.approx(12_000, abs=2)
    assert shift == split_shift(table, train, test), "equal arguments give an equal answer"
