"""Columns that were made from the target: cut into bands of it, or averaged from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flyball.data.look.report import Finding
from flyball.data.look.view import Floats, View

__all__ = ["averages_of_target", "bands_of_target"]

_FEWEST_ROWS = 50
_MOST_LEVELS = 200
_FEWEST_IN_LEVEL = 8
_FEWEST_MEANS = 8
_EXACT = 2e-3
_MOST_KEYS = 12


def bands_of_target(view: View) -> list[Finding]:
    """Columns of few levels, each of which is one stretch of a number target's range.

    Sorted by the target, the rows change level only where one band ends: once for each level, and hardly ever else. Of
    columns that are not made from the target, rows change level nearly every time.
    """
    if view.task != "regression" or len(view) < _FEWEST_ROWS:
        return []
    order = np.argsort(view.target, kind="stable")
    rises = np.diff(view.target[order]) > 0  # rows of equal target may stand in any order
    findings = []
    for field in view.fields:
        levels, values = view.levels[field.name], view.columns[field.name]
        if not 2 <= levels <= min(_MOST_LEVELS, len(view) // 20) or np.isnan(values).any():
            continue
        codes = np.unique(values, return_inverse=True)[1][order]
        sizes = np.bincount(codes)
        if np.sort(sizes)[-2] < _FEWEST_IN_LEVEL:
            continue
        changes = int(np.count_nonzero(np.diff(codes)[rises]))
        usual = int(rises.sum()) * (1 - float(((sizes / len(view)) ** 2).sum()))
        if changes <= levels - 1 + 0.002 * rises.sum() and usual > max(30, 10 * (changes + 1)):
            why = (
                f"sorted by the target, its {levels:,} values change {changes:,} times; of a column that is not made from"
                f" the target they would about {usual:,.0f} times"
            )
            evidence: dict[str, float | str] = {"changes": float(changes), "usual": usual}
            findings.append(Finding("leak", field.name, "is the target cut into bands", why, "leave out", evidence))
    return findings


def averages_of_target(view: View) -> list[Finding]:
    """Number columns that are means of the target over groups of rows, each row's own target included or left out."""
    if view.task == "multiclass" or len(view) < _FEWEST_ROWS:
        return []
    keys = [field.name for field in view.fields if _is_key(view, field.name)][:_MOST_KEYS]
    spread = float(np.std(view.target))
    findings = []
    for field in view.fields:
        values = view.columns[field.name]
        if field.kind != "number" or view.levels[field.name] < _FEWEST_MEANS or not np.isfinite(values).all():
            continue
        if values.min() < view.target.min() - spread or values.max() > view.target.max() + spread:
            continue  # an average lies within the range of what it averages
        said = _own_means(values, view.target) or next(
            (said for key in keys if key != field.name for said in [_means_over(view, key, values)] if said), None
        )
        if said:
            findings.append(Finding("leak", field.name, "is an average of the target", said, "leave out"))
    return findings


def _is_key(view: View, name: str) -> bool:
    field = view.table.schema[name]
    levels = view.levels[name]
    return field.kind != "time" and field.logical != "float" and _FEWEST_MEANS <= levels <= len(view) / 2


def _own_means(values: Floats, target: Floats) -> str | None:
    """Each value is the mean target of the rows that have it: what an average over any groups leaves behind."""
    levels, codes = np.unique(values, return_inverse=True)
    sizes = np.bincount(codes)
    if not _FEWEST_MEANS <= len(levels) <= len(values) / 2:
        return None
    means = np.bincount(codes, weights=target) / sizes
    several = sizes > 1
    if several.sum() < _FEWEST_MEANS or _off(levels[several], means[several], target) > 0.01:
        return None
    return f"each of its {len(levels):,} values is the mean target of the rows that have it"


def _means_over(view: View, key: str, values: Floats) -> str | None:
    """The mean over the levels of `key`, smoothed towards a prior or not, or without the row itself."""
    codes = np.unique(view.columns[key], return_inverse=True)[1]
    sizes = np.bincount(codes).astype(np.float64)
    sums = np.bincount(codes, weights=view.target)
    size, total = sizes[codes], sums[codes]
    several = size > 1
    if several.sum() < 0.5 * len(values):
        return None
    without_itself = (total[several] - view.target[several]) / (size[several] - 1)
    if _off(values[several], without_itself, view.target) <= 0.01:
        return f'it is the mean target of the other rows with the same "{key}"'
    first = np.unique(codes, return_index=True)[1]
    if len(first) < 2 * _FEWEST_MEANS or np.abs(values - values[first][codes]).max() > 0:
        return None
    # (sum + a * prior) / (size + a) = value, so that sum - value * size is a straight line in value, for one a
    value = values[first]
    rest = sums - value * sizes
    line = np.column_stack([value, np.ones(len(value))])
    fitted = line @ np.linalg.lstsq(line, rest, rcond=None)[0]
    if sizes.std() > 0 and float(np.abs(rest - fitted).max()) <= _EXACT * float(np.std(view.target)) * sizes.mean():
        return f'it is the mean target over the values of "{key}", drawn towards one number'
    return None


def _off(found: Floats, expected: Floats, target: Floats) -> float:
    """The share of places at which two arrays (places,) differ by more than rounding, in spreads of the target."""
    wide: NDArray[np.bool_] = np.abs(found - expected) > _EXACT * float(np.std(target))
    if float(np.std(expected)) <= 10 * _EXACT * float(np.std(target)):
        return 1.0  # means that hardly differ agree with anything
    return float(wide.mean())
