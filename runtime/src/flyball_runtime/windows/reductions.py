"""What windows are reduced by: parts of neighbouring rows that join, each in one fixed order and without subtraction.

A window of n rows is joined from blocks of 1, 2, 4 … rows by the binary digits of n, newest first; a block of 2k rows is
joined from two of k rows. So a window's bits depend on its own rows alone, never on how rows were handed over, and a
row that has left the window has left no trace. Means and spreads join by Chan, Golub & LeVeque (1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Decayed", "Extreme", "Moments", "Reduction", "Slopes", "Spans", "over_spans"]

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]
Parts = tuple[Floats, ...]


class Reduction(Protocol):
    """Joins neighbouring rows, for several series side by side: every part is (rows, series)."""

    @property
    def empty(self) -> float:
        """What the parts of no row hold."""

    def leaves(self, values: Floats, order: Floats) -> Parts:
        """The parts of single rows; values (rows, series), NaN where missing, order (rows,)."""

    def join(self, older: Parts, newer: Parts, gap: Positions) -> Parts:
        """The parts of both together; gap (rows or 1,): how many rows before the newer one's last the older one's is."""


@dataclass(frozen=True, slots=True)
class Moments:
    """count, mean and sum of squared deviations."""

    empty: float = 0.0

    def leaves(self, values: Floats, order: Floats) -> Parts:  # noqa: ARG002 - the protocol's
        known = ~np.isnan(values)
        return known.astype(np.float64), np.where(known, values, 0.0), np.zeros(values.shape)

    def join(self, older: Parts, newer: Parts, gap: Positions) -> Parts:  # noqa: ARG002 - the protocol's
        count = older[0] + newer[0]
        share = newer[0] / np.maximum(count, 1.0)
        apart = newer[1] - older[1]
        mean = older[1] + apart * share
        apart *= apart
        share *= older[0]
        apart *= share
        return count, mean, older[2] + newer[2] + apart


@dataclass(frozen=True, slots=True)
class Slopes:
    """count, an order to measure from, mean order since there, mean value, sums of squares and products about the means.

    Orders enter as differences, which are exact: a mean of microseconds since 1970 would be rounded to a quarter of one.
    """

    empty: float = 0.0

    def leaves(self, values: Floats, order: Floats) -> Parts:
        known = ~np.isnan(values)
        origin = np.broadcast_to(order[:, None], values.shape)
        nothing = np.zeros(values.shape)
        return known.astype(np.float64), origin, nothing, np.where(known, values, 0.0), nothing, nothing

    def join(self, older: Parts, newer: Parts, gap: Positions) -> Parts:  # noqa: ARG002 - the protocol's
        count = older[0] + newer[0]
        share, rest = newer[0] / np.maximum(count, 1.0), older[0] / np.maximum(count, 1.0)
        both, last = (older[0] > 0) & (newer[0] > 0), newer[0] > 0
        later = np.where(both, (newer[1] - older[1]) + (newer[2] - older[2]), 0.0)
        higher = np.where(both, newer[3] - older[3], 0.0)
        weight = older[0] * share
        origin, moment, value = (np.where(last, newer[part], older[part]) for part in (1, 2, 3))
        squares = older[4] + newer[4] + later * later * weight
        products = older[5] + newer[5] + later * higher * weight
        return count, origin, moment - later * rest, value - higher * rest, squares, products


@dataclass(frozen=True, slots=True)
class Extreme:
    """The least or the largest known value."""

    largest: bool
    empty: float = np.nan

    def leaves(self, values: Floats, order: Floats) -> Parts:  # noqa: ARG002 - the protocol's
        return (values,)

    def join(self, older: Parts, newer: Parts, gap: Positions) -> Parts:  # noqa: ARG002 - the protocol's
        return ((np.fmax if self.largest else np.fmin)(older[0], newer[0]),)


@dataclass(frozen=True, slots=True)
class Decayed:
    """Sums of values and of weights, each row weighing `decay` (series,) times the one after it."""

    decay: Floats
    empty: float = 0.0

    def leaves(self, values: Floats, order: Floats) -> Parts:  # noqa: ARG002 - the protocol's
        known = ~np.isnan(values)
        return np.where(known, values, 0.0), known.astype(np.float64)

    def join(self, older: Parts, newer: Parts, gap: Positions) -> Parts:
        weight = self._power(gap)
        return newer[0] + weight * older[0], newer[1] + weight * older[1]

    def _power(self, exponent: Positions) -> Floats:
        """decay ** exponent by multiplication alone, which rounds alike on every machine: (rows or 1, series)."""
        power = np.ones((len(exponent), len(self.decay)))
        square = self.decay
        while exponent.any():
            power = np.where((exponent & 1).astype(np.bool_)[:, None], power * square, power)
            exponent, square = exponent >> 1, square * square
        return power


@dataclass(frozen=True, slots=True)
class Spans:
    """Windows by their last position and how many rows they hold, each (rows,)."""

    end: Positions
    width: Positions


def over_spans(
    reduction: Reduction, values: Floats, order: Floats, start: Positions, spans: Sequence[Spans]
) -> list[Parts]:
    """The parts of each window, (rows, series), one tuple for each of `spans`.

    values: (rows, series) and order: (rows,), entity after entity; start: (rows,) where a row's entity begins.
    """
    nowhere = len(values)
    level = tuple(
        np.concatenate([part, np.full((1, part.shape[1]), reduction.empty)]) for part in reduction.leaves(values, order)
    )
    here = np.arange(nowhere, dtype=np.intp)
    taken = [np.zeros(len(span.end), dtype=np.intp) for span in spans]
    found: list[Parts | None] = [None] * len(spans)
    widest = max((int(span.width.max(initial=0)) for span in spans), default=0)
    block = 1
    while block <= widest:
        for number, span in enumerate(spans):
            holds = (span.width & block) > 0
            if not holds.any():
                continue
            source = np.where(holds, span.end - taken[number], nowhere)
            part = tuple(piece[source] for piece in level)
            before = found[number]
            found[number] = part if before is None else reduction.join(part, before, taken[number])
            taken[number] = taken[number] + np.where(holds, block, 0)
        if block * 2 <= widest:
            source = np.append(np.where(here - block >= start, here - block, nowhere), nowhere)
            level = reduction.join(tuple(piece[source] for piece in level), level, np.array([block]))
        block *= 2
    return [_nothing(reduction, level, span) if part is None else part for part, span in zip(found, spans, strict=True)]


def _nothing(reduction: Reduction, level: Parts, span: Spans) -> Parts:
    return tuple(np.full((len(span.end), part.shape[1]), reduction.empty) for part in level)
