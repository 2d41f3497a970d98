"""The sheet that every chart is drawn on: a fluid, accessible SVG without script, in the reader's light or dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

__all__ = ["STYLE", "WIDTH", "clip", "line", "path", "rect", "scale", "svg", "text", "ticks"]

WIDTH = 320.0  # one unit is one pixel on a narrow phone, so that labels stay legible there
_LIGHT = (
    "--fb-ink:#1d2329;--fb-soft:#5b6570;--fb-line:#dfe3e6;--fb-paper:#fff;"
    "--fb-main:#0e6b70;--fb-warm:#b45309;--fb-band:#cfe6e4;--fb-faint:#eef1f2"
)
_DARK = (
    "--fb-ink:#e8ebed;--fb-soft:#a3adb6;--fb-line:#343c43;--fb-paper:#1a1f24;"
    "--fb-main:#4fb8b3;--fb-warm:#f0a04b;--fb-band:#214a4c;--fb-faint:#242b31"
)
STYLE = (
    f".fb-chart{{{_LIGHT};background:var(--fb-paper);display:block;width:100%;height:auto;max-width:26rem;"
    "font:400 11px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;font-variant-numeric:tabular-nums}"
    f"@media (prefers-color-scheme:dark){{.fb-chart{{{_DARK}}}}}"
    ".fb-chart text{fill:var(--fb-ink);paint-order:stroke;stroke:var(--fb-paper);stroke-width:3px;stroke-linejoin:round}"
    ".fb-chart .s{fill:var(--fb-soft)}.fb-chart .b{font-weight:600}"
    ".fb-chart .g{stroke:var(--fb-line);stroke-width:1}.fb-chart .z{stroke:var(--fb-soft);stroke-width:1}"
    ".fb-chart .m{fill:var(--fb-main)}.fb-chart .w{fill:var(--fb-warm)}.fb-chart .a{fill:var(--fb-band)}"
    ".fb-chart .f{fill:var(--fb-faint)}.fb-chart .i{stroke:var(--fb-ink);stroke-width:1.25}"
    ".fb-chart .l{fill:none;stroke:var(--fb-main);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}"
    ".fb-chart .o{fill:var(--fb-paper);stroke:var(--fb-soft);stroke-width:1.25}.fb-chart .p{fill:var(--fb-paper)}"
    ".fb-chart .p,.fb-chart .q{stroke:none}.fb-chart .k{fill:var(--fb-soft)}"
    ".fb-chart .e{fill:none;stroke:var(--fb-warm);stroke-width:1.75;stroke-linejoin:round}"
    ".fb-chart .h{fill:none;stroke:var(--fb-soft);stroke-width:1.75;stroke-linejoin:round}"
    ".fb-chart .d{fill:none;stroke:var(--fb-soft);stroke-width:1;stroke-dasharray:3 3}"
)
_NARROW, _WIDE = frozenset("iljtfrI.,:;'!|()[] "), frozenset("mwMW@%—QOGD")


def svg(
    height: float, body: str, *, title: str, description: str = "", width: float = WIDTH, style: bool = True
) -> str:
    """A whole chart. `title` and `description` are what a screen reader says; `style` False: STYLE stands in the page."""
    said = escape(f"{title}. {description}" if description else title, quote=True)
    sheet = f"<style>{STYLE}</style>" if style else ""
    return (
        f'<svg class="fb-chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" '
        f'role="img" aria-label="{said}">{sheet}<title>{escape(title)}</title>'
        + (f"<desc>{escape(description)}</desc>" if description else "")
        + f"{body}</svg>"
    )


def text(
    x: float, y: float, content: str, kind: str = "", *, anchor: str = "start", full: str | None = None, aside: str = ""
) -> str:
    """A label; `full` is shown when the pointer rests on a label that had to be cut, `aside` stands muted behind it."""
    tip = f"<title>{escape(full)}</title>" if full and full != content else ""
    where = "" if anchor == "start" else f' text-anchor="{anchor}"'
    after = f'<tspan class="s" dx="7">{escape(aside)}</tspan>' if aside else ""
    return f'<text x="{_n(x)}" y="{_n(y)}"{_class(kind)}{where}>{escape(content)}{after}{tip}</text>'


def rect(x: float, y: float, width: float, height: float, kind: str, *, tip: str = "", round_: float = 2) -> str:
    said = f"<title>{escape(tip)}</title>" if tip else ""
    size = f'width="{_n(max(0.0, width))}" height="{_n(max(0.0, height))}" rx="{_n(min(round_, max(0.0, width) / 2))}"'
    return f'<rect x="{_n(x)}" y="{_n(y)}" {size}{_class(kind)}>{said}</rect>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"{_class(kind)}/>'


def clip(label: str, room: float, size: float = 11.0) -> str:
    """The label, cut with an ellipsis to about `room` pixels: an estimate, as no font is at hand on the server."""
    clean = " ".join(str(label).split())
    used = 0.0
    for place, letter in enumerate(clean):
        used += size * (
            0.34 if letter in _NARROW else 0.86 if letter in _WIDE else 0.58 if ord(letter) < 0x2E80 else 1.05
        )
        if used > room:
            return clean[: max(1, place - 1)].rstrip() + "…"
    return clean


def scale(domain: tuple[float, float], pixels: tuple[float, float]) -> Callable[[float], float]:
    """A linear map from data to pixels, held within the pixels. An empty domain maps to the middle."""
    (least, most), (begin, end) = domain, pixels
    if not most > least:
        return lambda _value: (begin + end) / 2
    return lambda value: begin + (end - begin) * min(1.0, max(0.0, (value - least) / (most - least)))


def ticks(least: float, most: float, wanted: int = 5) -> list[float]:
    """Round numbers within [least, most], about `wanted` of them.

    >>> ticks(0, 1, 5)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not (math.isfinite(least) and math.isfinite(most) and most > least):
        return [least] if math.isfinite(least) else []
    raw = (most - least) / max(1, wanted)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.9999)
    first, last = math.ceil(least / step - 1e-9), math.floor(most / step + 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


def path(points: Sequence[tuple[float, float]], kind: str, *, closed: bool = False) -> str:
    """A line through points, or the filled area between them."""
    if not points:
        return ""
    steps = "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
    return f'<path d="M{steps}{"Z" if closed else ""}"{_class(kind)}/>'


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _n(value: float) -> str:
    shown = f"{value:.1f}"
    return shown.removesuffix(".0")
