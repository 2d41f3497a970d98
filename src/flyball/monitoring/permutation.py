"""Is a window from the world of the reference? A permutation test over all columns at once, of exact size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from flyball.monitoring.cells import Cells
from flyball.monitoring.dispersion import clustered, cut_clusters, season
from flyball.monitoring.statistic import STATISTICS, Scale, Totals, column_statistics

__all__ = ["TestResult", "permutation_test"]

Floats = NDArray[np.float64]
_GROUPS = 64  # a window of more rows is permuted in so many groups: as exact, and many times as fast
_STRETCHES = 8  # the same where neighbouring rows belong together: few, so that few clusters are cut in two
_CALIBRATION = 400
_CHUNK = 200
_PER_LEVEL = 3.0  # draws that exceed the level on average when it is just met
_FEWEST_DRAWS = 500
_STOP = 20  # a window with so many draws beyond it, and more than the level allows, is settled
_MOST_DRAWS = 30_000
_TAIL = 60
_KNOWN = 1_000_000  # degrees of freedom of what is hardly unsure


@dataclass(frozen=True, slots=True, eq=False)
class TestResult:
    """p: how often chance alone looks at least so strange, over all columns together. Uniform when nothing changed.

    statistics: (columns, 3) of the window; scores: (columns,); adjusted: (columns,) p-values that hold for all columns
    at once (Westfall & Young's single step); draws: how many permutations were looked at.
    """

    p: float
    statistics: Floats
    scores: Floats
    adjusted: Floats
    draws: int


class _Sampler(Protocol):
    def draw(self, rng: np.random.Generator, number: int) -> Floats:
        """Counts of random windows: (number, cells)."""


def permutation_test(cells: Cells, *, level: float, rng: np.random.Generator, ordered: bool = False) -> TestResult:
    """Compare the window of `cells` with random windows out of both samples; small p: the window differs.

    When rows are exchangeable, P(p <= level) equals the level for any number of rows, cells and columns, and
    however the columns depend on one another: ties are broken at random. ordered: the reference is in an order that
    means something (time, groups): what windows of it vary more than its rows explain is then allowed for. Where rows
    come in clusters, stretches of them are exchanged instead of single ones.

    Draws stop early once the window is clearly unremarkable (Besag & Clifford 1991, Biometrika 78(2)).
    """
    stretches = clustered(cells, ordered=ordered)
    sampler, totals, observed = _arrange(cells, rng, stretches=stretches)
    calibration = column_statistics(sampler.draw(rng, _CALIBRATION), totals)
    if ordered:
        grow = _Growth(*season(cells, totals, calibration), rng)
    else:
        grow = _Growth(_ends(cells, totals) if stretches else None, _KNOWN, rng)
    scale = Scale.fit(grow(calibration))
    statistics = column_statistics(observed[None], totals)
    scores = scale.scores(statistics)[0]
    top = float(scores.max())
    most = min(_MOST_DRAWS, max(_FEWEST_DRAWS, math.ceil(_PER_LEVEL / level)))
    highest = np.zeros(0)
    while len(highest) < most:
        drawn = grow(column_statistics(sampler.draw(rng, min(_CHUNK, most - len(highest))), totals))
        highest = np.concatenate([highest, scale.scores(drawn).max(axis=1)])
        beyond = int((highest >= top).sum())
        if beyond >= max(_STOP, 3 * level * most):
            break
    adjusted = 1 - np.searchsorted(np.sort(highest), scores, side="left") / (len(highest) + 1)
    p = _p_value(highest, top, float(rng.random()))
    return TestResult(p, statistics[0], scores, adjusted, len(highest))


def _p_value(highest: Floats, top: float, luck: float) -> float:
    """The window's rank among the draws, ties broken by `luck`; beyond all of them, along an exponential tail."""
    above, equal = int((highest > top).sum()), int((highest == top).sum())
    p = (above + luck * (1 + equal)) / (len(highest) + 1)
    if above + equal > 0 or len(highest) < 4 * _TAIL:
        return p
    tail = np.sort(highest)[-_TAIL:]
    excess = max(float((tail - tail[0]).mean()), 1e-9)
    return min(p, _TAIL / len(highest) * math.exp(-(top - tail[0]) / excess))


class _Growth:
    """Makes the drawn statistics vary as much as windows of the reference do.

    inflation: (columns, 3) or None; how much is known from `stretches` windows only, so it varies from draw to draw.
    """

    def __init__(self, inflation: Floats | None, stretches: int, rng: np.random.Generator) -> None:
        self._inflation, self._freedom, self._rng = inflation, max(1, stretches - 1), rng

    def __call__(self, statistics: Floats) -> Floats:
        if self._inflation is None:
            return statistics
        unsure = self._freedom / self._rng.chisquare(self._freedom, size=statistics.shape[:2])
        return np.asarray(statistics * np.where(self._inflation > 1, self._inflation * unsure[:, :, None], 1.0))


def _ends(cells: Cells, totals: Totals) -> Floats:
    length = _group_length(totals.window, stretches=True)
    factor = cut_clusters(cells, length, totals.window // length)
    return np.repeat(factor[:, None], len(STATISTICS), axis=1)


def _arrange(cells: Cells, rng: np.random.Generator, *, stretches: bool) -> tuple[_Sampler, Totals, Floats]:
    """Rows in groups to be exchanged, the totals of both samples, and the window's own counts."""
    before, after = cells.codes(window=False), cells.codes(window=True)
    if not stretches:
        before = before[rng.permutation(len(before))]
    length = _group_length(len(after), stretches=stretches)
    before, after = before[: len(before) // length * length], after[: len(after) // length * length]
    everything = np.concatenate([after, before])
    counts = np.bincount(everything.ravel(), minlength=cells.size).astype(np.float64)
    observed = np.bincount(after.ravel(), minlength=cells.size).astype(np.float64)
    totals = Totals(cells, counts, len(everything), len(after))
    size = len(after) // length
    if length == 1:
        return _Rows(everything, size, cells.size), totals, observed
    return _Groups(everything, length, size, cells.size), totals, observed


def _group_length(rows: int, *, stretches: bool) -> int:
    """Rows a group, so that about `_GROUPS` of them make a window, and few rows are left over.

    Stretches are longer, so that what belongs together stays together.
    """
    if stretches:
        return max(1, rows // _STRETCHES)
    if rows <= 3 * _GROUPS:
        return 1
    lengths = range(-(-rows // (_GROUPS + _GROUPS // 2)), rows // (_GROUPS - _GROUPS // 4) + 1)
    return min(lengths, key=lambda length: (rows % length, length))


class _Rows:
    """Random windows of single rows."""

    def __init__(self, codes: NDArray[np.int64], size: int, cells: int) -> None:
        self._codes, self._size, self._cells = codes, size, cells

    def draw(self, rng: np.random.Generator, number: int) -> Floats:
        chosen = _subsets(rng, number, len(self._codes), self._size)
        flat = self._codes[chosen] + (np.arange(number) * self._cells)[:, None, None]
        counted = np.bincount(flat.ravel(), minlength=number * self._cells)
        return counted.reshape(number, self._cells).astype(np.float64)


class _Groups:
    """Random windows of whole groups of neighbouring rows."""

    def __init__(self, codes: NDArray[np.int64], length: int, size: int, cells: int) -> None:
        groups = len(codes) // length
        owner = np.repeat(np.arange(groups) * cells, length)[:, None]
        counted = np.bincount((codes + owner).ravel(), minlength=groups * cells)
        self._counts, self._size = counted.reshape(groups, cells).astype(np.float32), size

    def draw(self, rng: np.random.Generator, number: int) -> Floats:
        chosen = _subsets(rng, number, len(self._counts), self._size)
        total = np.zeros((number, self._counts.shape[1]), dtype=np.float32)
        for place in range(self._size):
            total += self._counts[chosen[:, place]]
        return total.astype(np.float64)


def _subsets(rng: np.random.Generator, number: int, among: int, size: int) -> NDArray[np.intp]:
    """`number` random subsets of `size` out of `among`: (number, size)."""
    if size * size > among:
        keys = rng.random((number, among), dtype=np.float32)
        return np.argpartition(keys, size - 1, axis=1)[:, :size]
    chosen = rng.integers(0, among, (number, size))
    while len(again := np.flatnonzero((np.diff(np.sort(chosen, axis=1), axis=1) == 0).any(axis=1))):
        chosen[again] = rng.integers(0, among, (len(again), size))
    return chosen
