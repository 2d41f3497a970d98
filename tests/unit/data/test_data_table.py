"""A table holds normalised columns, and its address is its content."""

from __future__ import annotations

import numpy as np
import pytest

import flyball.data
from flyball.data import Table, content_digest
from flyball_runtime.schema import Field, Schema

SCHEMA = Schema((Field("speed", "number"), Field("site", "text"), Field("seen", "time", "date")))


def table(**changed: np.ndarray) -> Table:
    columns = {
        "speed": np.array([1.0, np.nan, 3.0]),
        "site": np.array(["a", None, ""], dtype=object),
        "seen": np.array([0, np.iinfo(np.int64).min, -5], dtype=np.int64),
    }
    return Table(SCHEMA, columns | changed)


def test_rows_and_columns_can_be_chosen():
    chosen = table().take(np.array([2, 0])).select(["site", "speed"])
    assert chosen.names == ("site", "speed")
    assert chosen["speed"].tolist() == [3.0, 1.0]
    assert table().drop(["site", "nowhere"]).names == ("speed", "seen")
    assert (len(table()), table().head(2).rows, "site" in table()) == (3, 2, True)


def test_a_column_is_replaced_in_its_place_or_added_at_the_end():
    assert table().with_column(Field("site", "number"), np.zeros(3)).names == ("speed", "site", "seen")
    assert table().with_column(Field("new", "number"), np.zeros(3)).names == ("speed", "site", "seen", "new")


@pytest.mark.parametrize(
    "changed",
    [
        {"speed": np.zeros(2)},
        {"speed": np.zeros(3, dtype=np.float32)},
        {"site": np.array(["a", "b", "c"])},
        {"extra": np.zeros(3)},
    ],
)
def test_arrays_that_do_not_fit_the_schema_are_refused(changed):
    with pytest.raises(ValueError, match="column"):
        table(**changed)


def test_equal_content_has_one_address_and_every_difference_changes_it():
    other_nan = np.frombuffer(np.uint64(0x7FF8000000000001).tobytes(), dtype=np.float64)[0]
    assert content_digest(table()) == content_digest(table(speed=np.array([1.0, other_nan, 3.0])))
    digests = {
        content_digest(variant)
        for variant in (
            table(),
            table().take(np.array([1, 0, 2])),
            table().select(["site", "speed", "seen"]),
            table(site=np.array(["a", "", None], dtype=object)),
            table(site=np.array(["", None, "a"], dtype=object)),
            table(speed=np.array([1.0, np.nan, 3.0000001])),
            table(seen=np.array([0, 1, -5], dtype=np.int64)),
            table().with_column(Field("speed", "number", "integer"), table()["speed"]),
        )
    }
    assert len(digests) == 8


def test_texts_cannot_move_between_cells_unnoticed():
    one = table(site=np.array(["ab", "c", None], dtype=object))
    two = table(site=np.array(["a", "bc", None], dtype=object))
    assert content_digest(one) != content_digest(two)


@pytest.mark.parametrize("name", flyball.data.__all__)
def test_every_public_name_is_there(name):
    assert getattr(flyball.data, name) is not None
