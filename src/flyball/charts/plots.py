"""Charts with two axes: calibration, ROC and precision-recall curves, histograms, lines over time, sparklines."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from flyball.charts.frame import WIDTH, clip, line, path, rect, scale, svg, text, ticks
from flyball.charts.numbers import number, percent

__all__ = ["agreement", "axes", "calibration", "curve", "histogram", "over_time", "sparkline"]

_LEFT, _TOP, _BOTTOM = 42.0, 10.0, 40.0
Mapper = Callable[[float], float]
Range = tuple[float, float]


def calibration(bins: Sequence[Mapping[str, Any]], *, title: str = "Calibration", style: bool = True) -> str:
    """Predicted probability against observed frequency with intervals; dots on the diagonal keep their word."""
    most = max([0.05, *(float(one[key]) for one in bins for key in ("predicted", "high"))])
    limit = 1.0 if most > 0.6 else math.ceil(most * 20) / 20
    frame, x, y, height = axes((0, limit), (0, limit), "predicted probability", "observed frequency")
    body = [frame, line(x(0), y(0), x(limit), y(limit), "d")]
    body.append(path([(x(one["predicted"]), y(one["observed"])) for one in bins], "l"))
    body += [_dot_with_interval(one, x, y) for one in bins]
    said = "; ".join(f"said {number(one['predicted'])}, was {number(one['observed'])}" for one in bins)
    return svg(height, "".join(body), title=title, description=said, style=style)


def agreement(bins: Sequence[Mapping[str, Any]], *, title: str, unit: str = "", style: bool = True) -> str:
    """Predicted against true numbers over slices of the prediction: the middle, and where nine of ten rows lie."""
    ends = [float(one[key]) for one in bins for key in ("predicted", "low", "high")]
    limits = _padded(min(ends, default=0.0), max(ends, default=1.0))
    suffix = f" ({unit})" if unit else ""
    frame, x, y, height = axes(limits, limits, f"predicted{suffix}", f"true{suffix}")
    body = [frame, line(x(limits[0]), y(limits[0]), x(limits[1]), y(limits[1]), "d")]
    body += [_dot_with_interval(one, x, y) for one in bins]
    said = "; ".join(f"predicted {number(one['predicted'])}, true {number(one['observed'])}" for one in bins)
    return svg(height, "".join(body), title=title, description=said, style=style)


def curve(
    points: Sequence[Sequence[float]],
    *,
    kind: Literal["roc", "pr"],
    base_rate: float | None = None,
    title: str = "",
    style: bool = True,
) -> str:
    """The ROC curve, or precision over recall; the dashed line is guessing (for the latter: `base_rate`)."""
    roc = kind == "roc"
    names = ("false alarms among negatives", "positives found") if roc else ("positives found (recall)", "precision")
    frame, x, y, height = axes((0, 1), (0, 1), *names)
    body = [frame]
    if roc:
        body.append(line(x(0), y(0), x(1), y(1), "d"))
    elif base_rate is not None:
        body.append(line(x(0), y(base_rate), x(1), y(base_rate), "d"))
    body.append(path([(x(float(point[0])), y(float(point[1]))) for point in points], "l"))
    name = title or ("ROC curve" if roc else "Precision and recall")
    return svg(height, "".join(body), title=name, description="The dashed line is guessing.", style=style)


def histogram(bins: Sequence[Mapping[str, Any]], *, title: str, unit: str = "", style: bool = True) -> str:
    """Rows over a number: bins of `{"low", "high", "rows"}`, drawn by their share of the whole `weight` if they tell it."""
    if not bins:
        return svg(24, text(0, 14, "nothing to show", "s"), title=title, style=style)
    limits = (float(bins[0]["low"]), float(bins[-1]["high"]))
    key = "weight" if "weight" in bins[0] else "rows"
    most = max(float(one[key]) for one in bins)
    counted = "share of the weight" if key == "weight" else "rows"
    frame, x, y, height = axes(limits, (0, most or 1), unit or "value", counted, tall=130)
    body = [frame]
    for one in bins:
        begin, end, top = x(one["low"]), x(one["high"]), y(one[key])
        weighed = f", {percent(one[key])} of the weight" if key == "weight" else ""
        tip = f"{number(one['low'])} to {number(one['high'])}: {int(one['rows']):,} rows{weighed}"
        body.append(rect(begin + 0.5, top, end - begin - 1, y(0) - top, "m", tip=tip, round_=1))
    if limits[0] < 0 < limits[1]:
        body.append(line(x(0), _TOP, x(0), y(0), "d"))
    return svg(height, "".join(body), title=title, style=style)


def over_time(
    times: Sequence[str],
    values: Sequence[float],
    *,
    title: str,
    low: Sequence[float] = (),
    high: Sequence[float] = (),
    unit: str = "value",
    style: bool = True,
) -> str:
    """A line over equally spaced moments (labels given as text), with its interval as a band."""
    every = [value for value in [*values, *low, *high] if math.isfinite(value)]
    limits = _padded(min(every, default=0.0), max(every, default=1.0))
    last = max(1, len(values) - 1)
    frame, x, y, height = axes((0, last), limits, "", unit, tall=130, across=False)
    body = [frame]
    if len(low) == len(high) == len(values) > 1:
        around = [(x(place), y(end)) for place, end in enumerate(high)]
        around += [(x(place), y(end)) for place, end in reversed(list(enumerate(low)))]
        body.append(path(around, "a", closed=True))
    body.append(path([(x(place), y(value)) for place, value in enumerate(values)], "l"))
    if times:
        body.append(text(_LEFT, height - 22, clip(times[0], 140), "s"))
        body.append(text(WIDTH - 2, height - 22, clip(times[-1], 140), "s", anchor="end"))
    said = f"From {number(values[0])} to {number(values[-1])}" if values else ""
    return svg(height, "".join(body), title=title, description=said, style=style)


def sparkline(
    values: Sequence[float], *, title: str, width: float = 120.0, height: float = 28.0, style: bool = True
) -> str:
    """A line without axes, its last point marked; for a table's cell."""
    known = [value for value in values if math.isfinite(value)]
    x = scale((0, max(1, len(known) - 1)), (2, width - 4))
    y = scale((min(known, default=0.0), max(known, default=1.0)), (height - 4, 4))
    points = [(x(place), y(value)) for place, value in enumerate(known)]
    body = path(points, "l") + (_dot(*points[-1], "m") if points else "")
    said = f"{number(known[0])} to {number(known[-1])}" if known else "nothing to show"
    return svg(height, body, title=title, description=said, width=width, style=style)


def axes(
    xs: Range, ys: Range, x_name: str, y_name: str, *, tall: float = 190, across: bool = True
) -> tuple[str, Mapper, Mapper, float]:
    """Grid, numbers and names; the y name stands above the axis, where it reads without turning the head."""
    top, bottom = _TOP + 12, _TOP + 12 + tall
    x, y = scale(xs, (_LEFT, WIDTH - 8)), scale(ys, (bottom, top))
    body = [text(0, 10, y_name, "s")]
    for mark in ticks(*ys, 4):
        body.append(line(_LEFT, y(mark), WIDTH - 8, y(mark), "g"))
        body.append(text(_LEFT - 6, y(mark) + 4, _short(mark), "s", anchor="end"))
    if across:
        for mark in ticks(*xs, 5):
            anchor = "end" if x(mark) > WIDTH - 20 else "middle"
            body.append(text(min(x(mark), WIDTH - 1), bottom + 15, _short(mark), "s", anchor=anchor))
        body.append(text((_LEFT + WIDTH - 8) / 2, bottom + 31, x_name, "s", anchor="middle"))
    return "".join(body), x, y, bottom + _BOTTOM


def _short(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return number(value / (1e3 if letter == "k" else size)) + letter
    return number(value)


def _padded(least: float, most: float) -> Range:
    room = (most - least) * 0.04 or abs(most) * 0.1 or 1.0
    return least - room, most + room


def _dot_with_interval(one: Mapping[str, Any], x: Mapper, y: Mapper) -> str:
    across = x(one["predicted"])
    tip = f"{number(one['predicted'])} → {number(one['observed'])}, {int(one['rows']):,} rows"
    return line(across, y(one["low"]), across, y(one["high"]), "i") + _dot(across, y(one["observed"]), "m", tip)


def _dot(x: float, y: float, kind: str, tip: str = "") -> str:
    return rect(x - 3.5, y - 3.5, 7, 7, kind, tip=tip, round_=3.5)
