"""What must lie between the rows that are learned from and those that judge: rows, time, and groups that stand in both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Apart"]

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Apart:
    """How learned and judged rows are kept apart.

    `moments`: (rows,) sortable, None when rows have no order. `gap`: rows, and `embargo`: units of `moments`, that lie
    between the last row learned from and the first one judged. `groups`: (rows,) codes of which none may stand on both
    sides, None when they may.
    """

    moments: NDArray[Any] | None = None
    gap: int = 0
    embargo: float = 0.0
    groups: NDArray[np.int64] | None = None

    @property
    def asks(self) -> bool:
        """Whether anything is asked for at all."""
        return self.gap > 0 or self.embargo > 0 or self.groups is not None

    def embargoed(self, learn: Indices, judge: Indices) -> NDArray[np.bool_]:
        """Rows of `learn` too near to (or after) the first judged moment: (len(learn),).

        >>> Apart(np.arange(10), gap=2).embargoed(np.arange(6), np.arange(6, 10)).tolist()
        [False, False, False, False, True, True]
        """
        near = np.zeros(len(learn), dtype=bool)
        if self.moments is None or not (self.gap or self.embargo) or not len(judge):
            return near
        rank = np.empty(len(self.moments), dtype=np.int64)
        rank[np.argsort(self.moments, kind="stable")] = np.arange(len(self.moments))
        known = judge[~_without_moment(self.moments[judge])]
        if not len(known):
            return near
        if self.gap:
            # counted among the rows at hand, so that rows of neither side do not fill the gap
            near |= _places(rank[learn], int(rank[known].min())) > -1 - self.gap
        if self.embargo:
            start = self.moments[known].min()
            whole = self.moments.dtype.kind in "iu"
            near |= self.moments[learn] > (int(start) - int(self.embargo) if whole else start - self.embargo)
        return near

    def shared(self, learn: Indices, judge: Indices) -> NDArray[np.bool_]:
        """Rows of `learn` whose group is judged too: (len(learn),)."""
        if self.groups is None:
            return np.zeros(len(learn), dtype=bool)
        return np.isin(self.groups[learn], np.unique(self.groups[judge]))

    def keep(self, learn: Indices, judge: Indices) -> Indices:
        """The rows of `learn` that may be learned from when `judge` judges."""
        if not self.asks:
            return learn
        return learn[~(self.embargoed(learn, judge) | self.shared(learn, judge))]


def _places(ranks: NDArray[np.int64], start: int) -> NDArray[np.int64]:
    """Where each row stands before the start, counted from it: -1 is the row right before; 0 and more lie after it."""
    before = ranks < start
    places = np.zeros(len(ranks), dtype=np.int64)
    order = np.argsort(ranks[before], kind="stable")
    counted = np.empty(len(order), dtype=np.int64)
    counted[order] = np.arange(len(order)) - len(order)
    places[before] = counted
    return places


def _without_moment(moments: NDArray[Any]) -> NDArray[np.bool_]:
    lowest = np.iinfo(moments.dtype).min if moments.dtype.kind in "iu" else -np.inf
    return np.asarray(moments == lowest)
