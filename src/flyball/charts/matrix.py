"""Which classes are taken for which: a matrix of shares by true class."""

from __future__ import annotations

from collections.abc import Sequence

from flyball.charts.frame import WIDTH, clip, svg, text
from flyball.charts.numbers import number, percent

__all__ = ["matrix"]


def matrix(counts: Sequence[Sequence[float]], classes: Sequence[str], *, title: str, style: bool = True) -> str:
    """Rows are the true classes, columns the predicted ones; ink is the share of the true class's rows, or of their weight.

    Up to 12 classes carry their numbers; beyond that the cells speak by shade and by their tips.
    """
    size = max(1, len(classes))
    left = min(96.0, max(44.0, 14 + 6.2 * max((len(str(name)) for name in classes), default=1)))
    cell = min(44.0, (WIDTH - left) / size)
    body = [text(left, 10, "predicted →", "s"), text(0, 10, "true ↓", "s")]
    for column, name in enumerate(classes):
        if size <= 8 or cell >= 11:
            shown = clip(str(name), cell - 2)
            body.append(text(left + (column + 0.5) * cell, 26, shown, "s", anchor="middle", full=str(name)))
    for row, found in enumerate(counts):
        total = sum(found) or 1
        middle = 32 + (row + 0.5) * cell
        body.append(
            text(left - 6, middle + 4, clip(str(classes[row]), left - 8), "s", anchor="end", full=str(classes[row]))
        )
        for column, rows in enumerate(found):
            tip = f"{classes[row]} taken for {classes[column]}: {number(rows, 6)} of {number(total, 6)}"
            body.append(_cell(left + column * cell, 32 + row * cell, cell, rows / total, tip, right=row == column))
            if size <= 8 and rows:
                body.append(_share(left + (column + 0.5) * cell, middle + 4, rows / total))
    return svg(36 + size * cell, "".join(body), title=title, style=style)


def _cell(x: float, y: float, size: float, share: float, tip: str, *, right: bool) -> str:
    from html import escape

    kind, opacity = ("m" if right else "w"), 0.0 if not share else 0.12 + 0.88 * share
    ground = f'<rect x="{x:.1f}" y="{y:.1f}" width="{size - 1:.1f}" height="{size - 1:.1f}" class="f"/>'
    ink = (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{size - 1:.1f}" height="{size - 1:.1f}" class="{kind}" '
        f'fill-opacity="{opacity:.2f}"><title>{escape(tip)}</title></rect>'
    )
    return ground + ink


def _share(x: float, y: float, share: float) -> str:
    return text(x, y, percent(share, 0).replace(" %", ""), "p" if share > 0.45 else "q", anchor="middle")
