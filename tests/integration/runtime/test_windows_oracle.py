"""DuckDB, asked for the same windows, gives the same values."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pytest
from numpy.typing import NDArray

from flyball_runtime.schema import Field, Schema
from flyball_runtime.windows import WindowSpec, window_features

ROWS = 4_000
SCHEMA = Schema(tuple(Field(name, "number") for name in ("unit", "t", "x", "flag")))
SQL = {
    "mean": "avg(x)", "std": "stddev_samp(x)", "min": "min(x)", "max": "max(x)", "count": "count(x)",
    "slope": "regr_slope(x, t - {origin})",
}  # fmt: skip


@pytest.fixture(scope="module", params=[0.0, 1e8])
def table(request: pytest.FixtureRequest) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(5)
    x = rng.normal(size=ROWS) + request.param
    x[rng.random(ROWS) < 0.1] = np.nan
    flag = rng.integers(0, 2, ROWS).astype(float)
    flag[rng.random(ROWS) < 0.1] = np.nan
    return {
        "unit": rng.integers(0, 9, ROWS).astype(float), "t": np.cumsum(rng.random(ROWS) + 0.01), "x": x, "flag": flag,
    }  # fmt: skip


def _asked(table: dict[str, NDArray[Any]], query: str) -> NDArray[np.float64]:
    given = {**table, "row": np.arange(ROWS)}
    with duckdb.connect() as connection:
        connection.register("given", given)
        nulls = ", ".join(f"case when isnan({name}) then null else {name} end as {name}" for name in SCHEMA.names)
        connection.execute(f"create table seen as select row, {nulls} from given")
        found = connection.execute(query).fetchnumpy()["value"]
    return np.ma.filled(np.ma.asarray(found, dtype=np.float64), np.nan)


def _agree(ours: NDArray[np.float64], theirs: NDArray[np.float64], scale: float) -> None:
    assert (np.isnan(ours) == np.isnan(theirs)).all()
    assert np.nanmax(np.abs(ours - theirs), initial=0.0) <= 1e-6 * scale


@pytest.mark.parametrize("frame", ["rows", "duration"])
@pytest.mark.parametrize("aggregate", SQL)
def test_windows_agree_with_duckdb(table: dict[str, NDArray[Any]], aggregate: str, frame: str) -> None:
    window = {"rows": 12} if frame == "rows" else {"duration": 25.0}
    asked = {"column": "x", "aggregate": aggregate, **window}
    spec = WindowSpec.from_dict({"entity": "unit", "order": "t", "features": [asked]}, SCHEMA)
    # DuckDB's windows over a range hold both ends, ours leave the far one out: no row lies there
    over = (
        "rows between 11 preceding and current row"
        if frame == "rows"
        else "range between 25.0 preceding and current row"
    )
    offset = round(float(np.nanmean(table["x"])))
    sql = SQL[aggregate].format(origin=1_000).replace("(x", f"(x - {offset}")
    query = f"select {sql} over (partition by unit order by t {over}) as value from seen order by row"
    ours, theirs = window_features(spec, table)[:, 0], _asked(table, query)
    if aggregate in ("mean", "min", "max"):
        theirs = theirs + offset
    theirs = np.where(np.isnan(theirs) & np.isnan(ours), np.nan, theirs)
    scale = max(1.0, abs(offset)) if aggregate in ("mean", "min", "max") else 1.0
    _agree(ours, theirs, scale)


def test_slopes_over_milliseconds_are_right_in_our_century() -> None:
    """A mean of microseconds since 1970 is known to a quarter of one: slopes must not be measured from there."""
    rng = np.random.default_rng(3)
    schema = Schema((Field("at", "time"), Field("x", "number")))
    at = 1_764_000_000_000_000 + 1_000 * np.arange(500) + rng.integers(0, 400, 500)
    x = rng.normal(size=500)
    asked = {"order": "at", "features": [{"column": "x", "aggregate": "slope", "rows": 12}]}
    ours = window_features(WindowSpec.from_dict(asked, schema), {"at": at, "x": x})[:, 0]
    since = (at - at[0]) / 1e6
    theirs = [np.polyfit(since[row - 11 : row + 1] - since[row], x[row - 11 : row + 1], 1)[0] for row in range(11, 500)]
    np.testing.assert_allclose(ours[11:], theirs, rtol=1e-9, atol=1e-9 * np.std(theirs))


def test_an_infinity_is_missing_in_conditions_as_in_windows() -> None:
    schema = Schema((Field("x", "number"),))
    event = {"aggregate": "since_event", "where": {"column": "x", "operator": ">", "value": 1}}
    spec = WindowSpec.from_dict({"features": [event]}, schema)
    np.testing.assert_array_equal(window_features(spec, {"x": np.array([2.0, np.inf, 0.0])})[:, 0], [0.0, 1.0, 2.0])


@pytest.mark.parametrize(
    ("asked", "sql"),
    [
        ({"column": "x", "aggregate": "lag", "lag": 3}, "lag(x, 3) over w"),
        ({"column": "x", "aggregate": "difference", "lag": 2}, "x - lag(x, 2) over w"),
        (
            {"column": "x", "aggregate": "mean", "rows": 6, "where": {"column": "flag", "value": 1}},
            "avg(x) filter (flag = 1) over (partition by unit order by t rows between 5 preceding and current row)",
        ),
        (
            {"aggregate": "since_event", "where": {"column": "flag", "operator": ">=", "value": 1}},
            "t - max(case when flag >= 1 then t end) over w",
        ),
        (
            {"column": "x", "aggregate": "max", "rows": 4, "lag": 2},
            "max(x) over (partition by unit order by t rows between 5 preceding and 2 preceding)",
        ),
    ],
)
def test_lags_filters_and_events_agree_with_duckdb(
    table: dict[str, NDArray[Any]], asked: dict[str, Any], sql: str
) -> None:
    spec = WindowSpec.from_dict({"entity": "unit", "order": "t", "features": [asked]}, SCHEMA)
    query = f"select {sql} as value from seen window w as (partition by unit order by t) order by row"
    _agree(window_features(spec, table)[:, 0], _asked(table, query), max(1.0, float(np.nanmean(table["x"]))))
