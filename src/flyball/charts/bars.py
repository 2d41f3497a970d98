"""Bars that lie: one line for the label and the number, one for the bar, so that long column names stay whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from flyball.charts.frame import WIDTH, clip, line, rect, scale, svg, text
from flyball.charts.numbers import number, signed, span

__all__ = ["Bar", "bars"]

_ROW = 33.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its label, value, interval if known, and a short note shown beside the label."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""


def bars(
    items: Sequence[Bar],
    *,
    title: str,
    description: str = "",
    unit: str = "",
    limit: float = 0.0,
    style: bool = True,
) -> str:
    """Horizontal bars with intervals, in the order given; the scale reaches at least to `limit`.

    Where some are negative, those above zero stand in the second colour.
    """
    known = [item for item in items if math.isfinite(item.value)]
    ends = [
        end for item in known for end in (item.value, item.low, item.high) if end is not None and math.isfinite(end)
    ]
    least, most = min([0.0, *ends]), max([0.0, limit, *ends])
    across = scale((least, most), (1.0, WIDTH - 1)) if most > least else scale((0, 1), (1.0, WIDTH - 1))
    diverging = least < 0
    body = []
    for place, item in enumerate(known):
        top = place * _ROW
        shown = signed(item.value, 2) if diverging and item.low is None else span(item.value, item.low, item.high)
        shown = number(item.value) if item.low is None and not diverging else shown
        room = WIDTH - 8 - 6.4 * len(shown)
        label = clip(item.label, room - (12 + 6 * len(item.note) if item.note else 0))
        body.append(text(1, top + 12, label, full=item.label, aside=item.note))
        body.append(text(WIDTH - 1, top + 12, shown, "b", anchor="end"))
        zero, end = across(0.0), across(item.value)
        tip = f"{item.label}: {shown} {unit}".strip()
        body.append(rect(1, top + 18, WIDTH - 2, 7, "f"))
        body.append(
            rect(
                min(zero, end),
                top + 18,
                max(1.0, abs(end - zero)),
                7,
                "w" if diverging and item.value > 0 else "m",
                tip=tip,
            )
        )
        body.append(_whisker(item, across, top + 21.5))
        if diverging:
            body.append(line(zero, top + 16, zero, top + 27, "z"))
    height = max(20.0, len(known) * _ROW)
    if not known:
        body.append(text(0, 14, "nothing to show", "s"))
    return svg(height, "".join(body), title=title, description=description, style=style)


def _whisker(item: Bar, across: object, y: float) -> str:
    if item.low is None or item.high is None or not callable(across):
        return ""
    if not (math.isfinite(item.low) and math.isfinite(item.high)) or item.high <= item.low:
        return ""
    low, high = across(item.low), across(item.high)
    return line(low, y, high, y, "i") + line(low, y - 3, low, y + 3, "i") + line(high, y - 3, high, y + 3, "i")
