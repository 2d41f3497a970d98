"""What each threshold costs, or finds: lines over the threshold, with the ones in question marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flyball.charts.frame import WIDTH, line, path, text
from flyball.charts.frame import svg as sheet
from flyball.charts.numbers import number
from flyball.charts.plots import axes

__all__ = ["by_threshold"]

_KINDS = ("l", "e", "h")  # the main line, then two that are told apart by their labels


def by_threshold(
    points: Sequence[Mapping[str, Any]],
    *,
    of: Sequence[tuple[str, str]],
    marks: Sequence[tuple[str, float]] = (),
    title: str,
    unit: str = "",
    style: bool = True,
) -> str:
    """`points` hold "threshold" and the keys of `of`, pairs of (key, label); `marks` are (label, threshold) pairs.

    Where most of what happens lies below a threshold of a half, as with rare classes, the scale ends there.
    """
    known = [one for one in points if any(one.get(key) is not None for key, _ in of)]
    busy = [float(one["threshold"]) for one in known if 0.001 < float(one.get("called") or 0) < 1]
    needed = max([at for _, at in marks] + busy[-1:], default=1.0)
    right = 1.0 if needed > 0.5 else min(1.0, max(0.1, 1.1 * needed))
    within = [one for one in known if float(one["threshold"]) <= right]
    values = [float(one[key]) for one in within for key, _ in of if one.get(key) is not None]
    least, most = min([0.0, *values]), max(values, default=1.0)
    frame, x, y, height = axes((0.0, right), (least, most if most > least else least + 1), "threshold", unit)
    body = [frame]
    for place, ((key, label), kind) in enumerate(zip(of, _KINDS, strict=False)):
        drawn = [(x(one["threshold"]), y(one[key])) for one in within if one.get(key) is not None]
        body.append(path(drawn, kind))
        if drawn and len(of) > 1:
            wanted = x(right * (0.35 + 0.2 * place))  # at different places, so that labels do not meet
            across, down = min(drawn, key=lambda point: abs(point[0] - wanted))
            body.append(text(min(across + 5, WIDTH - 60), down - 5, label, "s"))
    for place, (label, at) in enumerate(marks):
        body.append(line(x(at), 22, x(at), height - 40, "d"))
        anchor = "end" if x(at) > WIDTH * 0.6 else "start"
        shift = -4 if anchor == "end" else 4
        body.append(text(x(at) + shift, 34 + 14 * place, f"{label} {number(at)}", "b", anchor=anchor))
    said = "; ".join(f"{label} {number(at)}" for label, at in marks)
    return sheet(height, "".join(body), title=title, description=said, style=style)
