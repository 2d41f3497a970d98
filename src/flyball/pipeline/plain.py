"""Values as JSON has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["plain"]

_LARGEST_INTEGER = 2**53


def plain(value: Any) -> Any:
    """Numpy scalars and arrays become Python's, tuples lists, keys text; what is not finite becomes None.

    Integers that canonical JSON cannot hold exactly (beyond 2^53) become floats.

    >>> plain({"a": np.float64("nan"), 1: (np.int64(2), True)})
    {'a': None, '1': [2, True]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        return float(value)
    return value
