"""Columns are worth what the loss rises by without them, and nothing when together they do not pay."""

from __future__ import annotations

import numpy as np
import pytest

from flyball.automl import worth
from flyball.data import Table
from flyball_runtime.schema import Field, Schema

ROWS = 400
FOLDS = [
    (np.delete(np.arange(ROWS), np.s_[start : start + 80]), np.arange(start, start + 80))
    for start in range(0, ROWS, 80)
]


def made(seed: int = 1) -> tuple[Table, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    columns = {name: rng.normal(size=ROWS) for name in ("own", "telling", "idle", "noise")}
    columns["noise"] = rng.normal(size=ROWS)
    return Table(Schema(tuple(Field(name, "number") for name in columns)), columns), columns


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_what_tells_is_kept_and_what_does_not_is_not(task: str) -> None:
    table, columns = made()
    signal = columns["own"] + 2 * columns["telling"] + np.random.default_rng(2).normal(size=ROWS) / 4
    target = {
        "regression": signal, "binary": (signal > 0).astype(float), "multiclass": np.digitize(signal, [-1, 1]).astype(float),
    }[task]  # fmt: skip
    metric = "rmse" if task == "regression" else "log_loss"
    found = worth(table, target, ["telling", "idle"], task=task, metric=metric, folds=FOLDS, seed=0)  # type: ignore[arg-type]
    assert found.kept == ("telling",)
    assert found.columns["telling"].low > 0.05 > found.columns["idle"].value
    assert found.together is not None
    assert found.together.low > 0
    assert found.rows == ROWS


def test_nothing_is_kept_where_nothing_pays() -> None:
    kept = 0
    for seed in range(10):
        table, columns = made(seed)
        found = worth(
            table, columns["own"], ["idle", "noise"], task="regression", metric="rmse", folds=FOLDS, seed=seed
        )
        kept += len(found.kept)
        assert found.why == "not clearly better than without any" or found.kept
    assert kept <= 2


def test_made_columns_are_judged_against_a_constant_where_there_are_no_others() -> None:
    table, columns = made()
    found = worth(
        table.select(["telling", "idle"]), columns["telling"], ["telling", "idle"], task="regression", metric="rmse",
        folds=FOLDS, seed=0,
    )  # fmt: skip
    assert found.kept == ("telling",)
    assert found.together is not None
    assert found.together.value > 0.5


def test_the_same_seed_finds_the_same() -> None:
    table, columns = made()
    first, second = (
        worth(
            table,
            columns["own"] + columns["telling"],
            ["telling"],
            task="regression",
            metric="rmse",
            folds=FOLDS,
            seed=3,
        )
        for _ in range(2)
    )
    assert first == second


def test_rows_that_belong_together_widen_the_interval() -> None:
    table, columns = made()
    target = columns["own"] + columns["telling"]

    def width(units: np.ndarray | None) -> float:
        gain = worth(
            table, target, ["telling"], task="regression", metric="rmse", folds=FOLDS, seed=0, units=units
        ).columns["telling"]  # fmt: skip
        return gain.high - gain.low

    assert width(np.arange(ROWS) // 100) > width(None)


def test_who_hurries_is_judged_on_two_folds_and_too_few_rows_on_none() -> None:
    table, columns = made()
    hurried = worth(
        table,
        columns["telling"],
        ["telling"],
        task="regression",
        metric="rmse",
        folds=FOLDS,
        seed=0,
        hurry=lambda: True,
    )
    assert (hurried.folds, hurried.kept) == (2, ("telling",))
    few = worth(
        table.take(slice(0, 30)), columns["telling"][:30], ["telling"], task="regression", metric="rmse",
        folds=[(np.arange(20), np.arange(20, 30))], seed=0,
    )  # fmt: skip
    assert (few.kept, few.why) == ((), "30 rows in 1 folds are too few to tell")
