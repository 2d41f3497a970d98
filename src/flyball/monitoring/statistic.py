"""How far a window's counts lie from what its share of both samples would be: three statistics a column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flyball.monitoring.cells import Cells

__all__ = ["STATISTICS", "Scale", "Totals", "column_statistics"]

Floats = NDArray[np.float64]
STATISTICS = ("deviance", "largest cell", "cumulative")


@dataclass(frozen=True, slots=True, eq=False)
class Totals:
    """What is the same for every split of the rows into two samples.

    counts: (cells,) over both samples; rows: of both; window: of the window.
    """

    cells: Cells
    counts: Floats
    rows: int
    window: int


def column_statistics(counts: Floats, totals: Totals) -> Floats:
    """Statistics of windows given by their counts: (windows, cells) -> (windows, columns, 3).

    Per column: the deviance (likelihood ratio) of all its cells, good against any change; the largest deviance of one
    cell, good against a new value or a gap; and, where cells are ordered, the squared differences of the cumulative
    counts, each over its variance (Anderson & Darling), good against a small move of the whole.
    """
    m, n = totals.window, totals.rows
    starts = totals.cells.starts
    everything = totals.counts
    rest = everything - counts
    expected = everything * (m / n)
    own = _deviance(counts, expected) + _deviance(rest, everything - expected)
    others = _deviance(m - counts, m - expected) + _deviance(n - m - rest, n - m - everything + expected)
    result = np.empty((len(counts), len(starts), 3))
    result[:, :, 0] = np.add.reduceat(own, starts, axis=1)
    result[:, :, 1] = np.maximum.reduceat(own + others, starts, axis=1)
    result[:, :, 2] = np.add.reduceat(_cumulative(counts, totals), starts, axis=1)
    result[:, ~totals.cells.ordered, 2] = 0.0
    return result


def _deviance(seen: Floats, expected: Floats) -> Floats:
    """2 seen ln(seen / expected), and 0 where nothing was seen."""
    ratio = np.divide(seen, expected, out=np.ones_like(seen), where=(seen > 0) & (expected > 0))
    return np.asarray(2.0 * seen * np.log(ratio))


def _cumulative(counts: Floats, totals: Totals) -> Floats:
    m, n = totals.window, totals.rows
    column, starts = totals.cells.owner, totals.cells.starts
    running, all_running = counts.cumsum(axis=1), totals.counts.cumsum()
    before = np.where(starts > 0, all_running[starts - 1], 0.0)
    share = (all_running - before[column]) / n
    offset = np.where(starts > 0, running[:, starts - 1], 0.0)
    difference = running - offset[:, column] - m * share
    variance = m * (1 - m / n) * share * (1 - share)
    inverse = np.divide(1.0, variance, out=np.zeros_like(variance), where=variance > 1e-9)
    return difference**2 * inverse


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Turns statistics into scores that compare across columns: about -ln of how rare a value is without a change.

    Ranks among the draws up to the highest twentieth, beyond it an exponential tail. Any monotone scale leaves the
    test exact; a good one only shares its power fairly among the columns.
    """

    ordered: Floats
    threshold: Floats
    excess: Floats
    tail: float

    @classmethod
    def fit(cls, draws: Floats) -> Scale:
        """draws: (draws, columns, 3) made without a change."""
        ordered = np.sort(draws.reshape(len(draws), -1), axis=0)
        tail = max(5, len(draws) // 20)
        threshold = ordered[-tail]
        excess = np.maximum((ordered[-tail:] - threshold).mean(axis=0), 1.0)
        return cls(ordered, threshold, excess, -float(np.log(tail / (len(draws) + 1))))

    def scores(self, statistics: Floats) -> Floats:
        """(windows, columns, 3) -> (windows, columns): the best of each column's three."""
        flat = statistics.reshape(len(statistics), -1)
        size = len(self.ordered) + 1
        beyond = self.tail + (flat - self.threshold) / self.excess
        ranks = np.empty_like(flat)
        for place in range(flat.shape[1]):
            ranks[:, place] = size - np.searchsorted(self.ordered[:, place], flat[:, place], side="left")
        within = np.minimum(-np.log(ranks / size), self.tail)
        scored = np.where(flat > self.threshold, beyond, within)
        return np.asarray(scored.reshape(statistics.shape).max(axis=2), dtype=np.float64)
