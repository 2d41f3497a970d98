"""Reports say what was promised and what came of it, in words and in a picture."""

from __future__ import annotations

from typing import Any

import pytest

from flyball.charts import coverage
from flyball.reports.conformal import conformal_charts, conformal_sentence
from flyball.reports.evidence import Evidence

PARTS = [
    {"name": "<b>north</b>", "rows": 400, "size": 3.0, "value": 0.91, "low": 0.88, "high": 0.94},
    {"name": "south", "rows": 90, "size": 3.0, "value": 0.7, "low": 0.6, "high": 0.8},
    {"name": "east", "rows": 9, "size": 3.0, "value": 1.0, "low": None, "high": None},
]
SETS: dict[str, Any] = {
    "kind": "set", "level": 0.9, "target": "new rows like the training's", "unit": "row", "method": "per class",
    "coverage": {"value": 0.9, "low": 0.88, "high": 0.92}, "filled": 0.95,
    "size": {"mean": 1.25, "empty": 0.05, "single": 0.65, "several": 0.3, "single_right": 0.92},
    "by": [{"by": "class", "parts": PARTS}],
}  # fmt: skip


@pytest.mark.parametrize("nothing", [{}, {"kind": "set", "coverage": None}, {"kind": "interval"}])
def test_nothing_promised_is_nothing_said(nothing: dict[str, Any]) -> None:
    assert conformal_sentence(nothing) == ""
    assert conformal_charts(Evidence({"conformal": nothing})) == []


def test_sets_and_widths_are_told_in_one_sentence() -> None:
    said = conformal_sentence(SETS)
    assert said == (
        "90 % class sets hold 90 % [88, 92] of the test rows; "
        "1.25 classes on average (65 % one class, 30 % several, 5 % none)"
    )
    width = {"mean": 12.0, "low": 4.0, "median": 10.0, "high": 25.0}
    interval = {**SETS, "kind": "interval", "method": "follows the row", "width": width}
    assert conformal_sentence(interval).endswith("width 12 on average, following the row (4 to 25 for most)")


def test_the_picture_marks_parts_that_break_the_promise_and_escapes_names() -> None:
    (figure,) = conformal_charts(Evidence({"conformal": SETS}))
    assert "<b>" not in figure
    assert "&lt;b&gt;north" in figure
    assert figure.count('class="w"') == 1
    assert "Covered, by class" in figure
    assert "nothing to show" in coverage([], level=0.9, title="none")
