"""How a row's prediction comes about: from the average, column by column, to the score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flyball.charts.frame import WIDTH, clip, line, rect, scale, svg, text
from flyball.charts.numbers import number, signed

__all__ = ["Part", "waterfall"]

_ROW = 31.0


@dataclass(frozen=True, slots=True)
class Part:
    """One column's share in a score: its name, its value in this row as text, and what it adds."""

    column: str
    shown: str
    contribution: float


def waterfall(
    base: float,
    parts: Sequence[Part],
    *,
    title: str = "Why this prediction",
    unit: str = "",
    base_label: str = "average over the training rows",
    total_label: str = "this row",
    most: int = 8,
    style: bool = True,
) -> str:
    """Bars that lead from `base` to `base + sum of contributions`, largest first; all beyond `most` become one bar.

    >>> waterfall(-3.0, [Part("torque", "61.2", 2.5), Part("speed", "1,280", -0.25)]).count("<rect")
    4
    """
    ordered = sorted(parts, key=lambda part: -abs(part.contribution))
    shown, rest = list(ordered[:most]), ordered[most:]
    if rest:
        shown.append(Part(f"{len(rest)} more columns", "", sum(part.contribution for part in rest)))
    levels = [base]
    for part in shown:
        levels.append(levels[-1] + part.contribution)
    across = scale((min(levels), max(levels)), (2.0, WIDTH - 2))
    total = base + sum(part.contribution for part in parts)
    suffix = f" {unit}" if unit else ""
    body = [_level(0, base_label, base, across(base), suffix)]
    for place, part in enumerate(shown):
        body.append(_step(place + 1, part, across(levels[place]), across(levels[place + 1])))
    body.append(_level(len(shown) + 1, total_label, total, across(total), suffix, strong=True))
    said = "; ".join(f"{part.column} {part.shown} {signed(part.contribution)}".replace("  ", " ") for part in shown)
    description = f"From {number(base)}{suffix} to {number(total)}{suffix}: {said}"
    return svg((len(shown) + 2) * _ROW, "".join(body), title=title, description=description, style=style)


def _level(place: int, label: str, value: float, x: float, suffix: str, *, strong: bool = False) -> str:
    top = place * _ROW
    kind = "b" if strong else "s"
    return (
        text(1, top + 12, label, kind)
        + text(WIDTH - 1, top + 12, number(value) + suffix, kind, anchor="end")
        + line(1, top + 21.5, WIDTH - 1, top + 21.5, "g")
        + rect(x - 2, top + 17, 4, 9, "m" if strong else "k", round_=2)
    )


def _step(place: int, part: Part, before: float, after: float) -> str:
    top = place * _ROW
    shown = signed(part.contribution)
    full = f"{part.column} = {part.shown}" if part.shown else part.column
    kind = "w" if part.contribution > 0 else "m"
    return (
        line(before, top - 5, before, top + 17, "d")
        + text(1, top + 12, clip(full, WIDTH - 20 - 6.4 * len(shown)), full=full)
        + text(WIDTH - 1, top + 12, shown, "b", anchor="end")
        + rect(min(before, after), top + 17, max(1.5, abs(after - before)), 9, kind, tip=f"{full}: {shown}")
    )
