"""Raw values as JSON and as text."""

from __future__ import annotations

import numpy as np
import pytest

from flyball.explain.cells import json_cell, shown_cell
from flyball_runtime.schema import MISSING_TIME, Field


@pytest.mark.parametrize(
    ("cell", "field", "value", "shown"),
    [
        (np.float64(0.1) + 0.2, Field("x", "number", "float"), 0.1 + 0.2, "0.3"),
        (np.float64(1280), Field("x", "number", "integer"), 1280, "1280"),
        (np.float64(61.25), Field("x", "number", "float", "Nm"), 61.25, "61.25 Nm"),
        (np.float64(1), Field("x", "number", "boolean"), True, "true"),
        (np.float64(2), Field("x", "number", "boolean"), 2.0, "2"),
        (np.float64(np.nan), Field("x", "number"), None, "missing"),
        (np.float64(-np.inf), Field("x", "number"), "-inf", "-inf"),
        (np.int64(0), Field("t", "time", "datetime"), "1970-01-01T00:00:00Z", "1970-01-01"),
        (np.int64(62_500_000), Field("t", "time"), "1970-01-01T00:01:02.500000Z", "1970-01-01 00:01:02"),
        (np.int64(-86_400_000_000), Field("t", "time", "date"), "1969-12-31", "1969-12-31"),
        (np.int64(2**62), Field("t", "time"), f"{2**62} µs", f"{2**62} µs"),
        (np.int64(MISSING_TIME), Field("t", "time"), None, "missing"),
        (None, Field("s", "text"), None, "missing"),
        ("two\nlines", Field("s", "text"), "two\nlines", "two lines"),
        ("x" * 50, Field("s", "text"), "x" * 50, "x" * 39 + "…"),
    ],
)
def test_a_value_has_one_json_form_and_one_shown_form(cell, field, value, shown) -> None:
    assert json_cell(cell, field) == value
    assert type(json_cell(cell, field)) is type(value)
    assert shown_cell(cell, field) == shown
