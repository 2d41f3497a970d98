"""What the kernel answers, row by row: windows, lags, and the rules for rows that come late, twice or without a place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flyball_runtime.schema import MISSING_TIME, Field, Schema
from flyball_runtime.windows import (
    TooManyEntities,
    WindowKernel,
    WindowsInvalid,
    WindowSpec,
    WindowStateInvalid,
    window_features,
)

SCHEMA = Schema((Field("unit", "text"), Field("at", "time"), Field("x", "number"), Field("mode", "text")))
SECOND = 1_000_000


def spec(*features: dict[str, Any], entity: str | None = "unit", order: str | None = "at") -> WindowSpec:
    return WindowSpec.from_dict({"entity": entity, "order": order, "features": list(features)}, SCHEMA)


def rows(*cells: tuple[str | None, float | None, float]) -> dict[str, NDArray[Any]]:
    """Unit, second and x of each row; every mode is "run"."""
    unit, mode = np.empty(len(cells), dtype=object), np.empty(len(cells), dtype=object)
    unit[:], mode[:] = [cell[0] for cell in cells], "run"
    at = [MISSING_TIME if cell[1] is None else int(cell[1] * SECOND) for cell in cells]
    return {"unit": unit, "at": np.array(at), "x": np.array([cell[2] for cell in cells], dtype=float), "mode": mode}


MEAN = {"column": "x", "aggregate": "mean", "rows": 3}


def test_each_entity_has_a_past_of_its_own() -> None:
    found = WindowKernel(spec(MEAN)).push(rows(("a", 1, 1.0), ("b", 1, 10.0), ("a", 2, 3.0), ("b", 2, 30.0)))
    assert found[:, 0].tolist() == [1.0, 10.0, 2.0, 20.0]


@pytest.mark.parametrize("column", ["x", "mode", "at"])
def test_a_count_is_of_what_is_known_in_any_column(column: str) -> None:
    kernel = WindowKernel(spec({"column": column, "aggregate": "count", "rows": 2}))
    assert kernel.push(rows(("a", 1, 1.0), ("a", 2, 2.0), ("a", 3, 3.0)))[:, 0].tolist() == [1.0, 2.0, 2.0]


def test_late_repeated_and_unplaced_rows_are_answered_from_the_past_as_it_stands_and_change_nothing() -> None:
    kernel = WindowKernel(spec(MEAN))
    kernel.push(rows(("a", 1, 1.0), ("a", 5, 3.0)))
    before = kernel.push(rows())
    assert before.shape == (0, 1)
    found = kernel.push(rows(("a", 4, 99.0), ("a", 5, 99.0), ("a", None, 99.0), (None, 6, 99.0), ("b", None, 99.0)))
    assert found[:3, 0].tolist() == [2.0, 2.0, 2.0]
    assert np.isnan(found[3:, 0]).all()
    assert kernel.counts == {"rows": 7, "late": 1, "repeated": 1, "unplaced": 3}
    assert kernel.push(rows(("a", 6, 5.0)))[0, 0] == 3.0


def test_a_spike_that_has_left_the_window_leaves_no_trace() -> None:
    asked = [{"column": "x", "aggregate": kind, "rows": 4} for kind in ("mean", "std", "min", "max", "slope", "ewm")]
    calm = np.random.default_rng(1).normal(size=40) + 1e8
    wild = calm.copy()
    wild[10] = 1e12
    stamps = range(40)
    found = [
        WindowKernel(spec(*asked)).push(rows(*(("a", at, value) for at, value in zip(stamps, values, strict=True))))
        for values in (calm, wild)
    ]
    assert (found[0][14:] == found[1][14:]).all()
    assert (found[0][10:14] != found[1][10:14]).any()
    np.testing.assert_allclose(
        found[0][10:, 1], [np.std(calm[i - 3 : i + 1], ddof=1) for i in range(10, 40)], rtol=1e-7
    )


def test_durations_leave_their_far_end_out_and_are_bounded_by_rows() -> None:
    asked = {"column": "x", "aggregate": "count", "duration": 2.0}
    cells = rows(("a", 0, 1.0), ("a", 1, 1.0), ("a", 2, 1.0), ("a", 2.5, 1.0), ("a", 9, 1.0))
    assert WindowKernel(spec(asked)).push(cells)[:, 0].tolist() == [1.0, 2.0, 2.0, 3.0, 1.0]
    assert WindowKernel(spec({**asked, "rows": 2})).push(cells)[:, 0].tolist() == [1.0, 2.0, 2.0, 2.0, 1.0]


def test_a_change_and_an_event_are_told_in_seconds_since() -> None:
    changed = {"column": "x", "aggregate": "since_change"}
    event = {"aggregate": "since_event", "where": {"column": "x", "operator": "<", "value": 5}}
    cells = rows(("a", 0, 1.0), ("a", 2, 1.0), ("a", 3, np.nan), ("a", 4, 7.0), ("a", 6, 7.0))
    found = WindowKernel(spec(changed, event)).push(cells)
    assert found[:, 0].tolist() == [0.0, 2.0, 3.0, 0.0, 2.0]
    assert found[:, 1].tolist() == [0.0, 0.0, 1.0, 2.0, 4.0]
    assert np.isnan(WindowKernel(spec(event)).push(rows(("a", 0, 7.0)))).all()


def test_without_an_order_rows_count() -> None:
    kernel = WindowKernel(spec({"column": "x", "aggregate": "since_change"}, MEAN, order=None))
    assert kernel.push(rows(("a", 9, 1.0), ("a", 3, 1.0), ("a", 3, 4.0)))[:, 0].tolist() == [0.0, 1.0, 0.0]
    assert kernel.counts["late"] == kernel.counts["repeated"] == 0


def test_a_table_of_many_entities_is_done_in_batches_without_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    cells = rows(*((f"u{rng.integers(9)}", at, rng.normal()) for at in range(300)))
    expected = WindowKernel(spec(MEAN)).push(cells)
    monkeypatch.setattr("flyball_runtime.windows.kernel._BATCH", 25)
    assert (window_features(spec(MEAN), cells) == expected).all()


def test_more_entities_than_fit_are_refused_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flyball_runtime.windows.history._MOST_BYTES", 1_000)
    kernel = WindowKernel(spec(MEAN))
    kernel.push(rows(("a", 1, 1.0)))
    before = kernel.state()
    with pytest.raises(TooManyEntities, match="FB-WINDOW-002"):
        kernel.push(rows(*((f"u{number}", 2, 1.0) for number in range(50))))
    assert kernel.state() == before
    assert kernel.push(rows(("a", 2, 3.0)))[0, 0] == 2.0


@pytest.mark.parametrize("damage", [b"", b"PK", b"not a state"])
def test_a_damaged_state_is_refused(damage: bytes) -> None:
    with pytest.raises(WindowStateInvalid, match="FB-WINDOW-003"):
        WindowKernel(spec(MEAN), damage)


def test_a_state_of_another_specification_is_refused() -> None:
    state = WindowKernel(spec(MEAN)).state()
    with pytest.raises(WindowStateInvalid, match="another specification"):
        WindowKernel(spec({**MEAN, "rows": 4}), state)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"column": "x", "aggregate": "median", "rows": 3}, "no aggregate 'median'"),
        ({"column": "y", "aggregate": "mean", "rows": 3}, 'no column "y"'),
        ({"column": "x", "aggregate": "mean"}, "needs a window"),
        ({"column": "x", "aggregate": "mean", "rows": 3, "wher": 1}, 'no key "wher"'),
        ({"column": "mode", "aggregate": "mean", "rows": 3}, "holds no numbers"),
        ({"column": "x", "aggregate": "lag", "rows": 3}, "has no window"),
        ({"column": "x", "aggregate": "std", "rows": 1}, "window of 2 or more"),
        ({"column": "x", "aggregate": "mean", "rows": 10**6}, "up to 10,000"),
        ({"column": "x", "aggregate": "mean", "rows": 3, "decay": 0.5}, "does not decay"),
        ({"aggregate": "since_event"}, "needs its condition"),
        ({"column": "x", "aggregate": "mean", "rows": 3, "where": {"column": "mode", "value": 1}}, "does not fit"),
        ({"column": "x", "aggregate": "mean", "duration": -1}, "above 0"),
    ],
)
def test_a_specification_that_has_no_meaning_is_refused(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(WindowsInvalid) as refused:
        spec(asked)
    assert said in str(refused.value)


def test_a_specification_survives_json_with_the_same_digest() -> None:
    made = spec(MEAN, {"column": "x", "aggregate": "ewm", "rows": 9, "halflife": 2.5}, {**MEAN, "lag": 2})
    again = WindowSpec.from_dict(made.to_dict())
    assert again == made
    assert again.digest == made.digest
    assert made.only([made.names[0]]).names == made.names[:1]


def test_durations_need_an_order() -> None:
    with pytest.raises(WindowsInvalid, match="a duration needs an order"):
        spec({"column": "x", "aggregate": "mean", "duration": 3}, order=None)
