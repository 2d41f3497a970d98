"""Values with their intervals on one scale, one below the other, against a line that all are measured by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from flyball.charts.frame import WIDTH, clip, line, rect, scale, svg, text, ticks
from flyball.charts.numbers import number, span

__all__ = ["Span", "intervals"]

_ROW = 34.0


@dataclass(frozen=True, slots=True)
class Span:
    """One value with its interval, its label and a short note; `warm` draws it in the second colour. None: not known."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""
    warm: bool = False


def intervals(
    items: Sequence[Span],
    *,
    title: str,
    unit: str = "",
    reference: float | None = None,
    reference_name: str = "overall",
    style: bool = True,
) -> str:
    """Dots with whiskers in the order given; the dashed line is `reference`. What is not known says so in words."""
    ends = [
        end for item in items for end in (item.value, item.low, item.high) if end is not None and math.isfinite(end)
    ]
    ends += [reference] if reference is not None and math.isfinite(reference) else []
    least, most = min(ends, default=0.0), max(ends, default=1.0)
    room = (most - least) * 0.06 or abs(most) * 0.1 or 1.0
    limits = (least - room, most + room)
    across = scale(limits, (6.0, WIDTH - 6))
    bottom = max(1, len(items)) * _ROW
    marks = ticks(*limits, 4)
    body = []
    for place, item in enumerate(items):
        # The lines of the scale keep clear of the words over each picture.
        top, end = place * _ROW + 17, (place + 1) * _ROW - 3
        body += [line(across(mark), top, across(mark), end, "g") for mark in marks]
        if reference is not None and math.isfinite(reference):
            body.append(line(across(reference), top, across(reference), end, "d"))
        body.append(_row(item, place * _ROW, across, unit))
    if not items:
        body.append(text(0, 14, "nothing to show", "s"))
    body += [_tick(across(mark), bottom + 14, number(mark)) for mark in marks]
    said = "; ".join(f"{item.label}: {span(item.value, item.low, item.high)}" for item in items)
    if reference is not None and math.isfinite(reference):
        said = f"{reference_name} {number(reference)}; {said}"
    return svg(bottom + 22, "".join(body), title=title, description=said, style=style)


def _tick(x: float, y: float, words: str) -> str:
    """A label of the scale, within the picture at both ends."""
    if x < 3.5 * len(words):
        return text(1, y, words, "s")
    if x > WIDTH - 3.5 * len(words):
        return text(WIDTH - 1, y, words, "s", anchor="end")
    return text(x, y, words, "s", anchor="middle")


def _row(item: Span, top: float, across: object, unit: str) -> str:
    assert callable(across)
    known = item.value is not None and math.isfinite(item.value)
    shown = span(item.value, item.low, item.high) if known else "not enough data"
    label = clip(item.label, WIDTH - 18 - 6.2 * len(shown) - (12 + 6 * len(item.note) if item.note else 0))
    parts = [text(1, top + 13, label, full=item.label, aside=item.note)]
    parts.append(text(WIDTH - 1, top + 13, shown, "b" if known else "s", anchor="end"))
    if not known:
        return "".join(parts)
    y = top + 24
    ends = [end if end is not None and math.isfinite(end) else None for end in (item.low, item.high)]
    low, high = (across(end) if end is not None else edge for end, edge in zip(ends, (6.0, WIDTH - 6), strict=True))
    parts.append(line(low, y, high, y, "i"))
    parts += [line(x, y - 3, x, y + 3, "i") for x, end in ((low, ends[0]), (high, ends[1])) if end is not None]
    tip = f"{item.label}: {shown} {unit}".strip()
    parts.append(rect(across(item.value) - 4, y - 4, 8, 8, "w" if item.warm else "m", tip=tip, round_=4))
    return "".join(parts)
