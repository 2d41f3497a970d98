"""Exact arithmetic between columns: sums, differences, products, ratios, and sums of products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from flyball.data.look.view import Floats

__all__ = ["Combination", "exact_combination"]

_MOST_COLUMNS = 3
_EXACT = 1 - 1e-7
_ROUNDED = 1 - 1e-4
_FEWEST_ROWS = 20
_MOST_PAIRED = 16


@dataclass(frozen=True, slots=True)
class Combination:
    """Columns that give the target exactly: the formula in words, and the share of variance explained."""

    columns: tuple[str, ...]
    formula: str
    fit: float


def exact_combination(columns: Mapping[str, Floats], target: Floats) -> Combination | None:
    """The smallest set of at most three columns of which the target is a weighted sum or a product of powers; or of
    whose products and ratios it is a sum, such as a · (b - c).

    All arrays (rows,). Found greedily (orthogonal matching pursuit), so a set that is exact is reported only when
    each step towards it is the best one. Exact is what leaves nothing over but the rounding of the target.

    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.normal(size=100), rng.normal(size=100)
    >>> exact_combination({"a": a, "b": b, "c": a * b}, a + 2 * b).formula
    '"a" + 2·"b"'
    """
    found = _pursuit(columns, target, product=False)
    if found:
        return found
    if target.min() > 0:
        positive = {
            name: np.log(np.where(values > 0, values, np.nan))
            for name, values in columns.items()
            if np.nanmin(np.where(np.isnan(values), np.inf, values)) > 0
        }
        found = _pursuit(positive, np.log(target), product=True) if positive else None
    return found or _of_pairs(columns, target)


def _of_pairs(columns: Mapping[str, Floats], target: Floats) -> Combination | None:
    """A sum of at most two products or ratios of columns, over the columns that go with the target most."""
    whole = {name: values for name, values in columns.items() if np.isfinite(values).all() and values.std() > 0}
    alike = {name: abs(float(np.corrcoef(values, target)[0, 1])) for name, values in whole.items()}
    names = sorted(whole, key=lambda name: (-alike[name], name))[:_MOST_PAIRED]
    terms: dict[tuple[str, ...], Floats] = {(name,): whole[name] for name in names}
    for place, name in enumerate(names):
        for other in names[place:]:
            terms[name, "×", other] = whole[name] * whole[other]
        for other in names:
            if other != name and np.abs(whole[other]).min() > 0:
                terms[name, "/", other] = whole[name] / whole[other]
    spoken = {" ".join(part if part in "×/" else f'"{part}"' for part in term): term for term in terms}
    best = _best_two({text: terms[term] for text, term in spoken.items()}, target)
    found = _pursuit(best, target, product=False, most=2) if best else None
    if found is None:
        return None
    used = dict.fromkeys(part for text in found.columns for part in spoken[text] if part not in "×/")
    return Combination(tuple(sorted(used)), found.formula.replace('""', '"'), found.fit)


def _best_two(terms: Mapping[str, Floats], target: Floats) -> dict[str, Floats]:
    """The two terms that together explain the target best, of all pairs: step by step, the first may be another."""
    usable = {name: values for name, values in terms.items() if np.isfinite(values).all() and values.std() > 0}
    if len(usable) < 2 or target.std() == 0:
        return {}
    matrix = np.column_stack(list(usable.values()))
    matrix = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
    alone = matrix.T @ ((target - target.mean()) / target.std()) / len(target)
    among = matrix.T @ matrix / len(target)
    apart = np.maximum(1 - among**2, 0)
    gains = alone[:, None] ** 2 + alone[None, :] ** 2 - 2 * alone[:, None] * alone[None, :] * among
    explained = np.where(apart > 1e-6, gains / np.maximum(apart, 1e-12), 0)
    first, second = np.unravel_index(int(explained.argmax()), explained.shape)
    names = list(usable)
    return {names[place]: usable[names[place]] for place in (int(first), int(second))}


def _pursuit(
    columns: Mapping[str, Floats], target: Floats, *, product: bool, most: int = _MOST_COLUMNS
) -> Combination | None:
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
    step = _rounding(target)
    chosen: list[int] = []
    residual = centred
    while len(chosen) < min(most, len(names)):
        gains = np.abs(scaled.T @ residual)
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))
        weights = np.linalg.lstsq(scaled[:, chosen], centred, rcond=None)[0]
        residual = centred - scaled[:, chosen] @ weights
        fit = 1 - float(residual @ residual) / total
        rounded = fit >= _ROUNDED and not product and float(np.abs(residual).max()) <= step
        if fit >= _EXACT or rounded:
            raw = weights / matrix[:, chosen].std(axis=0)
            terms = sorted((names[place], float(weight)) for place, weight in zip(chosen, raw, strict=True))
            return Combination(tuple(name for name, _ in terms), _spoken(terms, product=product), fit)
    return None


def _rounding(target: Floats) -> float:
    """The step to which all values are rounded: 1, 0.1, 0.01 …; 0 when they are not."""
    for digits in range(7):
        if np.allclose(target, np.round(target, digits), rtol=0, atol=1e-9):
            return float(10.0**-digits)
    return 0.0


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
