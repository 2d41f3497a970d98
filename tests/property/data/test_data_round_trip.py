"""Storage changes nothing, whatever a table holds."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from flyball.data import Table, content_digest, from_parquet, to_parquet_bytes
from flyball_runtime.schema import MISSING_TIME, Field, Schema

_names = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=6), min_size=1, max_size=4, unique=True)
_cells = {
    "number": st.floats(width=64),
    "time": st.integers(-(2**63), 2**63 - 1),
    "text": st.none() | st.text(st.characters(codec="utf-8"), max_size=5),
}
_dtypes = {"number": np.float64, "time": np.int64, "text": object}


@st.composite
def tables(draw: st.DrawFn) -> Table:
    rows = draw(st.integers(0, 6))
    fields, columns = [], {}
    for name in draw(_names):
        kind = draw(st.sampled_from(["number", "time", "text"]))
        fields.append(
            Field(name, kind, draw(st.sampled_from(["", "integer", "date"])), draw(st.none() | st.just("m/s")))
        )
        cells = draw(st.lists(_cells[kind], min_size=rows, max_size=rows))
        columns[name] = np.array(cells, dtype=_dtypes[kind])
    return Table(Schema(tuple(fields)), columns)


@settings(max_examples=60, deadline=None)
@given(tables())
def test_a_table_comes_back_from_parquet_exactly(table):
    back = from_parquet(to_parquet_bytes(table))
    assert back.schema == table.schema
    assert content_digest(back) == content_digest(table)


def test_equal_texts_come_back_as_one_object():
    values = np.array(["".join(["a", "b"]) for _ in range(100)], dtype=object)
    back = from_parquet(to_parquet_bytes(Table(Schema((Field("t", "text"),)), {"t": values})))
    assert len({id(value) for value in back["t"]}) == 1


def test_missing_times_stay_missing_and_old_dates_stay_old():
    moments = np.array([MISSING_TIME, -62_135_596_800_000_000, 0, 2**62], dtype=np.int64)
    table = Table(Schema((Field("t", "time", "datetime"),)), {"t": moments})
    assert from_parquet(to_parquet_bytes(table))["t"].tolist() == moments.tolist()
