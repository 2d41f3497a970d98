"""How long one row takes, from raw values to the answer."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from flyball.automl import FittedPipeline
from flyball.data import Table
from flyball.features import in_order
from flyball_runtime.score import Scorer
from flyball_runtime.windowed import Windowed

__all__ = ["row_time"]

_ROUNDS = 200
_PAST = 5_000  # rows that a model which looks back knows before it is timed


def row_time(pipeline: FittedPipeline, scorer: Scorer, rows: Table) -> dict[str, float]:
    """Median milliseconds of a row of a table with one row or more: `single_row_ms`, and of the bare graph `graph_ms`.

    Of a model that looks back a row is answered as a session answers it: from the past of its entity, which it joins.
    """
    columns = {name: rows[name][:1] for name in pipeline.schema.names}
    feed = scorer.feed(columns)
    graph_ms = _median_ms([lambda: scorer.run_graph(feed)] * _ROUNDS)
    if pipeline.windows is None:
        return {"single_row_ms": _median_ms([lambda: scorer.score(columns)] * _ROUNDS), "graph_ms": graph_ms}
    windowed = Windowed(pipeline.windows, pipeline.schema)
    kernel = windowed.kernel()
    came = in_order(pipeline.windows, rows)
    timed = min(_ROUNDS, max(1, len(came) // 2))
    raw = rows.take(came).select(pipeline.inputs.names)
    kernel.push(dict(raw.take(slice(max(0, len(came) - timed - _PAST), len(came) - timed)).columns))

    def answer(position: int) -> Callable[[], object]:
        row = dict(raw.take(slice(position, position + 1)).columns)
        return lambda: scorer.score(windowed.joined(row, kernel.push(row)))

    turns = [answer(position) for position in range(len(came) - timed, len(came))]
    return {"single_row_ms": _median_ms(turns), "graph_ms": graph_ms}


def _median_ms(calls: list[Callable[[], object]]) -> float:
    seconds = np.empty(len(calls))
    for turn, call in enumerate(calls):
        began = time.perf_counter()
        call()
        seconds[turn] = time.perf_counter() - began
    return float(np.median(seconds) * 1000)
