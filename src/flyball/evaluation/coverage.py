"""How often truths lie where a model said they would, over all rows and over parts of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.evaluation.interval import Interval, wilson

__all__ = ["coverage_of", "coverage_parts"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def coverage_of(
    covered: NDArray[np.bool_], *, units: Codes | None = None, weights: Floats | None = None, level: float = 0.90
) -> Interval:
    """Share of rows covered, with its interval over the units (rows, or codes of rows that depend on each other).

    covered, units, weights: (rows,). Wilson's interval at the number of independent rows that would vary as the units
    do; infinite ends with one unit: the data cannot tell.

    >>> coverage_of(np.arange(100) % 10 != 0)  # doctest: +ELLIPSIS
    Interval(value=0.9, low=0.8..., high=0.9...)
    """
    weight = np.ones(len(covered)) if weights is None else weights
    total = float(weight.sum())
    if total <= 0:
        return Interval(math.nan, -math.inf, math.inf)
    share = float(weight @ covered) / total
    if units is None:
        return wilson(share, total**2 / float((weight**2).sum()), level)
    _, codes = np.unique(units, return_inverse=True)
    count = int(codes.max()) + 1
    if count < 2:
        return Interval(share, -math.inf, math.inf)
    beyond = np.bincount(codes, weight * (covered - share), minlength=count)
    variance = count / (count - 1) * float((beyond**2).sum()) / total**2
    known = share * (1 - share) / variance if variance > 1e-12 else float(count)
    return wilson(share, known, level)


def coverage_parts(
    covered: NDArray[np.bool_],
    size: Floats,
    codes: Codes,
    names: Sequence[str],
    *,
    units: Codes | None = None,
    weights: Floats | None = None,
    level: float = 0.90,
) -> list[dict[str, Any]]:
    """Coverage, and mean `size` of interval or set, for each part that has rows: {name, rows, size, value, low, high}.

    covered, size, codes: (rows,), code c being of the part names[c]; rows of another code belong to none.
    """
    parts = []
    for code, name in enumerate(names):
        rows = codes == code
        if not rows.any():
            continue
        found = coverage_of(
            covered[rows], level=level,
            units=None if units is None else units[rows], weights=None if weights is None else weights[rows],
        )  # fmt: skip
        known = weights is None or weights[rows].sum() > 0
        mean = float(np.average(size[rows], weights=None if weights is None else weights[rows])) if known else None
        parts.append({"name": name, "rows": int(rows.sum()), "size": mean, **found.to_dict()})
    return parts
