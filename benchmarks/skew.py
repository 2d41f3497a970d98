"""Do window features in training equal those in service? Every bit, over ten million values and more.

`python -m benchmarks skew` takes under a minute. Streams of rows with offsets of 1e8, spikes of 1e12, nulls, late, repeated
and unordered rows go through the kernel at once, in random chunks, and across restarts from a saved state; a sorted
table goes through it whole. DuckDB, asked for the same windows, is an oracle on clean rows. Targets: no unequal bit over
1e7 values, differences to DuckDB within 1e-6 of the column's scale, and a million values a second for whole tables.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball_runtime.schema import MISSING_TIME, Field, Schema
from flyball_runtime.windows import WindowKernel, WindowSpec, window_features

__all__ = ["main"]

_SENSORS = 6
_ROWS = 40_000
_CHUNKS = (1, 2, 3, 7, 32, 64, 256, 1_000)
_SQL = {"mean": "avg", "std": "stddev_samp", "min": "min", "max": "max", "count": "count"}
Columns = dict[str, NDArray[Any]]


def main() -> dict[str, Any]:
    spec = _spec()
    streams = {
        kind: _compared(spec, _stream(kind, seed))
        for seed, kind in enumerate(("plain", "offset", "spikes", "disorder"))
    }
    values = sum(item["values"] for item in streams.values())
    unequal = sum(item["unequal_bits"] for item in streams.values())
    for kind, item in streams.items():
        print(
            f"{kind:<10} {item['values']:>12,} values  {item['unequal_bits']} unequal bits  {item['restarts']} restarts"
        )
    speed = _speed(spec)
    oracle = _oracle()
    print(
        f"in all {values:,} values, {unequal} unequal bits\n"
        f"whole tables: {speed['table_values_a_second'] / 1e6:.1f} million values a second; pushes of 256 rows: "
        f"{speed['push_256_values_a_second'] / 1e6:.1f}; one row: {speed['push_1_ms']:.2f} ms\n"
        "largest difference to DuckDB, by scale: " + ", ".join(f"{name} {gap:.1e}" for name, gap in oracle.items())
    )
    met = unequal == 0 and values >= 10_000_000 and max(oracle.values()) <= 1e-6
    met = met and speed["table_values_a_second"] >= 1e6
    return {
        "values": values, "unequal_bits": unequal, "streams": streams, "oracle": oracle, **speed, "met": met,
    }  # fmt: skip


def _schema() -> Schema:
    sensors = tuple(Field(f"s{number}", "number") for number in range(_SENSORS))
    return Schema((Field("unit", "text"), Field("at", "time"), *sensors, Field("mode", "text")))


def _spec() -> WindowSpec:
    features: list[dict[str, Any]] = []
    for number in range(_SENSORS):
        column = f"s{number}"
        for rows in (5, 30):
            features += [
                {"column": column, "aggregate": kind, "rows": rows}
                for kind in ("mean", "std", "min", "max", "slope", "ewm", "count")
            ]
        features.append({"column": column, "aggregate": "mean", "duration": 60.0, "rows": 40})
        features.append({"column": column, "aggregate": "std", "rows": 10, "where": {"column": "mode", "value": "run"}})
        features += [{"column": column, "aggregate": kind, "lag": 2} for kind in ("lag", "difference")]
        features.append({"column": column, "aggregate": "since_change"})
    features.append({"aggregate": "since_event", "where": {"column": "s0", "operator": ">", "value": 2.0}})
    features.append({"column": "mode", "aggregate": "since_change"})
    return WindowSpec.from_dict({"entity": "unit", "order": "at", "features": features}, _schema())


def _stream(kind: str, seed: int) -> Columns:
    rng = np.random.default_rng([seed, 17])
    at = np.cumsum(rng.integers(1, 4, _ROWS)) * 1_000_000
    if kind == "disorder":
        at = np.where(rng.random(_ROWS) < 0.1, at - rng.integers(0, 60, _ROWS) * 1_000_000, at)
        at[1::97] = at[::97][: len(at[1::97])]
        at[rng.random(_ROWS) < 0.01] = MISSING_TIME
    names = np.array([f"unit {number}" for number in range(25)], dtype=object)
    modes = np.array(["run", "idle", None], dtype=object)
    columns: Columns = {"unit": names[rng.integers(0, 25, _ROWS)], "at": at}
    for number in range(_SENSORS):
        values = rng.normal(size=_ROWS) + (1e8 if kind == "offset" else 0.0)
        if kind == "spikes":
            values[rng.random(_ROWS) < 0.002] = 1e12
        values[rng.random(_ROWS) < 0.1] = np.nan
        columns[f"s{number}"] = values
    columns["mode"] = modes[rng.integers(0, 3, _ROWS)]
    return columns


def _compared(spec: WindowSpec, columns: Columns) -> dict[str, Any]:
    """Chunks with restarts against one push, and where rows are in order also a shuffled table."""
    rng = np.random.default_rng(3)
    whole = WindowKernel(spec)
    expected = whole.push(columns)
    kernel, begin, restarts, unequal = WindowKernel(spec), 0, 0, 0
    while begin < _ROWS:
        end = min(_ROWS, begin + int(rng.choice(_CHUNKS)))
        found = kernel.push({name: values[begin:end] for name, values in columns.items()})
        unequal += _unequal(found, expected[begin:end])
        if rng.random() < 0.3:
            kernel, restarts = WindowKernel(spec, kernel.state()), restarts + 1
        begin = end
    values = expected.size
    same_state = kernel.state() == whole.state() and kernel.counts == whole.counts
    if not any(whole.counts[name] for name in ("late", "repeated", "unplaced")):
        shuffled = rng.permutation(_ROWS)
        table = window_features(spec, {name: column[shuffled] for name, column in columns.items()})
        unequal += _unequal(table, expected[shuffled])
        values += expected.size
    return {
        "values": values, "unequal_bits": unequal + (not same_state), "restarts": restarts, **whole.counts,
    }  # fmt: skip


def _unequal(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> int:
    return int(
        np.count_nonzero(np.ascontiguousarray(ours).view(np.int64) != np.ascontiguousarray(theirs).view(np.int64))
    )


def _speed(spec: WindowSpec) -> dict[str, float]:
    columns = _stream("plain", 9)
    began = time.perf_counter()
    size = window_features(spec, columns).size
    table = size / (time.perf_counter() - began)
    kernel = WindowKernel(spec)
    kernel.push({name: values[:20_000] for name, values in columns.items()})
    pushed: dict[int, float] = {}
    for rows in (1, 256):
        began = time.perf_counter()
        for turn in range(50):
            begin = 20_000 + turn * rows
            kernel.push({name: values[begin : begin + rows] for name, values in columns.items()})
        pushed[rows] = (time.perf_counter() - began) / 50
    return {
        "table_values_a_second": table,
        "push_256_values_a_second": 256 * len(spec.features) / pushed[256],
        "push_1_ms": pushed[1] * 1000,
    }


def _oracle() -> dict[str, float]:
    """The largest difference to DuckDB for each aggregate, over the column's scale."""
    import duckdb

    rng = np.random.default_rng(11)
    rows = 50_000
    columns: Columns = {
        "unit": rng.integers(0, 50, rows).astype(np.float64), "t": np.arange(rows, dtype=np.float64),
        "x": rng.normal(size=rows) + 100.0,
    }  # fmt: skip
    schema = Schema(tuple(Field(name, "number") for name in columns))
    asked = [{"column": "x", "aggregate": name, "rows": 30} for name in (*_SQL, "slope")]
    ours = window_features(WindowSpec.from_dict({"entity": "unit", "order": "t", "features": asked}, schema), columns)
    selected = ", ".join(f"{function}(x) over w as {name}" for name, function in _SQL.items())
    with duckdb.connect() as connection:
        connection.register("seen", columns)
        theirs = connection.execute(
            f"select t, {selected}, regr_slope(x, t) over w as slope from seen"
            " window w as (partition by unit order by t rows between 29 preceding and current row) order by t"
        ).fetchnumpy()
    gaps = {}
    for place, name in enumerate((*_SQL, "slope")):
        wanted = np.ma.filled(np.ma.asarray(theirs[name], dtype=np.float64), np.nan)
        gaps[name] = float(np.nanmax(np.abs(ours[:, place] - wanted)) / max(1.0, float(np.nanmax(np.abs(wanted)))))
    return gaps
