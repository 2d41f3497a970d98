"""Whether intervals and class sets keep their promise: in the report, on the card, and in one line of a summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flyball.charts import coverage, number, percent, span
from flyball.reports.evidence import Evidence
from flyball.reports.html import e, figure

__all__ = ["conformal_charts", "conformal_sentence"]

_BY = {
    "prediction": ("Covered, by prediction", "Tenths of the test rows by their prediction."),
    "class": ("Covered, by class", "Test rows by their true class."),
    "group": ("Covered, by group", "Groups that the model never saw: all, or the least and the most covered."),
    "time": ("Covered, over time", "The test rows in six stretches of time."),
}


def conformal_sentence(conformal: Mapping[str, Any]) -> str:
    """What was promised and what came of it, as plain text; empty without intervals and sets.

    >>> conformal_sentence({"kind": "interval", "level": 0.9, "coverage": {"value": 0.91, "low": 0.89, "high": 0.92},
    ...                     "method": "constant", "width": {"mean": 12.0, "low": 12.0, "high": 12.0}})
    '90 % intervals hold 91 % [89, 92] of the test rows; every one is 12 wide'
    """
    seen = conformal.get("coverage") or {}
    if not conformal or seen.get("value") is None:
        return ""
    name = "intervals" if conformal.get("kind") == "interval" else "class sets"
    ends = ""
    if seen.get("low") is not None and seen.get("high") is not None:
        ends = f" [{100 * seen['low']:.0f}, {100 * seen['high']:.0f}]"
    said = f"{percent(conformal.get('level'), 0)} {name} hold {percent(seen['value'], 0)}{ends} of the test rows; "
    return said + (_widths(conformal) if name == "intervals" else _sizes(conformal))


def _widths(conformal: Mapping[str, Any]) -> str:
    width = conformal.get("width") or {}
    if conformal.get("method") == "constant":
        return f"every one is {number(width.get('mean'))} wide"
    most = f"{number(width.get('low'))} to {number(width.get('high'))} for most"
    return f"width {number(width.get('mean'))} on average, following the row ({most})"


def _sizes(conformal: Mapping[str, Any]) -> str:
    size = conformal.get("size") or {}
    shares = [f"{percent(size.get(name), 0)} {word}" for name, word in
              (("single", "one class"), ("several", "several"), ("empty", "none"))]  # fmt: skip
    return f"{number(size.get('mean'))} classes on average ({', '.join(shares)})"


def conformal_charts(evidence: Evidence) -> list[str]:
    """One picture of coverage for each way in which the rows were parted."""
    found = evidence.part("conformal")
    charts = []
    for one in found.get("by") or ():
        title, caption = _BY.get(str(one.get("by")), ("Covered", ""))
        parts = [part for part in one.get("parts") or () if part.get("value") is not None][:30]
        if not parts:
            continue
        level = float(found.get("level") or 0.9)
        said = f"{caption} The dashed line is the promise for {e(found.get('target'))}"
        whole = found.get("coverage") or {}
        shown = span(whole.get("value"), whole.get("low"), whole.get("high"))
        charts.append(
            figure(coverage(parts, level=level, title=title, style=False), title, f"{said}; over all: {shown}.")
        )
    return charts
