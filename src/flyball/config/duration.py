"""Lengths of time as people write them."""

from __future__ import annotations

import math
import re

from flyball_runtime.errors import BadInput

__all__ = ["DurationInvalid", "parse_duration"]

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d)", re.ASCII)


class DurationInvalid(BadInput):
    """A length of time was not written as a number with a unit, such as `60s`, `10m`, `1h30m` or `2ms`."""

    code = "FB-CONFIG-005"


def parse_duration(text: object) -> float:
    """Seconds of a duration; a bare number is seconds already. Raises DurationInvalid.

    >>> parse_duration("1h30m"), parse_duration("2ms"), parse_duration(60)
    (5400.0, 0.002, 60.0)
    """
    if isinstance(text, bool):
        raise _invalid(text)
    if isinstance(text, (int, float)):
        if not math.isfinite(text) or text < 0:
            raise _invalid(text)
        return float(text)
    if not isinstance(text, str):
        raise _invalid(text)
    stripped = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", stripped, re.ASCII):
        return float(stripped)
    parts = list(_PART.finditer(stripped))
    if not parts or _PART.sub("", stripped).strip():
        raise _invalid(text)
    return sum(float(part[1]) * _SECONDS[part[2]] for part in parts)


def _invalid(text: object) -> DurationInvalid:
    return DurationInvalid(
        f"{text!r} is not a length of time",
        why="a duration is a number with a unit: us, ms, s, m, h or d",
        fix='write it like "60s", "10m", "1h30m" or "2ms"',
    )
