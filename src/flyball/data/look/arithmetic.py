"""Exact arithmetic between columns: sums, differences, products and ratios."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from flyball.data.look.view import Floats

__all__ = ["Combination", "exact_combination"]

_MOST_COLUMNS = 3
_EXACT = 1 - 1e-7
_FEWEST_ROWS = 20


@dataclass(frozen=True, slots=True)
class Combination:
    """Columns that give the target exactly: the formula in words, and the share of variance explained."""

    columns: tuple[str, ...]
    formula: str
    fit: float


def exact_combination(columns: Mapping[str, Floats], target: Floats) -> Combination | None:
    """The smallest set of at most three columns of which the target is a weighted sum or a product of powers.

    All arrays (rows,). Found greedily (orthogonal matching pursuit), so a set that is exact is reported only when
    each step towards it is the best one.

    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.normal(size=100), rng.normal(size=100)
    >>> exact_combination({"a": a, "b": b, "c": a * b}, a + 2 * b).formula
    '"a" + 2·"b"'
    """
    found = _pursuit(columns, target, product=False)
    if found or target.min() <= 0:
        return found
    positive = {
        name: np.log(np.where(values > 0, values, np.nan))
        for name, values in columns.items()
        if np.nanmin(np.where(np.isnan(values), np.inf, values)) > 0
    }
    return _pursuit(positive, np.log(target), product=True) if positive else None


def _pursuit(columns: Mapping[str, Floats], target: Floats, *, product: bool) -> Combination | None:
    usable = {
        name: values
        for name, values in columns.items()
        if np.isfinite(values).mean() >= 0.9 and np.nanstd(np.where(np.isfinite(values), values, np.nan)) > 0
    }
    if not usable:
        return None
    names = sorted(usable)
    matrix = np.column_stack([usable[name] for name in names])
    whole = np.isfinite(matrix).all(axis=1)
    if whole.sum() < max(_FEWEST_ROWS, 0.5 * len(target)):
        return None
    matrix, target = matrix[whole], target[whole]
    scaled = (matrix - matrix.mean(axis=0)) / np.maximum(matrix.std(axis=0), 1e-300)
    centred = target - target.mean()
    total = float(centred @ centred)
    if total <= 0:
        return None
    chosen: list[int] = []
    residual = centred
    while len(chosen) < min(_MOST_COLUMNS, len(names)):
        gains = np.abs(scaled.T @ residual)
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))
        weights = np.linalg.lstsq(scaled[:, chosen], centred, rcond=None)[0]
        residual = centred - scaled[:, chosen] @ weights
        fit = 1 - float(residual @ residual) / total
        if fit >= _EXACT:
            raw = weights / matrix[:, chosen].std(axis=0)
            terms = sorted((names[place], float(weight)) for place, weight in zip(chosen, raw, strict=True))
            return Combination(tuple(name for name, _ in terms), _spoken(terms, product=product), fit)
    return None


def _spoken(terms: list[tuple[str, float]], *, product: bool) -> str:
    """The formula in the raw columns; a weight or power of one is not written."""
    parts = []
    for name, weight in terms:
        number = round(weight, 6)
        if product:
            parts.append(f'"{name}"' + ("" if number == 1 else f"^{number:g}"))
        else:
            parts.append(("" if number == 1 else f"{number:g}·") + f'"{name}"')
    return (" × " if product else " + ").join(parts)
