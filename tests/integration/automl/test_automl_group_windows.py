"""The estimators find what a row's own past tells, and answer from it alike as a table and as rows that come."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from flyball.automl import AutoRegressor
from flyball.automl.group_windows import naming_column
from flyball.data import read_source
from flyball.features import order_within
from flyball_runtime import open_bundle

Columns = dict[str, NDArray[Any]]


def _engines(units: int, seed: int) -> tuple[Columns, NDArray[np.float64]]:
    """Engines that wear out at their own pace, seen through noise ten times the wear of one cycle; cycles still to go."""
    rng = np.random.default_rng(seed)
    parts = []
    for unit in range(units):
        life = int(rng.integers(40, 90))
        cycle = np.arange(1.0, life + 1)
        wear = cycle / life
        parts.append(
            np.column_stack(
                [np.full(life, unit), cycle, wear + rng.normal(size=life) * 0.3, rng.normal(size=life), life - cycle]
            )
        )
    table = np.concatenate(parts)
    return dict(zip(("unit", "cycle", "heat", "noise"), table.T[:4].copy(), strict=True)), table[:, 4]


@pytest.fixture(scope="module")
def fitted() -> AutoRegressor:
    X, y = _engines(40, 1)
    return AutoRegressor(budget=60, random_state=0).fit(pd.DataFrame(X), y, groups=X["unit"])


def test_windows_of_the_groups_past_are_found_and_said(fitted: AutoRegressor) -> None:
    assert fitted.pipeline_.windows is not None
    assert (fitted.pipeline_.windows.entity, fitted.pipeline_.windows.order) == ("unit", "cycle")
    assert "window features lower" in fitted.notes_[0]
    assert "unit" not in fitted.pipeline_.schema, "the names of groups to come are others"


def test_they_help_on_engines_never_seen(fitted: AutoRegressor) -> None:
    X, y = _engines(30, 2)
    seen, truth = _engines(40, 1)
    plain = AutoRegressor(budget=60, random_state=0)
    plain.fit(pd.DataFrame(seen).drop(columns="unit"), truth, groups=seen["unit"])  # no column names the groups
    assert plain.pipeline_.windows is None
    with_past = np.sqrt(np.mean((fitted.predict(pd.DataFrame(X)) - y) ** 2))
    without = np.sqrt(np.mean((plain.predict(pd.DataFrame(X).drop(columns="unit")) - y) ** 2))
    assert with_past < 0.95 * without


def test_a_table_may_come_in_any_order(fitted: AutoRegressor) -> None:
    X = pd.DataFrame(_engines(8, 3)[0])
    mixed = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_allclose(fitted.predict(X.iloc[mixed]), fitted.predict(X)[mixed], rtol=1e-12)


def test_no_row_knows_its_future(fitted: AutoRegressor) -> None:
    X = pd.DataFrame(_engines(8, 4)[0])
    early = X[X["cycle"] <= 20]
    np.testing.assert_allclose(fitted.predict(early), fitted.predict(X)[X["cycle"] <= 20], rtol=1e-12)


def test_the_bundle_answers_rows_as_they_come(fitted: AutoRegressor, tmp_path: Path) -> None:
    X = pd.DataFrame(_engines(8, 5)[0])
    bundle = open_bundle(fitted.export(tmp_path / "engines"))
    assert bundle.manifest["requires"] == ["state"]
    assert bundle.check_golden() <= 1e-5
    as_they_come, state = X.sort_values("cycle", kind="stable"), None
    answers = []
    for begin in range(0, len(X), 37):
        session = bundle.session(state)
        answers.append(session.push(as_they_come.iloc[begin : begin + 37])["prediction"])
        state = session.state()
    np.testing.assert_allclose(np.concatenate(answers), fitted.predict(as_they_come), rtol=1e-12)


def test_a_pickled_estimator_still_knows_them(fitted: AutoRegressor) -> None:
    X = pd.DataFrame(_engines(3, 6)[0])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(X), fitted.predict(X))


def test_groups_are_named_by_the_column_that_is_equal_where_they_are() -> None:
    table = read_source({"a": [1, 1, 2, 2], "b": ["x", "y", "x", "y"], "c": ["p", "p", "q", "q"]}).table
    assert naming_column(table, np.array([7, 7, 9, 9])) == "a"
    assert naming_column(table, np.array(["u", "v", "u", "v"])) == "b"
    assert naming_column(table, np.array([1, 2, 2, 2])) is None


def test_a_count_held_as_floats_orders_rows_too_and_measurements_never_do() -> None:
    X, _ = _engines(20, 7)
    table = read_source(X).table
    assert order_within(table, "unit", table.names) == "cycle"
    assert order_within(table, "unit", ["heat", "noise"]) is None
