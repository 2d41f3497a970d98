"""Sizes of data as people write them."""

from __future__ import annotations

import math
import re

from flyball_runtime.errors import BadInput

__all__ = ["SizeInvalid", "parse_size"]

_BYTES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_WHOLE = re.compile(r"(\d+(?:\.\d+)?)\s*(b|kb|mb|gb|kib|mib|gib)", re.ASCII | re.IGNORECASE)


class SizeInvalid(BadInput):
    """A size was not written as a number with a unit, such as `10MB` or `500 kB`."""

    code = "FB-CONFIG-007"


def parse_size(text: object) -> int:
    """Bytes of a size; a bare number is bytes already. Raises SizeInvalid.

    >>> parse_size("10MB"), parse_size("1.5 GiB"), parse_size(2048)
    (10000000, 1610612736, 2048)
    """
    if isinstance(text, int | float) and not isinstance(text, bool) and math.isfinite(text) and text > 0:
        return int(text)
    found = _WHOLE.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None or float(found[1]) <= 0:
        raise SizeInvalid(
            f"{text!r} is no size of data",
            why="a size is a number above 0 with a unit: B, kB, MB, GB, KiB, MiB or GiB",
            fix='write it like "10MB"',
        )
    return int(float(found[1]) * _BYTES[found[2].lower()])
