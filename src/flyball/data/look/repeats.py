"""Rows that stand in a table more than once: cell by cell, or but for one cell, small changes, or spelling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.data.look.report import Finding
from flyball.data.look.view import Floats, View, as_numbers
from flyball.data.table import Table
from flyball_runtime.schema import Field

__all__ = ["near_copies_across", "repeated_rows", "row_families"]

Pairs = NDArray[np.intp]
Side = NDArray[np.bool_]
_FEWEST_ROWS = 50
_FEWEST = 5
_LEAST_SHARE = 0.002
_MOST_IN_BUCKET = 8
_MOST_PAIRS = 3_000_000
_BLOCKS = 3
_MOST_DIMENSIONS = 8
_FEWEST_DIMENSIONS = 3
_ASKED = 3_000
_MOST_SEARCHED = 150_000
_NEIGHBOURS = 10
_COPIES = 4  # the most copies of one row that are told from its neighbours
_STEPS = sum(
    1 / number for number in range(_COPIES + 1, _NEIGHBOURS)
)  # mean log of the 10th distance over the 5th, in 1-D
_CHANCE = 1e-4  # of a row to have so near a neighbour by chance


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows as numbers: `cells` each (rows,), texts as codes however they are capitalised or spaced; `raw` as they are.

    `target` (rows,) codes or values; `measured` tells which cells are measurements with many values. `judged`: (rows,)
    those of a test table behind the training's; then only pairs of one of each are looked for. None: any two.
    """

    cells: tuple[Floats, ...]
    raw: tuple[Floats, ...]
    target: Floats
    measured: tuple[int, ...]
    judged: Side | None = None

    def __len__(self) -> int:
        return len(self.target)

    @property
    def asked(self) -> int:
        """How many rows may turn out to be copies."""
        return len(self) if self.judged is None else int(self.judged.sum())

    def looked_for(self, pairs: Pairs) -> Pairs:
        """The pairs (pairs, 2) that are looked for."""
        return pairs if self.judged is None else pairs[self.judged[pairs[:, 0]] != self.judged[pairs[:, 1]]]

    def chance(self, expected: float) -> float:
        """Of the pairs that any two rows make, how many are looked for."""
        share = self.asked / max(1, len(self))
        return expected if self.judged is None else expected * 2 * share * (1 - share)


@dataclass(frozen=True, slots=True)
class _Space:
    """The measured cells of some rows (`kept`: (points,) their places) as points, with a tree to find neighbours by."""

    rows: _Rows
    kept: NDArray[np.intp]
    points: Floats
    tree: Any
    dimensions: float


def repeated_rows(view: View, gone: set[str], rng: np.random.Generator) -> list[Finding]:
    """Findings about exact and near copies of rows; `gone` columns (identifiers) are not compared."""
    fields = [field for field in view.fields if field.name not in gone]
    if not fields or len(view) < _FEWEST_ROWS:
        return []
    values = [view.table[field.name][view.rows] for field in fields]
    rows = _rows_of(fields, values, [view.columns[field.name] for field in fields], view.target)
    findings = []
    extra = len(rows) - len(np.unique(_hashes((*rows.raw, rows.target))))
    expected = _expected((*rows.raw, rows.target))
    if _clear(extra, len(rows)) and extra > 10 * expected + 10:
        what = "rows stand in the table more than once; copies are kept on one side of the split"
        why = f"{extra:,} of {len(rows):,} rows repeat an earlier one (by chance about {expected:.2g})"
        findings.append(Finding("duplicate rows", None, what, why, "mark", {"rows": float(extra)}))
    near = [found for test in _TESTS for found in [test(rows, rng)] if found is not None]
    if near:
        why = "; ".join(said for said, _ in near)
        what = "rows are nearly copies of others; they are kept on one side of the split"
        count = round(len(np.unique(np.concatenate([pairs for _, pairs in near]))) / 2)
        findings.append(Finding("near-duplicate rows", None, what, why, "mark", {"rows": float(count)}))
    return findings


def near_copies_across(
    table: Table, columns: Sequence[str], target: NDArray[np.float64], judged: NDArray[np.bool_], seed: int
) -> tuple[NDArray[np.intp], str]:
    """Which rows of a test table are nearly copies of training rows, (copies,), and the evidence; none, and "".

    `judged`: (rows,) tells the test rows; `target`: (rows,) class numbers or values. The tests are those of one table,
    asked of pairs of a training row and a test row.
    """
    rows = replace(_rows_of_table(table, columns, target), judged=judged)
    nothing = np.empty(0, dtype=np.intp)
    if len(columns) == 0 or len(rows) < _FEWEST_ROWS:
        return nothing, ""
    rng = np.random.default_rng([seed, 6])
    near = [found for test in _TESTS for found in [test(rows, rng)] if found is not None]
    if not near:
        return nothing, ""
    ends = np.unique(np.concatenate([pairs for _, pairs in near]))
    return ends[judged[ends]], "; ".join(said for said, _ in near)


def row_families(table: Table, columns: Sequence[str], target: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """A code for each row, (rows,): rows that are copies of one another, exactly or nearly, share one.

    `target`: (rows,) class numbers or values.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rows = _rows_of_table(table, columns, target)
    families = np.unique(_hashes((*rows.raw, rows.target)), return_inverse=True)[1]
    first = np.unique(families, return_index=True)[1]
    links = [np.column_stack([np.arange(len(rows)), first[families]])]
    rng = np.random.default_rng([seed, 5])
    links += [found[1] for test in _TESTS for found in [test(rows, rng)] if found is not None]
    ends = np.concatenate(links)
    graph = coo_matrix((np.ones(len(ends), dtype=np.int8), (ends[:, 0], ends[:, 1])), shape=(len(rows), len(rows)))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _rows_of_table(table: Table, columns: Sequence[str], target: Floats) -> _Rows:
    fields, values = [table.schema[name] for name in columns], [table[name] for name in columns]
    return _rows_of(fields, values, [as_numbers(*pair)[0] for pair in zip(values, fields, strict=True)], target)


def _rows_of(
    fields: Sequence[Field], values: Sequence[NDArray[np.generic]], raw: Sequence[Floats], target: Floats
) -> _Rows:
    cells = tuple(
        _spelled_alike(cells, codes) if field.kind == "text" else codes
        for field, cells, codes in zip(fields, values, raw, strict=True)
    )
    many = max(30, len(target) // 10)
    levels = [0 if field.kind == "text" else len(np.unique(codes)) for field, codes in zip(fields, cells, strict=True)]
    order = sorted(range(len(levels)), key=lambda place: -levels[place])
    measured = tuple(place for place in order if levels[place] >= many)[:_MOST_DIMENSIONS]
    return _Rows(cells, tuple(raw), target, measured)


def _spelled_alike(cells: NDArray[np.generic], codes: Floats) -> Floats:
    """Text codes in which spellings that differ by capitals and blanks alone are one: the lowest code among them."""
    known = ~np.isnan(codes)
    levels, first = np.unique(codes[known], return_index=True)
    texts = cells[known][first].tolist()
    lowest: dict[str, float] = {}
    for code, text in zip(levels.tolist(), texts, strict=True):
        lowest.setdefault(" ".join(str(text).casefold().split()), code)
    one = np.array([lowest[" ".join(str(text).casefold().split())] for text in texts])
    found = codes.copy()
    if len(one):
        found[known] = one[np.searchsorted(levels, codes[known])]
    return found


def _spelling(rows: _Rows, _: np.random.Generator) -> tuple[str, Pairs] | None:
    """Rows that differ in capitals and blanks of texts alone."""
    exact = np.unique(_hashes((*rows.raw, rows.target)), return_index=True)[1]
    hashes = _hashes((*rows.cells, rows.target))[exact]
    pairs = rows.looked_for(exact[_within_buckets(hashes, 64)])
    if not _clear(len(pairs), rows.asked):
        return None
    if len(pairs) <= 10 * rows.chance(_expected((*rows.cells, rows.target))) + _more_than(rows):
        return None
    return f"{len(np.unique(pairs[:, 1])):,} rows differ from another in the spelling of texts alone", pairs


def _one_cell(rows: _Rows, _: np.random.Generator) -> tuple[str, Pairs] | None:
    """Rows that differ from another in one cell, where hardly any differ in two.

    Where near rows are natural, as on coarse columns, many more rows differ in two cells than in one.
    """
    places = range(len(rows.cells))
    if len(rows.cells) < _BLOCKS + 1:
        return None
    exact = np.sort(np.unique(_hashes((*rows.cells, rows.target)), return_index=True)[1])
    cells, target = [rows.cells[place][exact] for place in places], rows.target[exact]
    found = []
    for block in range(_BLOCKS):
        chosen = [cells[place] for place in places if place % _BLOCKS == block]
        found.append(_within_buckets(_hashes((*chosen, target)), _MOST_IN_BUCKET))
    pairs = np.unique(np.concatenate(found), axis=0)
    if rows.judged is not None:
        pairs = pairs[rows.judged[exact[pairs[:, 0]]] != rows.judged[exact[pairs[:, 1]]]]
    different = np.zeros(len(pairs), dtype=np.intp)
    for values in cells:
        different += ~_same(values[pairs[:, 0]], values[pairs[:, 1]])
    one, two = int((different == 1).sum()), int((different == 2).sum())
    if not _clear(one, rows.asked) or one <= 3 * two:
        return None
    if one <= 10 * rows.chance(_expected_but_one((*cells, target))) + _more_than(rows):
        return None
    pairs = exact[pairs[different == 1]]
    return f"{one:,} pairs of rows differ in one cell alone, {two:,} in two", pairs


def _shaken(rows: _Rows, rng: np.random.Generator) -> tuple[str, Pairs] | None:
    """Rows with a neighbour so near, beside the one after it, that the one must be made from the other.

    Among independent rows the ratio of the distances to the first and the second neighbour, to the power of the number
    of dimensions, is uniform; how many dimensions the rows really fill is told by the neighbours after these.
    """
    from scipy.spatial import cKDTree

    if len(rows.measured) < _FEWEST_DIMENSIONS or len(rows) < 2 * _FEWEST_ROWS:
        return None
    kept = np.sort(np.unique(_hashes((*rows.cells, rows.target)), return_index=True)[1])
    if len(kept) > _MOST_SEARCHED:
        kept = np.sort(rng.choice(kept, _MOST_SEARCHED, replace=False))
    points = np.column_stack([_ranks(rows.cells[place][kept]) for place in rows.measured])
    if len(points) < 2 * _FEWEST_ROWS:
        return None
    dimensions = _dimensions(points[rng.permutation(len(points))[: max(2 * _FEWEST_ROWS, len(points) // 4)]])
    if dimensions < _FEWEST_DIMENSIONS - 0.5:
        return None
    space = _Space(rows, kept, points, cKDTree(points), dimensions)
    open_to = np.arange(len(points)) if rows.judged is None else np.flatnonzero(rows.judged[kept])
    if not len(open_to):
        return None
    asked = np.sort(rng.choice(open_to, min(_ASKED, len(open_to)), replace=False))
    near = rows.looked_for(_neighbours(space, asked))
    share = len(near) / len(asked)
    if len(near) < _FEWEST or share < _LEAST_SHARE or share < 20 * _CHANCE:
        return None
    pairs = near if len(asked) == len(open_to) else rows.looked_for(_neighbours(space, open_to))
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    return f"about {len(pairs):,} pairs of rows differ by small changes of numbers alone", pairs


def _dimensions(points: Floats) -> float:
    """How many dimensions the points (rows, columns) fill, by how fast the distance to the k-th neighbour grows with k.

    Levina & Bickel (2004). Asked of a part of the rows, few of which have their copies there.
    """
    from scipy.spatial import cKDTree

    points = points[:_ASKED]
    distances = cKDTree(points).query(points, k=_NEIGHBOURS + 1)[0][:, 1:]
    far = distances[:, _COPIES] > 0
    logs = np.log(distances[far, -1] / distances[far, _COPIES])
    return _STEPS / max(float(logs.mean()), 1e-3) if far.any() else 0.0


def _neighbours(space: _Space, asked: NDArray[np.intp]) -> Pairs:
    """Pairs (row, row) of the asked rows with a neighbour beyond chance, all that is no measurement being equal."""
    rows, kept = space.rows, space.kept
    distances, others = space.tree.query(space.points[asked], k=_NEIGHBOURS + 1)
    distances, others = distances[:, 1:], others[:, 1:]
    ratio = min(0.2, _CHANCE ** (1 / space.dimensions))
    found, open_rows = [], np.ones(len(asked), dtype=bool)
    for step in range(_COPIES):
        # the nearest step + 1 rows are copies when the one after them is far beyond
        hit = open_rows & (distances[:, step] <= ratio * distances[:, step + 1]) & (distances[:, step + 1] > 0)
        found += [np.column_stack([kept[asked[hit]], kept[others[hit, place]]]) for place in range(step + 1)]
        open_rows &= ~hit
    pairs = np.concatenate(found)
    agree = np.ones(len(pairs), dtype=bool)
    for place in range(len(rows.cells)):
        if place not in rows.measured:
            values = rows.cells[place]
            span = float(np.nanmax(values) - np.nanmin(values)) if not np.isnan(values).all() else 0.0
            left, right = values[pairs[:, 0]], values[pairs[:, 1]]
            agree &= _same(left, right) | (np.abs(left - right) < 0.02 * span)
    spread = float(np.std(rows.target))
    agree &= np.abs(rows.target[pairs[:, 0]] - rows.target[pairs[:, 1]]) <= 0.02 * spread
    return pairs[agree]


_TESTS: tuple[Callable[[_Rows, np.random.Generator], tuple[str, Pairs] | None], ...] = (_spelling, _one_cell, _shaken)


def _clear(count: int, rows: int) -> bool:
    return count >= max(_FEWEST, _LEAST_SHARE * rows)


def _more_than(rows: _Rows) -> int:
    """Pairs beyond ten times those of chance: a short test table holds few rows that could be copies."""
    return 10 if rows.judged is None else _FEWEST


def _same(left: Floats, right: Floats) -> NDArray[np.bool_]:
    return np.asarray((left == right) | (np.isnan(left) & np.isnan(right)))


def _ranks(values: Floats) -> Floats:
    """Mid-ranks in [0, 1], (rows,); missing lies apart."""
    known = ~np.isnan(values)
    found = np.full(len(values), -0.5)
    inverse, counts = np.unique(values[known], return_inverse=True, return_counts=True)[1:]
    found[known] = (np.cumsum(counts) - counts / 2)[inverse] / max(int(known.sum()), 1)
    return found


def _within_buckets(hashes: NDArray[np.uint64], most: int) -> Pairs:
    """All pairs (i < j) of positions with equal hashes, of buckets with at most that many members."""
    order = np.argsort(hashes, kind="stable")
    ranked = hashes[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    sizes = np.diff(np.concatenate([starts, [len(ranked)]]))
    fits = np.repeat(sizes <= most, sizes)
    found = []
    for step in range(1, most):
        same = np.flatnonzero((ranked[step:] == ranked[:-step]) & fits[:-step])
        if not len(same):
            break
        found.append(np.column_stack([order[same], order[same + step]]))
        if sum(map(len, found)) > _MOST_PAIRS:
            break
    return np.sort(np.concatenate(found), axis=1) if found else np.empty((0, 2), dtype=np.intp)


def _hashes(columns: Sequence[Floats]) -> NDArray[np.uint64]:
    """One 64-bit hash a row, (rows,): equal rows agree, others do but for a chance of rows² / 2**65."""
    hashes = np.zeros(len(columns[0]), dtype=np.uint64)
    for column in columns:
        bits = np.where(np.isnan(column), np.nan, column + 0.0).view(np.uint64)  # one NaN, one zero
        hashes = (hashes ^ bits) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(29)
    return hashes


def _log_same(column: Floats) -> float:
    """The logarithm of the chance that two rows agree in a column."""
    shares = np.unique(column, return_counts=True)[1] / len(column)
    return float(np.log((shares**2).sum()))


def _expected(columns: Sequence[Floats]) -> float:
    """How many pairs of rows would agree if columns were independent of one another."""
    return float(len(columns[0]) ** 2 / 2 * np.exp(max(sum(map(_log_same, columns)), -700)))


def _expected_but_one(columns: Sequence[Floats]) -> float:
    """How many pairs would agree in all columns but one."""
    logs = [_log_same(column) for column in columns]
    return float(len(columns[0]) ** 2 / 2 * sum(np.exp(max(sum(logs) - each, -700)) for each in logs))
