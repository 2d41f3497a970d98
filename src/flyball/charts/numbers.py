"""Numbers as people read them: enough digits and no more, a true minus, thousands set apart."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["duration", "file_size", "number", "percent", "signed", "span"]

_NONE = "–"


def number(value: Any, digits: int = 3) -> str:
    """A number with about `digits` significant digits; nothing known gives a dash.

    >>> number(0.97361), number(1234567.8), number(-0.5), number(None), number(12), number(0.0000123)
    ('0.974', '1,234,568', '−0.5', '–', '12', '1.23e−5')
    """
    if value is None or isinstance(value, str) or not math.isfinite(value):
        return _NONE
    size = abs(float(value))
    if size < 1e-12:
        return "0"
    if size < 1e-4 or size >= 1e9:
        return (
            f"{float(value):.{digits - 1}e}".replace("e-0", "e-")
            .replace("e+0", "e")
            .replace("e+", "e")
            .replace("-", "−")
        )
    decimals = max(0, digits - 1 - math.floor(math.log10(size)))
    text = f"{float(value):,.{decimals}f}"
    return _minus(text.rstrip("0").rstrip(".") if "." in text else text)


def signed(value: float, digits: int = 3) -> str:
    """A change, with its sign.

    >>> signed(0.25), signed(-2)
    ('+0.25', '−2')
    """
    return ("+" if value > 0 else "") + number(value, digits)


def span(value: Any, low: Any, high: Any) -> str:
    """A value with its interval, all to the decimals that the interval's width makes meaningful.

    >>> span(0.97361, 0.96154, 0.98312), span(51234.4, 50120.0, 52399.1), span(0.5, None, None), span(0.5, 0.5, 0.5)
    ('0.974 [0.962, 0.983]', '51,234 [50,120, 52,399]', '0.5 [–, –]', '0.5')
    >>> span(-0.00001, -0.001, 0.0)
    '0.0000 [−0.0010, 0.0000]'
    """
    ends = [end for end in (low, high) if end is not None and math.isfinite(end)]
    if value is None or not math.isfinite(value):
        return _NONE
    if len(ends) < 2:
        return f"{number(value)} [{number(low)}, {number(high)}]"
    width = ends[1] - ends[0]
    if width <= 1e-9 * max(1.0, abs(float(value))):
        return number(value)
    decimals = min(8, max(0, math.floor(1.5 - math.log10(width))))
    shown = [_minus(f"{float(item):,.{decimals}f}") for item in (value, low, high)]
    return f"{shown[0]} [{shown[1]}, {shown[2]}]"


def percent(share: Any, decimals: int = 1) -> str:
    """A share as a percentage.

    >>> percent(0.0339), percent(1.0)
    ('3.4 %', '100 %')
    """
    if share is None or not math.isfinite(share):
        return _NONE
    text = f"{100 * float(share):.{decimals}f}"
    return _minus(text.rstrip("0").rstrip(".") if "." in text else text) + " %"


def duration(seconds: Any) -> str:
    """A length of time.

    >>> duration(0.0004), duration(42.3), duration(150)
    ('0.4 ms', '42.3 s', '2 min 30 s')
    """
    if seconds is None or not math.isfinite(seconds):
        return _NONE
    if seconds < 1:
        return f"{number(1000 * seconds, 2)} ms"
    if seconds < 60:
        return f"{number(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:,} min" + (f" {rest} s" if rest else "")


def file_size(size: Any) -> str:
    """Bytes in the unit that suits them (powers of 1000).

    >>> file_size(512), file_size(1234567)
    ('512 B', '1.23 MB')
    """
    if size is None or not math.isfinite(size):
        return _NONE
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= step:
            return f"{number(size / step)} {unit}"
    return f"{number(size)} B"


def _minus(text: str) -> str:
    """A minus sign as printers set it, and none before what was rounded to zero."""
    return text.replace("-", "−") if text.strip("-0.") else text.lstrip("-")
