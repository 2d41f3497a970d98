"""Two samples of a table cut into the same cells, so that what is compared are counts.

Every cut is a symmetric function of both samples together. That is what makes the permutation test exact: bins chosen on
the reference alone would fit it better than they fit any other sample of the same world.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.monitoring.prose import by_words
from flyball_runtime.schema import Kind, Schema, missing_mask
from flyball_runtime.words import is_prose

__all__ = ["Cells", "Column", "cut_columns"]

_MOST_BINS = 20
_FEWEST_BINS = 5
_ROWS_A_BIN = 8
_LEVELS = 50
_RARE = 5  # levels with fewer rows than this in both samples together share one cell
_TAIL = 8  # so many extreme rows have a cell of their own: a wrong unit in a few rows shows there first

Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One column in cells. `reference` (rows,) and `window` (rows,) hold cell numbers in [0, size).

    ordered: the cells follow the order of the values. edges: (cells of values - 1,) where a number column is cut.
    levels: what the cells of a text column stand for, the last one for all rarer texts. missing: the cell of missing
    values, which is the last, or None when nothing is missing.
    """

    name: str
    kind: Kind
    ordered: bool
    size: int
    reference: Codes
    window: Codes
    edges: NDArray[np.float64] | None = None
    levels: tuple[str, ...] = ()
    missing: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """All columns side by side: cells are numbered through; `starts` (columns,) is where each column's cells begin."""

    columns: tuple[Column, ...]
    starts: NDArray[np.intp]
    size: int

    @property
    def ordered(self) -> NDArray[np.bool_]:
        return np.array([column.ordered for column in self.columns], dtype=np.bool_)

    @property
    def owner(self) -> NDArray[np.intp]:
        """Which column a cell belongs to: (cells,)."""
        return np.repeat(np.arange(len(self.columns)), [column.size for column in self.columns])

    def codes(self, *, window: bool) -> NDArray[np.int64]:
        """Cell numbers of one sample's rows: (rows, columns)."""
        parts = [column.window if window else column.reference for column in self.columns]
        return np.column_stack([part + start for part, start in zip(parts, self.starts, strict=True)])


def cut_columns(reference: Mapping[str, NDArray[Any]], window: Mapping[str, NDArray[Any]], schema: Schema) -> Cells:
    """Cut the normalised columns of `schema` into cells.

    Numbers get a cell per value when they have few, else some twenty quantile bins and a cell for each tail; texts a
    cell for each of their 50 commonest levels, and prose one for each of some two dozen words, of which a text has the
    first that it holds; missing values one of their own. Of a time only whether it is there
    counts: that it moves on is no change.
    """
    columns = []
    for field in schema:
        before, after = reference[field.name], window[field.name]
        if field.kind == "number":
            columns.append(_numbers(field.name, before, after))
        elif field.kind == "text":
            columns.append((_prose if is_prose(field) else _texts)(field.name, before, after))
        else:
            columns.append(_presence(field.name, before, after))
    sizes = np.array([column.size for column in columns], dtype=np.intp)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
    return Cells(tuple(columns), starts, int(sizes.sum()))


def _numbers(name: str, before: NDArray[np.float64], after: NDArray[np.float64]) -> Column:
    both = np.concatenate([before, after])
    known = np.sort(both[~np.isnan(both)])
    edges = _edges(known, len(after))
    codes = np.searchsorted(edges, both, side="right").astype(np.int64)
    gaps = np.isnan(both)
    size = len(edges) + 1
    missing = None
    if gaps.any():
        codes[gaps] = missing = size
        size += 1
    split = len(before)
    return Column(name, "number", True, size, codes[:split], codes[split:], edges=edges, missing=missing)


def _edges(known: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    """Where to cut: each edge is the first value of the cell above it. known: all values, sorted."""
    if len(known) == 0:
        return np.zeros(0)
    firsts = np.flatnonzero(np.concatenate([[True], known[1:] != known[:-1]]))
    distinct = known[firsts]
    bins = min(_MOST_BINS, max(_FEWEST_BINS, rows // _ROWS_A_BIN))
    if len(distinct) <= bins + 4:
        return distinct[1:]
    last = len(known) - 1
    ranks = np.linspace(0, last, bins + 1).round().astype(np.intp)[1:-1]
    tails = np.array([min(_TAIL, last), max(0, last + 1 - _TAIL)], dtype=np.intp)
    places = np.sort(np.concatenate([ranks, tails]))
    edges, times = np.unique(known[places], return_counts=True)
    # A value that spans several quantiles is a lump: it gets a cell to itself.
    lumps = edges[times > 1]
    after = np.searchsorted(distinct, lumps, side="right")
    edges = np.unique(np.concatenate([edges, distinct[after[after < len(distinct)]]]))
    return np.asarray(edges[edges > distinct[0]], dtype=np.float64)


def _texts(name: str, before: NDArray[np.object_], after: NDArray[np.object_]) -> Column:
    numbers: dict[Any, int] = {}
    both = np.fromiter(
        (numbers.setdefault(value, len(numbers)) for part in (before, after) for value in part),
        dtype=np.int64,
        count=len(before) + len(after),
    )
    counts = np.bincount(both, minlength=len(numbers))
    known = [(value, number) for value, number in numbers.items() if value is not None]
    known.sort(key=lambda item: (-counts[item[1]], item[0]))
    common = [item for item in known[:_LEVELS] if counts[item[1]] >= _RARE]
    place = np.full(len(numbers), len(common), dtype=np.int64)
    for cell, (_, number) in enumerate(common):
        place[number] = cell
    size = len(common) + (len(known) > len(common))
    missing = None
    if None in numbers:
        place[numbers[None]] = missing = size
        size += 1
    codes, split = place[both], len(before)
    levels = tuple(value for value, _ in common)
    return Column(name, "text", False, max(1, size), codes[:split], codes[split:], levels=levels, missing=missing)


def _prose(name: str, before: NDArray[np.object_], after: NDArray[np.object_]) -> Column:
    codes, words = by_words([*before.tolist(), *after.tolist()])
    size, missing = len(words) + 1, None
    if (codes < 0).any():
        missing = size
        codes = np.where(codes < 0, missing, codes)
        size += 1
    levels, split = tuple(f"… {word} …" for word in words), len(before)
    return Column(name, "text", False, size, codes[:split], codes[split:], levels=levels, missing=missing)


def _presence(name: str, before: NDArray[np.int64], after: NDArray[np.int64]) -> Column:
    gone, now = (missing_mask(part, "time").astype(np.int64) for part in (before, after))
    gaps = bool(gone.any() or now.any())
    return Column(name, "time", False, 2 if gaps else 1, gone, now, missing=1 if gaps else None)
