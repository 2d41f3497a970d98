"""Mergeable statistics of a table in blocks: what a monitor compares a later window with."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball_runtime.arrays import ArraysInvalid, pack_arrays, text_from_arrays, text_to_arrays, unpack_arrays
from flyball_runtime.errors import BadInput
from flyball_runtime.moments import CoMoments, Moments
from flyball_runtime.schema import MISSING_TIME, Schema, missing_mask
from flyball_runtime.sketch import add_distinct, empty_sketch, estimate_distinct

__all__ = ["PROFILE_NAME", "Profile", "ProfilesDiffer"]

PROFILE_NAME = "reference.npz"
BINS = 20
LEVELS = 50
PAIRED_COLUMNS = 48  # co-moments grow with the square: 48 columns in 20 blocks are about 1 MB
Columns = Mapping[str, NDArray[Any]]
Counts = NDArray[np.int64]


class ProfilesDiffer(BadInput):
    """Two profiles cannot be merged: their columns, bin edges, levels or block counts differ."""

    code = "FB-PROFILE-001"


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Statistics of normalised columns, block by block; a block is a stretch of rows, in time order where there is one.

    Times count as numbers (microseconds since 1970). `numeric` names the number and time columns, `paired` those of
    them with co-moments (the first 48), `texts` the text columns; arrays hold one row a block:

    rows (blocks,); missing (blocks, columns in schema order); infinite (blocks, numeric, 2): -inf and +inf;
    moments (blocks, numeric); comoments (blocks, paired, paired); histogram[name] (blocks, edges + 1): below the first
    edge, the bins [edge, next edge), at or above the last; counts[name] (blocks, levels + 1): the levels, then all
    other text; distinct (blocks, texts, 1024): sketches of how many different texts there were.
    """

    schema: Schema
    edges: Mapping[str, NDArray[np.float64]]
    levels: Mapping[str, tuple[str, ...]]
    rows: Counts
    missing: Counts
    infinite: Counts
    moments: Moments
    comoments: CoMoments
    histogram: Mapping[str, Counts]
    counts: Mapping[str, Counts]
    distinct: NDArray[np.uint8]

    @classmethod
    def build(
        cls,
        columns: Columns,
        schema: Schema,
        *,
        blocks: int = 20,
        order: NDArray[np.intp] | None = None,
        edges_from: Profile | None = None,
    ) -> Profile:
        """Profile normalised columns in `blocks` stretches of near-equal length (never more than there are rows).

        order: (rows,) the rows in time order, where the table is not in it. edges_from: a profile whose bin edges and
        levels to use, so that the two can be compared and merged; without it they come from quantiles of the data.
        """
        rows = len(columns[schema.names[0]]) if len(schema) else 0
        template = edges_from if edges_from is not None else _choose_bins(columns, schema)
        _require_same(schema.names == template.schema.names, "columns")
        arrangement = np.arange(rows) if order is None else order
        stretches = np.array_split(arrangement, max(1, min(blocks, rows)))
        parts = [_profile_block({n: columns[n][stretch] for n in schema.names}, template) for stretch in stretches]
        return _stack(parts)

    @property
    def blocks(self) -> int:
        return len(self.rows)

    @property
    def numeric(self) -> tuple[str, ...]:
        return _numeric(self.schema)

    @property
    def paired(self) -> tuple[str, ...]:
        return self.numeric[:PAIRED_COLUMNS]

    @property
    def texts(self) -> tuple[str, ...]:
        return self.schema.of_kind("text")

    def merge(self, other: Profile) -> Profile:
        """Both profiles together, block by block. Counts are exact; moments agree to rounding. Raises ProfilesDiffer."""
        _require_mergeable(self, other)
        _require_same(self.blocks == other.blocks, "numbers of blocks")
        return _add(self, other)

    def append(self, other: Profile) -> Profile:
        """The blocks of both, those of `other` after. Raises ProfilesDiffer."""
        _require_mergeable(self, other)
        return _stack([self, other])

    def update(self, columns: Columns) -> Profile:
        """The profile with these normalised rows added to its last block."""
        added = _profile_block(columns, self)
        if self.blocks == 1:
            return _add(self, added)
        return _stack([self._slice(slice(0, -1)), _add(self._slice(slice(-1, None)), added)])

    def total(self) -> Profile:
        """All blocks merged into one."""
        return reduce(_add, (self._slice(slice(block, block + 1)) for block in range(self.blocks)))

    def select_blocks(self, first: int, last: int) -> Profile:
        """The blocks from `first` up to, not including, `last`."""
        return self._slice(slice(first, last))

    def distinct_estimate(self, name: str) -> NDArray[np.float64]:
        """About how many different texts a column held: (blocks,); standard error 3.3 %."""
        position = self.texts.index(name)
        return np.array([estimate_distinct(self.distinct[block, position]) for block in range(self.blocks)])

    def correlation(self) -> NDArray[np.float64]:
        """Pearson correlations of the paired columns over their shared rows: (blocks, paired, paired); NaN if undefined.

        The spread of a column is taken over all its values, so that with many gaps an estimate is clipped to [-1, 1].
        """
        spread = np.sqrt(self.moments.variance()[:, : len(self.paired)])
        scale = spread[:, :, None] * spread[:, None, :]
        covariance = self.comoments.covariance()
        result = np.divide(covariance, scale, out=np.full(scale.shape, np.nan), where=scale > 0)
        return np.asarray(np.clip(result, -1.0, 1.0), dtype=np.float64)

    def to_bytes(self) -> bytes:
        """The profile as the bytes of an npz file; equal profiles give equal bytes."""
        header = json.dumps({"format": 1, "fields": self.schema.to_list()}, sort_keys=True, separators=(",", ":"))
        arrays: dict[str, NDArray[Any]] = {"header": np.frombuffer(header.encode(), dtype=np.uint8)}
        arrays |= {"rows": self.rows, "missing": self.missing, "infinite": self.infinite, "distinct": self.distinct}
        arrays |= {f"moments.{key}": getattr(self.moments, key) for key in _MOMENTS}
        arrays |= {f"comoments.{key}": getattr(self.comoments, key) for key in _COMOMENTS}
        for position, name in enumerate(self.numeric):
            arrays[f"edges.{position}"] = self.edges[name]
            arrays[f"histogram.{position}"] = self.histogram[name]
        for position, name in enumerate(self.texts):
            levels = text_to_arrays(np.array(self.levels[name], dtype=object))
            arrays[f"levels.{position}.bytes"], arrays[f"levels.{position}.lengths"] = levels
            arrays[f"counts.{position}"] = self.counts[name]
        return pack_arrays(arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> Profile:
        """What `to_bytes` wrote. Raises ArraysInvalid on damage."""
        arrays = unpack_arrays(data, where=PROFILE_NAME)
        try:
            profile = _from_arrays(arrays)
            _check_shapes(profile)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise ArraysInvalid("the profile is incomplete", where=PROFILE_NAME, why=repr(error)) from error
        return profile

    def _slice(self, part: slice) -> Profile:
        return replace(
            self,
            rows=self.rows[part],
            missing=self.missing[part],
            infinite=self.infinite[part],
            moments=Moments(*(getattr(self.moments, key)[part] for key in _MOMENTS)),
            comoments=CoMoments(*(getattr(self.comoments, key)[part] for key in _COMOMENTS)),
            histogram={name: values[part] for name, values in self.histogram.items()},
            counts={name: values[part] for name, values in self.counts.items()},
            distinct=self.distinct[part],
        )


_MOMENTS = ("count", "mean", "m2", "low", "high")
_COMOMENTS = ("count", "mean", "cross")


def _numeric(schema: Schema) -> tuple[str, ...]:
    return tuple(field.name for field in schema if field.kind != "text")


def _as_floats(values: NDArray[Any], kind: str) -> NDArray[np.float64]:
    if kind == "time":
        floats = values.astype(np.float64)
        floats[values == MISSING_TIME] = np.nan
        return floats
    return np.asarray(values, dtype=np.float64)


def _choose_bins(columns: Columns, schema: Schema) -> Profile:
    """A profile of no rows, whose bin edges and levels come from the data."""
    edges = {name: _choose_edges(_as_floats(columns[name], schema[name].kind)) for name in _numeric(schema)}
    levels = {name: _choose_levels(columns[name]) for name in schema.of_kind("text")}
    wide, paired, texts = len(edges), min(len(edges), PAIRED_COLUMNS), len(levels)
    none = np.empty((0, wide))
    return Profile(
        schema=schema,
        edges=edges,
        levels=levels,
        rows=np.zeros(0, dtype=np.int64),
        missing=np.zeros((0, len(schema)), dtype=np.int64),
        infinite=np.zeros((0, wide, 2), dtype=np.int64),
        moments=Moments(none.astype(np.int64), none, none, none, none),
        comoments=CoMoments(np.zeros((0, paired, paired), dtype=np.int64), *[np.zeros((0, paired, paired))] * 2),
        histogram={name: np.zeros((0, len(edges[name]) + 1), dtype=np.int64) for name in edges},
        counts={name: np.zeros((0, len(levels[name]) + 1), dtype=np.int64) for name in levels},
        distinct=np.zeros((0, texts, len(empty_sketch())), dtype=np.uint8),
    )


def _choose_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return np.zeros(0)
    distinct = np.unique(finite)
    if len(distinct) > BINS:
        # Observed values only: interpolating between two huge values would overflow.
        distinct = np.unique(np.quantile(finite, np.linspace(0, 1, BINS + 1), method="inverted_cdf"))
    # The largest value gets the last bin's inside; a bin of one value ends at its next neighbour.
    with np.errstate(over="ignore"):
        last = np.nextafter(distinct[-1], np.inf)
    edges = np.append(distinct if len(distinct) <= BINS else distinct[:-1], last)
    return np.asarray(edges[np.isfinite(edges)], dtype=np.float64)


def _choose_levels(values: NDArray[np.object_]) -> tuple[str, ...]:
    common = Counter(value for value in values if value is not None)
    ranked = sorted(common.items(), key=lambda item: (-item[1], item[0]))
    return tuple(level for level, _ in ranked[:LEVELS])


def _profile_block(columns: Columns, template: Profile) -> Profile:
    """One block of statistics over all the rows given, with the template's edges and levels."""
    schema = template.schema
    rows = len(columns[schema.names[0]]) if len(schema) else 0
    numbers = {name: _as_floats(columns[name], schema[name].kind) for name in template.numeric}
    matrix = np.column_stack(list(numbers.values())) if numbers else np.empty((rows, 0))
    moments = Moments.of(matrix)
    comoments = CoMoments.of(matrix[:, : len(template.paired)])
    missing = [int(missing_mask(columns[field.name], field.kind).sum()) for field in schema]
    infinite = np.stack([np.isneginf(matrix).sum(axis=0), np.isposinf(matrix).sum(axis=0)], axis=-1)
    counts, sketches = {}, []
    for name in template.texts:
        seen = Counter(value for value in columns[name] if value is not None)
        known = [seen.get(level, 0) for level in template.levels[name]]
        counts[name] = np.array([[*known, sum(seen.values()) - sum(known)]], dtype=np.int64)
        sketches.append(add_distinct(empty_sketch(), seen))
    return replace(
        template,
        rows=np.array([rows], dtype=np.int64),
        missing=np.array([missing], dtype=np.int64).reshape(1, len(schema)),
        infinite=infinite[None].astype(np.int64),
        moments=Moments(*(getattr(moments, key)[None] for key in _MOMENTS)),
        comoments=CoMoments(*(getattr(comoments, key)[None] for key in _COMOMENTS)),
        histogram={name: _histogram(values, template.edges[name])[None] for name, values in numbers.items()},
        counts=counts,
        distinct=np.array(sketches, dtype=np.uint8).reshape(1, len(sketches), len(empty_sketch())),
    )


def _histogram(values: NDArray[np.float64], edges: NDArray[np.float64]) -> Counts:
    finite = values[np.isfinite(values)]
    return np.bincount(np.searchsorted(edges, finite, side="right"), minlength=len(edges) + 1).astype(np.int64)


def _add(left: Profile, right: Profile) -> Profile:
    return replace(
        left,
        rows=left.rows + right.rows,
        missing=left.missing + right.missing,
        infinite=left.infinite + right.infinite,
        moments=left.moments.merge(right.moments),
        comoments=left.comoments.merge(right.comoments),
        histogram={name: values + right.histogram[name] for name, values in left.histogram.items()},
        counts={name: values + right.counts[name] for name, values in left.counts.items()},
        distinct=np.maximum(left.distinct, right.distinct),
    )


def _stack(parts: Iterable[Profile]) -> Profile:
    every = list(parts)
    first = every[0]

    def joined(arrays: Iterable[NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate(list(arrays))

    return replace(
        first,
        rows=joined(part.rows for part in every),
        missing=joined(part.missing for part in every),
        infinite=joined(part.infinite for part in every),
        moments=Moments(*(joined(getattr(part.moments, key) for part in every) for key in _MOMENTS)),
        comoments=CoMoments(*(joined(getattr(part.comoments, key) for part in every) for key in _COMOMENTS)),
        histogram={name: joined(part.histogram[name] for part in every) for name in first.histogram},
        counts={name: joined(part.counts[name] for part in every) for name in first.counts},
        distinct=joined(part.distinct for part in every),
    )


def _require_mergeable(left: Profile, right: Profile) -> None:
    same_fields = [(f.name, f.kind) for f in left.schema] == [(f.name, f.kind) for f in right.schema]
    _require_same(same_fields, "columns")
    _require_same(all(np.array_equal(left.edges[name], right.edges[name]) for name in left.edges), "bin edges")
    _require_same(all(left.levels[name] == right.levels[name] for name in left.levels), "levels")


def _require_same(same: bool, what: str) -> None:
    if not same:
        raise ProfilesDiffer(
            f"the {what} of the two profiles differ",
            fix="build the second with edges_from=<the first>, and over the same columns",
        )


def _from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Profile:
    schema = Schema.from_list(json.loads(arrays["header"].tobytes())["fields"])
    levels = {}
    for position, name in enumerate(schema.of_kind("text")):
        cells = text_from_arrays(arrays[f"levels.{position}.bytes"], arrays[f"levels.{position}.lengths"])
        levels[name] = tuple(str(cell) for cell in cells)
    numeric = list(enumerate(_numeric(schema)))
    return Profile(
        schema=schema,
        edges={name: arrays[f"edges.{position}"] for position, name in numeric},
        levels=levels,
        rows=arrays["rows"],
        missing=arrays["missing"],
        infinite=arrays["infinite"],
        moments=Moments(*(arrays[f"moments.{key}"] for key in _MOMENTS)),
        comoments=CoMoments(*(arrays[f"comoments.{key}"] for key in _COMOMENTS)),
        histogram={name: arrays[f"histogram.{position}"] for position, name in numeric},
        counts={name: arrays[f"counts.{position}"] for position, name in enumerate(schema.of_kind("text"))},
        distinct=arrays["distinct"],
    )


def _check_shapes(profile: Profile) -> None:
    blocks, wide, paired = profile.blocks, len(profile.numeric), len(profile.paired)
    expected = [
        (profile.missing, (blocks, len(profile.schema))),
        (profile.infinite, (blocks, wide, 2)),
        (profile.distinct, (blocks, len(profile.texts), len(empty_sketch()))),
        *((getattr(profile.moments, key), (blocks, wide)) for key in _MOMENTS),
        *((getattr(profile.comoments, key), (blocks, paired, paired)) for key in _COMOMENTS),
        *((values, (blocks, len(profile.edges[name]) + 1)) for name, values in profile.histogram.items()),
        *((values, (blocks, len(profile.levels[name]) + 1)) for name, values in profile.counts.items()),
    ]
    if any(array.shape != wanted for array, wanted in expected):
        raise ValueError("an array has the wrong shape")
