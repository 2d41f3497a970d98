"""Coverage of parts as dots with intervals about the line that was promised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flyball.charts.frame import WIDTH, clip, line, rect, scale, svg, text
from flyball.charts.numbers import percent

__all__ = ["coverage"]

_ROW, _TOP, _LEFT = 20.0, 6.0, 120.0


def coverage(parts: Sequence[Mapping[str, Any]], *, level: float, title: str, style: bool = True) -> str:
    """One line per part `{"name", "value", "low", "high", "rows"}`; dots on the dashed line keep the promise.

    A part whose interval leaves the promise out stands in the second colour.
    """
    shares = [float(one[key]) for one in parts for key in ("value", "low") if one.get(key) is not None]
    least = max(0.0, min([level - 0.1, *shares]) - 0.02)
    x = scale((least, 1.0), (_LEFT, WIDTH - 44))
    bottom = _TOP + _ROW * max(1, len(parts))
    body = [line(x(level), _TOP, x(level), bottom, "d")]
    for place, one in enumerate(parts):
        y = _TOP + _ROW * (place + 0.5)
        value, low, high = float(one["value"]), one.get("low"), one.get("high")
        apart = low is not None and high is not None and not low <= level <= high
        said = f"{one['name']}: {percent(value)} of {int(one['rows']):,} rows"
        body.append(text(1, y + 4, clip(str(one["name"]), _LEFT - 12), full=str(one["name"])))
        if low is not None and high is not None:
            body.append(line(x(float(low)), y, x(float(high)), y, "i"))
        body.append(rect(x(value) - 3.5, y - 3.5, 7, 7, "w" if apart else "m", tip=said, round_=3.5))
        body.append(text(WIDTH - 1, y + 4, percent(value, 0), "b", anchor="end"))
    body.append(text(x(level), bottom + 14, f"promised {percent(level, 0)}", "s", anchor="middle"))
    if not parts:
        body.append(text(0, 14, "nothing to show", "s"))
    said = "; ".join(f"{one['name']} {percent(float(one['value']))}" for one in parts)
    return svg(bottom + 20, "".join(body), title=title, description=said, style=style)
