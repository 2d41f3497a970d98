"""The size and row time that are allowed, the forms that candidates take under them, and rows that hang together."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from flyball.automl import AutoClassifier, AutoRegressor, Caps, check_parity, export_graph, learn
from flyball.automl.allowance import Allowance
from flyball.automl.candidates import Boosting, Result
from flyball.automl.forms import REFITTED, choose_forms, needs_refit
from flyball.automl.gbm import BoostingSettings
from flyball.core.executor import LocalExecutor
from flyball.data import read_source


def waves(rows: int = 3000) -> tuple[Any, np.ndarray]:
    X = np.random.default_rng(5).normal(size=(rows, 4))
    y = np.sin(2 * X[:, 0]) * X[:, 1] + 0.2 * X[:, 2] ** 2
    return read_source({f"x{column}": X[:, column] for column in range(4)}).table, y


def test_smaller_caps_give_smaller_graphs_and_none_is_larger_than_allowed() -> None:
    table, y = waves()
    part = np.arange(len(y)) % 5
    folds = [(np.flatnonzero(part != fold), np.flatnonzero(part == fold)) for fold in range(5)]
    sizes = []
    for caps in (Caps(), Caps(size_mb=0.4), Caps(size_mb=0.1, row_ms=0.07)):
        learned = learn(
            table, y, folds=folds, budget_seconds=60, trials=2, seed=0, executor=LocalExecutor(2), caps=caps
        )
        graph = export_graph(learned.pipeline)
        check_parity(graph, learned, table)
        sizes.append(len(graph) / 1e6)
        assert sizes[-1] <= caps.size_mb
    assert sizes == sorted(sizes, reverse=True)


def result(name: str, iterations: int, seconds: float, *, bag: bool = True) -> Result:
    class Seen:
        class problem:  # noqa: N801 - stands where a view has its problem
            @staticmethod
            def refit_share(folds: int) -> float:
                return 3.0 / folds

    from flyball.automl.allowance import Cost

    candidate = Boosting(BoostingSettings(name), bag)
    views: Any = (Seen(),) * 5
    return Result(
        candidate, views, (), np.zeros((1, 1)), 0.0, iterations, False, Cost.of_trees(iterations, 31), seconds
    )


def test_bags_are_kept_where_there_is_room_then_refits_while_there_is_time_then_some_folds() -> None:
    room = Allowance(leaves=200_000, row_us=130.0)
    results, weights = [result("a", 500, 10.0), result("b", 500, 10.0)], {"a": 0.7, "b": 0.3}

    def forms(seconds: float, chosen: Any = results, within: Allowance = room) -> Any:
        return choose_forms(chosen, weights, allowance=within, seconds=seconds, workers=2)

    assert forms(0.0, results[:1]) == {"a": 5}
    assert forms(60.0) == {"a": 5, "b": REFITTED}
    assert forms(0.0) == {"a": 5, "b": 2}
    assert forms(60.0, within=Allowance(200_000, 40.0)) == {"a": REFITTED, "b": REFITTED}
    assert forms(0.0, within=Allowance(200_000, 40.0)) == {"a": 1, "b": 1}
    assert forms(60.0, within=Allowance(10_000, 40.0)) is None
    assert forms(5.0, [result("a", 500, 10.0, bag=False)]) is None
    assert forms(6.0, [result("a", 500, 10.0, bag=False)]) == {"a": REFITTED}
    assert [needs_refit(one, room) for one in (result("a", 500, 1.0), result("a", 5000, 1.0))] == [False, True]


def drifting(rows: int = 1200) -> tuple[pl.DataFrame, np.ndarray]:
    """A day's sensor that wanders: neighbours in time are alike."""
    rng = np.random.default_rng(2)
    level = np.cumsum(rng.normal(size=rows))
    start = np.datetime64("2026-01-01T00:00:00", "us")
    frame = pl.DataFrame({"when": start + np.arange(rows) * np.timedelta64(3600, "s"), "load": rng.normal(size=rows)})
    return frame, level + 0.5 * frame["load"].to_numpy()


def test_estimators_validate_in_the_order_of_time_when_a_column_tells_it_in_any_order_of_rows() -> None:
    frame, y = drifting()
    model = AutoRegressor(budget="1 trial", random_state=0).fit(frame, y)
    assert "validated in the order of time" in model.notes_[0]
    shuffled = np.random.default_rng(0).permutation(len(y))
    again = AutoRegressor(budget="1 trial", random_state=0).fit(frame[shuffled], y[shuffled])
    assert again.graph_ == model.graph_
    random = AutoRegressor(budget="1 trial", random_state=0, split="random").fit(frame, y)
    assert not any("validated" in note for note in random.notes_)
    assert random.leaderboard_[0]["score"] < model.leaderboard_[0]["score"]  # as flattering as neighbours are alike


def test_estimators_find_groups_in_named_columns_and_say_so() -> None:
    rng = np.random.default_rng(4)
    machine = np.repeat(np.arange(60), 30)
    frame = pl.DataFrame(
        {"machine": machine, "cycle": np.tile(np.arange(1, 31), 60), "heat": rng.normal(size=1800) + machine % 7}
    )
    y = np.where(rng.normal(size=60)[machine] + 0.2 * rng.normal(size=1800) > 0, "worn", "good")
    model = AutoClassifier(budget="1 trial", random_state=0).fit(frame, y)
    assert 'groups of "machine"' in model.notes_[0]
    assert "machine" not in model.pipeline_.inputs.names
    given = AutoClassifier(budget="1 trial", random_state=0).fit(frame, y, groups=machine)
    assert not any("validated" in note for note in given.notes_)


def test_arrays_without_names_are_rows_at_random(rows: int = 400) -> None:
    X = np.column_stack([np.arange(rows), np.random.default_rng(0).normal(size=rows)])
    model = AutoRegressor(budget="1 trial", random_state=0).fit(X, np.cumsum(X[:, 1]))
    assert not any("validated" in note for note in model.notes_)


def test_a_split_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="'auto', 'random' or 'time'"):
        AutoRegressor(split="weekly").fit([[1.0], [2.0]], [1.0, 2.0])
