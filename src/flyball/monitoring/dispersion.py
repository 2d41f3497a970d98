"""Do stretches of rows differ more than single rows explain? Then windows do too, and the test has to know."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flyball.monitoring.cells import Cells
from flyball.monitoring.statistic import Totals, column_statistics

__all__ = ["Dispersion", "clustered", "season", "stretch_dispersion"]

Floats = NDArray[np.float64]
_SURE = 3.7  # standard normal; one column in ten thousand looks so uneven by chance
_MOST_STRETCHES = 400
_FEWEST_STRETCHES = 4
_FEWEST_ROWS = 5
_MOST_LAGS = 500
_PARTS = 12  # of a window, to see whether its own rows come in clusters
_SURE_SEASON = 5.0  # standard errors of the mean of skewed statistics


@dataclass(frozen=True, slots=True, eq=False)
class Dispersion:
    """ratio: (columns,) variance between stretches over what independent rows give (1: none besides); z: how surely."""

    ratio: Floats
    z: Floats


def stretch_dispersion(codes: NDArray[np.int64], cells: Cells, stretches: int) -> Dispersion:
    """How unevenly the cells are filled over consecutive stretches of the rows `codes` (rows, columns).

    Pearson's statistic per column over the cells that expect at least one row a stretch.
    """
    length = len(codes) // stretches
    used = codes[: length * stretches]
    owner = np.repeat(np.arange(stretches) * cells.size, length)[:, None]
    counts = np.bincount((used + owner).ravel(), minlength=stretches * cells.size).reshape(stretches, cells.size)
    expected = counts.sum(axis=0) / stretches
    fit = expected >= 1.0
    squares = ((counts - expected) ** 2).sum(axis=0)
    parts = np.divide(squares, expected, out=np.zeros(cells.size), where=fit)
    statistic = np.add.reduceat(parts, cells.starts)
    # A cell's own share of the variance: 1 - p; what the left-out cells would add is left out on both sides.
    degrees = np.add.reduceat(np.where(fit, 1 - expected / max(length, 1), 0.0), cells.starts) * (stretches - 1)
    spread = np.add.reduceat(np.divide(1.0, expected, out=np.zeros(cells.size), where=fit), cells.starts) * stretches
    known = degrees > 0.5
    ratio = np.divide(statistic, degrees, out=np.ones(len(degrees)), where=known)
    # Wilson & Hilferty's cube root, with the extra variance that few rows a cell bring.
    share = np.divide(2 * degrees + spread, degrees**2, out=np.ones(len(degrees)), where=known) / 9
    z = np.where(known, (np.cbrt(ratio) - (1 - share)) / np.sqrt(share), 0.0)
    return Dispersion(ratio, z)


def clustered(cells: Cells, *, ordered: bool) -> bool:
    """Whether neighbouring rows belong together: in the reference, where its order means something, else in both samples.

    In both, because a table that happens to be sorted says nothing about requests, and a burst of strange rows in one
    window is what is looked for.
    """
    before, after = cells.codes(window=False), cells.codes(window=True)
    if len(before) < _FEWEST_ROWS or len(after) < _FEWEST_ROWS:
        return False
    alike = neighbour_likeness(before, cells) > _SURE
    if not ordered:
        alike &= neighbour_likeness(after, cells) > _SURE
    return bool(alike.any()) or _uneven(before, after, cells, ordered=ordered)


def _uneven(before: NDArray[np.int64], after: NDArray[np.int64], cells: Cells, *, ordered: bool) -> bool:
    length = len(after) // _PARTS
    if length < 2 or len(before) < length * _PARTS:
        return False
    sure = stretch_dispersion(before, cells, min(_MOST_STRETCHES, len(before) // length)).z > _SURE
    if not ordered:
        sure &= stretch_dispersion(after, cells, _PARTS).z > _SURE
    return bool(sure.any())


def season(cells: Cells, totals: Totals, draws: Floats) -> tuple[Floats | None, int]:
    """By how much statistics of consecutive windows of the reference exceed those of `draws` (draws, columns, 3) from
    all of it: (columns, 3), None where nothing does; and how many windows tell so.
    """
    before = cells.codes(window=False)
    stretches = min(_MOST_STRETCHES, max(_FEWEST_STRETCHES, len(before) // totals.window))
    length = len(before) // stretches
    if length < 2:
        return None, stretches
    used = before[: length * stretches]
    owner = np.repeat(np.arange(stretches) * cells.size, length)[:, None]
    counts = np.bincount((used + owner).ravel(), minlength=stretches * cells.size).reshape(stretches, cells.size)
    within = Totals(cells, counts.sum(axis=0).astype(np.float64), len(used), length)
    seen = column_statistics(counts.astype(np.float64), within).mean(axis=0)
    usual, spread = draws.mean(axis=0), draws.std(axis=0) / np.sqrt(stretches)
    sure = seen > usual + _SURE_SEASON * spread
    factor = np.divide(seen, usual, out=np.ones_like(seen), where=sure & (usual > 0))
    return (factor if (factor > 1).any() else None), stretches


def neighbour_likeness(codes: NDArray[np.int64], cells: Cells) -> Floats:
    """How much oftener neighbouring rows lie in the same cell than rows in random order: (columns,) standard normal.

    The number of equal neighbours against its mean and variance over all orders of the rows (the join counts of a
    line); it speaks where a stretch is too short for `stretch_dispersion`. codes: (rows, columns).
    """
    rows = len(codes)
    counts = np.bincount(codes.ravel(), minlength=cells.size).astype(np.float64)
    same = (codes[1:] == codes[:-1]).sum(axis=0)
    two, three = counts * (counts - 1), counts * (counts - 1) * (counts - 2)
    pairs = np.add.reduceat(two, cells.starts)
    p = pairs / (rows * (rows - 1))
    triples = np.add.reduceat(three, cells.starts) / (rows * (rows - 1) * (rows - 2))
    # Two pairs of neighbours without a common row: the chance that both are alike.
    fours = (pairs**2 - 4 * np.add.reduceat(three, cells.starts) - 2 * pairs) / (
        rows * (rows - 1) * (rows - 2) * (rows - 3)
    )
    n = rows - 1
    variance = n * p + 2 * (n - 1) * triples + (n - 1) * (n - 2) * fours - (n * p) ** 2
    known = variance > 1e-9
    deviation = np.sqrt(np.where(known, variance, 1.0))
    return np.asarray(np.divide(same - n * p, deviation, out=np.zeros(len(p)), where=known))


def cut_clusters(cells: Cells, length: int, size: int) -> Floats:
    """By how much counts of a window in one piece vary more than those of `size` stretches of `length` rows from
    anywhere, because less of its clusters is cut off at ends: (columns,), 1 where neighbours have nothing in common.

    The variance of a count over b neighbouring rows is b g(0) + 2 sum_h (b - h) g(h); how likely rows a distance h apart
    lie in the same cell, beyond chance, stands for g, up to the first distance at which it is no likelier.
    """
    codes = cells.codes(window=False)
    rows, most = len(codes), min(length * size, len(codes) // 4, _MOST_LAGS)
    counts = np.bincount(codes.ravel(), minlength=cells.size).astype(np.float64)
    chance = np.add.reduceat(counts * (counts - 1), cells.starts) / (rows * (rows - 1))
    whole, parts = np.full(len(chance), float(length * size)), np.full(len(chance), float(length * size))
    going, spread = chance < 1 - 1e-9, np.maximum(1 - chance, 1e-9)
    for lag in range(1, most):
        shared = ((codes[lag:] == codes[:-lag]).mean(axis=0) - chance) / spread
        going &= shared > _SURE * np.sqrt(chance / spread / (rows - lag))
        if not going.any():
            break
        whole[going] += 2 * (length * size - lag) * shared[going]
        parts[going] += 2 * size * max(0, length - lag) * shared[going]
    return np.asarray(whole / parts)
