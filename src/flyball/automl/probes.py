"""Rows that an export must survive: real ones, and real ones with one thing made difficult."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl.pipeline import FittedPipeline
from flyball.data import Table
from flyball.features.dates import DateEncoder
from flyball.features.frame import Encoder
from flyball.features.numbers import LARGEST, NumberEncoder
from flyball.features.words import WordsEncoder
from flyball_runtime.schema import MISSING_TIME, Field

__all__ = ["probes"]

_REAL_ROWS = 1_500
_MUTATED_ROWS = 200
_BOUNDARIES = 100  # per column
_OF_A_FOREST = 20
_CELLS = 100_000  # of the columns made difficult one by one, times all columns
_LEAST_COLUMNS = 40
_DAY = 86_400_000_000
_EXTREME_NUMBERS = (np.inf, -np.inf, 1e308, -1e308, LARGEST, -LARGEST, 1e-45, -0.0, 5e-324, 2.0**53 + 1)
_EXTREME_TIMES = (MISSING_TIME + 1, np.iinfo(np.int64).max, -62_135_596_800_000_000, 253_402_300_799_999_999, 0, -1)
_TYPES = {"number": np.float64, "time": np.int64, "text": object}
_UNSEEN = ("a level that training never saw", "", " ", "\ufffd")


def probes(pipeline: FittedPipeline, table: Table, rng: np.random.Generator) -> Iterator[tuple[str, Table]]:
    """Pairs of the kind of case and its rows. `table` holds the pipeline's columns alone.

    Each column is made difficult on its own; of more than 316, only some are, those first that trees split on, because
    each time all columns are scored. Of the others, many at once are made missing.
    """
    real = table.take(_spread(table.rows, _REAL_ROWS))
    yield "real rows", real
    base = real.take(rng.integers(0, real.rows, _MUTATED_ROWS))
    thresholds = _thresholds(pipeline, rng)
    position, starts = 0, []
    for encoder in pipeline.frame.encoders:
        starts.append(position)
        position += len(encoder.names)
    chosen, others = _chosen(pipeline.frame.encoders, starts, thresholds, rng)
    for place in chosen:
        encoder, start = pipeline.frame.encoders[place], starts[place]
        field = table.schema[encoder.column]
        yield "nulls", _with(base.head(50), field, _nulls(field, 50))
        edges = {p - start: thresholds[p] for p in range(start, start + len(encoder.names))}
        yield from _hostile(base, field, encoder, edges, rng)
    for group in np.array_split(others, _LEAST_COLUMNS) if len(others) else ():
        rows = base.head(50)
        fields = [table.schema[pipeline.frame.encoders[place].column] for place in group]
        gone = {field.name: _nulls(field, rows.rows) for field in fields}
        yield "nulls", Table(rows.schema, {**rows.columns, **gone})
    yield "nulls", Table(table.schema, {field.name: _nulls(field, 1) for field in table.schema})


def _chosen(
    encoders: Sequence[Encoder], starts: list[int], thresholds: list[NDArray[np.float64]], rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Places of the encoders whose columns are made difficult one by one, and of the others."""
    most = max(_LEAST_COLUMNS, _CELLS // max(1, len(encoders)))
    if len(encoders) <= most:
        return np.arange(len(encoders)), np.arange(0)
    split_on = [
        sum(len(thresholds[p]) for p in range(start, start + len(encoder.names)))
        for encoder, start in zip(encoders, starts, strict=True)
    ]
    mixed = rng.permutation(len(encoders))
    order = mixed[np.argsort(-np.array(split_on)[mixed], kind="stable")]
    return np.sort(order[:most]), np.sort(order[most:])


def _hostile(
    base: Table, field: Field, encoder: Encoder, edges: dict[int, NDArray[np.float64]], rng: np.random.Generator
) -> Iterator[tuple[str, Table]]:
    if encoder.missing:
        yield "values that mean missing", _cycled(base, field, _of_kind(encoder.missing, field))
    if isinstance(encoder, NumberEncoder):
        if len(edges[0]):
            yield "tree thresholds", _cycled(base, field, _on_thresholds(encoder, edges[0]))
        yield "extreme values", _cycled(base, field, np.array(_EXTREME_NUMBERS))
    elif isinstance(encoder, DateEncoder):
        early = rng.integers(-70 * 365 * _DAY, 0, 50)
        yield "dates before 1970", _cycled(base, field, early)
        yield "extreme values", _cycled(base, field, np.array(_EXTREME_TIMES, dtype=np.int64))
        days = edges[len(encoder.parts)]
        if len(days):
            exact = encoder.origin + np.rint(days * _DAY).astype(np.int64)
            yield "tree thresholds", _cycled(base, field, np.concatenate([exact - 1, exact, exact + 1]))
    elif isinstance(encoder, WordsEncoder):
        yield "strange prose", _cycled(base, field, _of_kind(_strange(encoder.terms, rng), field))
    else:
        yield "unseen categories", _cycled(base, field, _of_kind(_UNSEEN, field))


def _strange(terms: Sequence[str], rng: np.random.Generator) -> tuple[str, ...]:
    """Texts without a known word, of all terms at once, of one term over and over, capital, tiny, long, in many scripts."""
    some = [terms[place] for place in rng.integers(0, len(terms), 200)]
    return (
        *_UNSEEN, "!!! ...", "\t".join(some).upper(), " ".join([some[0]] * 1_000), *some[:40], "é" * 30_000,
        " ".join(terms[:2_000]), "東京 の 天気 😀 مرحبا привет", "\u0130stanbul \ufb01x \u00df", some[1] + "\u0301",
    )  # fmt: skip


def _thresholds(pipeline: FittedPipeline, rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Split points and edges of pieces, by feature, over all members and the spread; at most a sample of each."""
    width = len(pipeline.frame.names)
    found: list[list[NDArray[np.float64]]] = [[] for _ in range(width)]
    forests = [member.trees for member in pipeline.members if member.trees is not None]
    if pipeline.interval is not None and pipeline.interval.spread is not None:
        forests.append(pipeline.interval.spread.trees)
    for trees in forests:
        for feature in np.unique(trees.feature):
            if 0 <= feature < width:
                found[feature].append(trees.threshold[trees.feature == feature])
    for paths in (member.forest.paths for member in pipeline.members if member.forest is not None):
        for feature in np.unique(paths.feature[paths.feature >= 0]):
            of_feature = paths.threshold[paths.feature == feature]
            found[feature].append(of_feature[:: max(1, len(of_feature) // _OF_A_FOREST)])
    for network in (member.network for member in pipeline.members if member.network is not None):
        for feature, edge in zip(network.features[network.piece], network.low, strict=True):
            found[feature].append(np.array([edge], dtype=np.float64))
    merged = [np.unique(np.concatenate(parts)) if parts else np.zeros(0) for parts in found]
    finite = [values[np.abs(values) < LARGEST] for values in merged]
    return [values if len(values) <= _BOUNDARIES else rng.choice(values, _BOUNDARIES) for values in finite]


def _on_thresholds(encoder: NumberEncoder, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Raw values that become the float32 on, below and above each threshold."""
    nearest = edges.astype(np.float32)
    below, above = np.nextafter(nearest, np.float32(-np.inf)), np.nextafter(nearest, np.float32(np.inf))
    encoded = np.concatenate([nearest, below, above]).astype(np.float64)
    return np.concatenate([encoded / encoder.scale + encoder.offset, edges / encoder.scale + encoder.offset])


def _spread(rows: int, most: int) -> NDArray[np.intp]:
    """Positions over the whole table, evenly."""
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).astype(np.intp))


def _cycled(base: Table, field: Field, values: NDArray[Any]) -> Table:
    """As many rows as values, taken from `base` in turn, with the column replaced."""
    rows = base.take(np.arange(len(values)) % base.rows)
    return _with(rows, field, values)


def _with(table: Table, field: Field, values: NDArray[Any]) -> Table:
    return table.with_column(field, values)


def _of_kind(values: tuple[Any, ...], field: Field) -> NDArray[Any]:
    column = np.empty(len(values), dtype=_TYPES[field.kind])
    column[:] = values
    return column


def _nulls(field: Field, rows: int) -> NDArray[Any]:
    if field.kind == "number":
        return np.full(rows, np.nan)
    if field.kind == "time":
        return np.full(rows, MISSING_TIME, dtype=np.int64)
    return np.full(rows, None, dtype=object)
