"""What a window is held against: the rows that a version was made from or, without them, the bundle's profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball_runtime.profile import Profile
from flyball_runtime.schema import Field, Schema, missing_mask

__all__ = ["OTHER", "Reference", "rows_from_profile", "thin"]

Columns = Mapping[str, NDArray[Any]]
OTHER = "(any other text)"
_RUNS = 20
_LARGE = 1000  # rows of a window that show well enough how its columns hang together
_SEEN_OFTEN = 10  # rows; beside rarer levels there are as many that the profile never met


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Rows of the world before, as normalised columns (rows,) of `schema`. ordered: their order means something."""

    schema: Schema
    columns: Columns
    ordered: bool

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0


def thin(reference: Reference, most: int) -> Reference:
    """At most `most` rows, as twenty runs spread evenly, so that neighbours stay neighbours."""
    if reference.rows <= most:
        return reference
    starts = np.linspace(0, reference.rows - most // _RUNS, _RUNS).astype(np.intp)
    kept = (starts[:, None] + np.arange(most // _RUNS)).ravel()
    columns = {name: values[kept] for name, values in reference.columns.items()}
    return Reference(reference.schema, columns, reference.ordered)


def rows_from_profile(
    profile: Profile, window: Columns, *, most: int, rng: np.random.Generator
) -> tuple[Reference, Columns]:
    """A reference of rows that have exactly a profile's counts, and the window in the same coarse values.

    A number becomes the number of its bin, a text one of the profile's levels. How the columns hang together is taken
    from a large window, whose rows are drawn again and again, and otherwise from the profile's correlations: each
    column's values are dealt out in the order that these rows have.
    """
    total = profile.total()
    rows = min(most, int(total.rows[0]))
    size = len(next(iter(window.values())))
    drawn = rng.integers(0, size, rows) if size >= _LARGE else None
    orders = _correlated(total, rows, rng) if drawn is None else {}
    before: dict[str, NDArray[Any]] = {}
    after: dict[str, NDArray[Any]] = {}
    fields = []
    for place, field in enumerate(profile.schema):
        missing = int(total.missing[0, place])
        counts, codes = _coarse(total, field, window[field.name])
        counts = np.concatenate([counts, [missing]])
        keys = orders.get(field.name, rng.random(rows)) if drawn is None else codes[drawn] + rng.random(rows)
        order = np.argsort(keys, kind="stable")
        dealt = np.empty(rows, dtype=np.int64)
        dealt[order] = _spread(counts, rows)
        fields.append(Field(field.name, "text" if field.kind == "text" else "number"))
        before[field.name], after[field.name] = _values(dealt, counts, field), _values(codes, counts, field)
    return Reference(Schema(tuple(fields)), before, ordered=False), after


def _correlated(total: Profile, rows: int, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """Normal numbers (rows,) for each paired column that hang together as the profile's columns do."""
    if not total.paired:
        return {}
    wanted = np.nan_to_num(total.correlation()[0])
    np.fill_diagonal(wanted, 1.0)
    values, vectors = np.linalg.eigh((wanted + wanted.T) / 2)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    drawn = rng.normal(size=(rows, len(wanted))) @ root.T
    return {name: drawn[:, place] for place, name in enumerate(total.paired)}


def _coarse(total: Profile, field: Field, values: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A column's counts in the profile, and the cell of each window value (the last: missing)."""
    if field.kind == "text":
        counts = total.counts[field.name][0]
        levels = total.levels[field.name]
        sure = _sure_levels(counts)
        place = {level: cell for cell, level in enumerate(levels[:sure])}
        folded = np.concatenate([counts[:sure], [counts[sure:].sum()]])
        cells = [sure + 1 if value is None else place.get(value, sure) for value in values]
        return folded, np.array(cells, dtype=np.int64)
    gaps = missing_mask(values, field.kind)
    if field.kind == "time":
        return np.array([int(total.rows[0] - total.missing[0, total.schema.names.index(field.name)])]), gaps.astype(
            np.int64
        )
    edges, counts = total.edges[field.name], total.histogram[field.name][0].copy()
    below, above = total.infinite[0, total.numeric.index(field.name)]
    counts[0] += below
    counts[-1] += above
    codes = np.searchsorted(edges, values, side="right").astype(np.int64)
    codes[gaps] = len(counts)
    return counts, codes


def _sure_levels(counts: NDArray[np.int64]) -> int:
    """How many of the profile's levels are common beyond doubt. Of many rare ones it keeps those that chance favoured."""
    known = counts[:-1]
    if len(known) == 0:
        return 0
    lowest = float(known[-1]) if counts[-1] else 0.0
    return int((known > max(_SEEN_OFTEN, lowest + 4 * np.sqrt(lowest) + 4)).sum())


def _spread(counts: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    """`rows` cell numbers in order with the shares of `counts`."""
    places = (np.arange(rows) + 0.5) / rows * counts.sum()
    return np.asarray(np.searchsorted(np.cumsum(counts), places, side="right"), dtype=np.int64)


def _values(codes: NDArray[np.int64], counts: NDArray[np.int64], field: Field) -> NDArray[Any]:
    gaps = codes >= len(counts) - 1
    if field.kind == "text":
        names = np.array([str(cell) for cell in range(len(counts))], dtype=object)
        names[-1] = None
        return names[np.minimum(codes, len(counts) - 1)]
    return np.where(gaps, np.nan, codes.astype(np.float64))
