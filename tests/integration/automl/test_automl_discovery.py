"""Window features are kept when they help on rows unseen, and only then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flyball.automl import Discovery, discover_windows, encode_target
from flyball.data import Table, read_source
from flyball.features import order_within, proposed_windows, stretches, with_windows

UNITS, ROWS = 40, 30
UNIT, CYCLE = np.repeat(np.arange(UNITS), ROWS), np.tile(np.arange(1, ROWS + 1), UNITS)


def table(seed: int) -> tuple[Table, NDArray[np.float64]]:
    """Rows of forty units, and the mean of the last five values of x within each."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, UNITS * ROWS))
    columns = {"unit": UNIT, "cycle": CYCLE, "x": x, "y": y, "site": np.where(UNIT % 2, "north", "south")}
    recent = [x[max(row - 4, row - CYCLE[row] + 1) : row + 1].mean() for row in range(len(x))]
    return read_source(columns).table, np.array(recent)


def discovered(given: Table, target: NDArray[np.float64], **changes: Any) -> Discovery:
    part = UNIT % 5
    settings: dict[str, Any] = {
        "task": "regression", "metric": "rmse", "units": UNIT, "columns": ["cycle", "x", "y", "site"], "entity": "unit",
        "order": "cycle", "seed": 0, "seconds": 600.0,
        "folds": [(np.flatnonzero(part != one), np.flatnonzero(part == one)) for one in range(5)],
    }  # fmt: skip
    return discover_windows(given, encode_target(target, "regression"), **{**settings, **changes})


def test_what_the_past_tells_is_found_and_said() -> None:
    given, recent = table(1)
    found = discovered(given, recent + 0.1 * np.random.default_rng(2).normal(size=len(recent)))
    assert found.windows is not None
    assert found.shares[0][0] == "x: mean of 5 rows"
    assert found.gain > 0.5
    assert found.z > 3
    assert "lower a quick model's loss" in found.why


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_kept_where_the_past_tells_nothing(seed: int) -> None:
    given, _ = table(seed)
    own = given["x"] + np.random.default_rng(seed + 100).normal(size=given.rows)
    found = discovered(given, own, seed=seed)
    assert found.windows is None
    assert "are asked for" in found.why


def test_without_time_nothing_is_kept_and_it_says_so() -> None:
    given, recent = table(1)
    found = discovered(given, recent, seconds=0.0)
    assert found.windows is None
    assert "no time" in found.why


def test_a_value_that_means_missing_is_hidden_from_windows() -> None:
    given, _ = table(3)
    proposed = proposed_windows(
        given, entity="unit", order="cycle", columns=["x", "y"], missing={"x": [-200.0], "y": [-1.0, -2.0]}
    )
    assert proposed is not None
    assert {feature.column for feature in proposed.features} == {"x"}
    assert all(feature.where is not None and feature.where.value == -200.0 for feature in proposed.features)


def test_a_day_that_stands_out_is_proposed_as_an_event() -> None:
    rows = 300
    day = np.where(np.arange(rows) % 100 == 0, "feast", "plain")
    seen = read_source(
        {"at": np.arange(rows).astype("datetime64[h]"), "day": day, "gone": [None] * (rows - 2) + ["a", "b"]}
    ).table
    proposed = proposed_windows(seen, entity=None, order="at", columns=["day", "gone"])
    assert proposed is not None
    assert [str(feature.where) for feature in proposed.features] == ["day != plain", "gone != "]


def test_the_order_within_entities_is_told_from_the_data() -> None:
    given, _ = table(1)
    assert order_within(given, "unit", given.names) == "cycle"
    assert order_within(given, "unit", ["x", "y", "site"]) is None


def test_stretches_are_the_first_rows_of_a_few_entities_as_they_would_come() -> None:
    given, recent = table(1)
    mixed = np.random.default_rng(0).permutation(given.rows)
    found = discovered(given, recent)
    assert found.windows is not None
    chosen = stretches(found.windows, given.take(mixed), 128)
    part = given.take(mixed).take(chosen)
    assert len(chosen) <= 128
    assert (np.diff(part["cycle"]) >= 0).all()
    whole = with_windows(given.take(mixed), found.windows).take(chosen)
    again = with_windows(part, found.windows)
    for name in found.windows.names:
        np.testing.assert_array_equal(whole[name], again[name])
