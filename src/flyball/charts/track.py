"""One number on its scale: the interval as a band, the value as a dot, other values as labelled marks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from flyball.charts.frame import WIDTH, line, rect, scale, svg, text
from flyball.charts.numbers import number, span

__all__ = ["track"]


def track(
    value: float,
    low: float | None,
    high: float | None,
    *,
    marks: Sequence[tuple[str, float]] = (),
    title: str,
    limits: tuple[float, float] | None = None,
    style: bool = True,
) -> str:
    """`marks` are (label, value) pairs such as ("guessing", 0.5); `limits` are the scale's ends, else the data's."""
    ends = [end for end in (value, low, high, *(at for _, at in marks)) if end is not None and math.isfinite(end)]
    least, most = limits or (min(ends), max(ends))
    room = (most - least) * 0.04 or abs(most) * 0.1 or 1.0
    across = scale((min(least, *ends) - room, max(most, *ends) + room), (2.0, WIDTH - 2))
    body = [line(2, 28, WIDTH - 2, 28, "g")]
    if low is not None and high is not None and math.isfinite(low) and math.isfinite(high):
        body.append(rect(across(low), 23, max(3.0, across(high) - across(low)), 10, "a", round_=5))
    bottom = 40.0
    taken: list[tuple[float, float]] = []  # where the labels of one line end
    for label, at in sorted(marks, key=lambda mark: mark[1]):
        shown, x = f"{label} {number(at)}", across(at)
        half = 3.2 * len(shown)
        middle = min(max(x, half), WIDTH - half)
        level = next((place for place, (_, end) in enumerate(taken) if middle - half > end + 6), len(taken))
        taken[level : level + 1] = [(middle - half, middle + half)]
        y = 50.0 + 14 * level
        body.append(line(x, 20, x, y - 11, "z"))
        body.append(text(middle, y, shown, "s", anchor="middle"))
        bottom = max(bottom, y + 5)
    x = across(value)
    body.append(rect(x - 5, 23, 10, 10, "m", round_=5))
    shown = number(value)
    body.append(text(min(max(x, 16), WIDTH - 16), 14, shown, "b", anchor="middle"))
    said = span(value, low, high) + "".join(f"; {label} {number(at)}" for label, at in marks)
    return svg(bottom, "".join(body), title=title, description=said, style=style)
