"""Which features related tables can give, to a depth of two keys, and the table with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flyball.data import Table
from flyball.features.relational.evaluate import compute
from flyball.features.relational.spec import Function, Hop, RelatedFeature, RelatedTable, Relations
from flyball_runtime.schema import MISSING_TIME, Kind, missing_mask

__all__ = ["Synthesis", "enumerate_features", "synthesise"]

_NUMBER: tuple[Function, ...] = ("mean", "min", "max", "std", "sum")
_MOST_LEVELS = 0.5  # a text whose every other row is new names rows; looking it up tells nothing
_RECENT_SHARE = 12  # the recent past is a twelfth of what the table spans
_DAY_US = 86_400_000_000
_TELLING = 0.01  # a column must be known, and differ from its commonest value, in so many rows


@dataclass(frozen=True, slots=True)
class Synthesis:
    """The first table with the made columns behind its own."""

    table: Table
    features: tuple[RelatedFeature, ...]
    notes: tuple[str, ...]


def synthesise(
    relations: Relations, *, target: str | None = None, known: str | None = None, depth: int = 2
) -> Synthesis:
    """Every feature that the tables give, less those that say nothing or what another says already.

    target: what earlier rows' came to is told only with `known`, the column that says when a row's target is known.
    depth: keys to follow, 1 or 2.
    """
    features = enumerate_features(relations, target=target, known=known, depth=depth)
    table, kept, addresses = relations.base.table, [], set()
    for feature, (field, values) in zip(features, compute(relations, features), strict=True):
        address = values.tobytes() if values.dtype != object else repr(values.tolist()).encode()
        if (
            field.name in table.columns
            or address in addresses
            or not _telling(values, missing_mask(values, field.kind))
        ):
            continue
        addresses.add(address)
        kept.append(feature)
        table = table.with_column(field, values)
    tables = {hop.table for feature in kept for hop in feature.hops} - {relations.base.name}
    said = f"{len(kept):,} features made from {', '.join(sorted(tables)) or 'no other table'}"
    return Synthesis(table, tuple(kept), (*relations.notes, said))


def enumerate_features(
    relations: Relations, *, target: str | None = None, known: str | None = None, depth: int = 2
) -> list[RelatedFeature]:
    """Look-ups along one or two keys; aggregates over rows that refer here, over what those refer to or are referred to
    by, and over rows that share a parent with this one; with `known`, also of what those came to.
    """
    left_out = {name for name in (target, known) if name is not None}
    paths = list(_paths(relations, depth))
    outcomes = [] if target is None or known is None else _outcomes(relations, paths, target, known)
    return [
        *_lookups(relations, depth),
        *(feature for hops in paths for feature in _aggregates(relations, hops, left_out)),
        *outcomes,
    ]


def _outcomes(
    relations: Relations, paths: Sequence[tuple[Hop, ...]], target: str, known: str
) -> Iterator[RelatedFeature]:
    """What earlier rows that share a parent came to, as far as it was known."""
    base = relations.base
    functions: tuple[Function, ...] = ("mean", "last") if base.table.schema[target].kind == "number" else ("last",)
    for hops in paths:
        if hops[0].way != "with" or hops[0].table != base.name:
            continue
        for window in _windows(relations, hops):
            ending = f" by {hops[0].via}" + ("" if window is None else f", {window / 86_400:g} d")
            for function in functions if window is None else functions[:1]:
                name = f"{function}({base.name}.{target}){ending}"
                yield RelatedFeature(name, hops, target, function, window, since=known)


def _lookups(relations: Relations, depth: int) -> Iterator[RelatedFeature]:
    base = relations.base
    for column, parent in base.refers.items():
        above = relations[parent]
        first = Hop("to", parent, column)
        for value in _worth(above):
            yield RelatedFeature(f"{column}.{value}", (first,), value)
        if depth < 2:
            continue
        for further, grand in above.refers.items():
            second = Hop("to", grand, further)
            for value in _worth(relations[grand]):
                yield RelatedFeature(f"{column}.{further}.{value}", (first, second), value)


def _worth(table: RelatedTable) -> list[str]:
    """Value columns that more than one row can share."""
    found = []
    for name in table.values:
        values, kind = table.table[name], table.table.schema[name].kind
        if kind == "time":
            continue
        known = values[~missing_mask(values, kind)]
        levels = len(set(known.tolist()))
        if levels >= 2 and (kind == "number" or levels <= max(2, _MOST_LEVELS * len(known))):
            found.append(name)
    return found


def _paths(relations: Relations, depth: int) -> Iterator[tuple[Hop, ...]]:
    base = relations.base
    for child in relations.tables:
        for column, parent in child.refers.items():
            if parent == base.name and child.name != base.name:
                first = Hop("from", child.name, column)
                yield (first,)
                if depth >= 2:
                    yield from _beyond(relations, child, first)
    if depth < 2:
        return
    for via, parent in base.refers.items():
        for child in relations.tables:
            if relations.since(child.name) is None and child.name == base.name:
                continue  # without a time the rows that share a parent would include later ones
            for column, referred in child.refers.items():
                if referred == parent and not (child.name == base.name and column != via):
                    yield (Hop("with", child.name, column, via),)


def _beyond(relations: Relations, child: RelatedTable, first: Hop) -> Iterator[tuple[Hop, ...]]:
    for column, parent in child.refers.items():
        if column != first.column and parent != relations.base.name:
            yield (first, Hop("to", parent, column))
    if child.key is None:
        return
    for further in relations.tables:
        for column, parent in further.refers.items():
            if parent == child.name and further.name not in (relations.base.name, child.name):
                yield (first, Hop("from", further.name, column))


def _aggregates(relations: Relations, hops: tuple[Hop, ...], left_out: set[str]) -> Iterator[RelatedFeature]:
    last = relations[hops[-1].table]
    of_base = last.name == relations.base.name
    where = ".".join([hops[0].table, *(hop.column if hop.way == "to" else hop.table for hop in hops[1:])])
    shared = f" by {hops[0].via}" if hops[0].way == "with" else ""
    for window in _windows(relations, hops):
        recent = "" if window is None else f", {window / 86_400:g} d"
        ending = f"{shared}{recent}"
        if hops[-1].way != "to":
            yield RelatedFeature(f"count({where}){ending}", hops, "", "count", window)
            if window is None and relations.since(last.name) is not None and hops[0].way == "with":
                yield RelatedFeature(f"hours since({where}){ending}", hops, "", "hours since")
            for column in last.refers:
                if column not in {*last.hidden, *(hop.column for hop in hops)} and window is None:
                    yield RelatedFeature(f"distinct({where}.{column}){ending}", hops, column, "distinct")
        for column in last.values:
            if of_base and column in left_out:
                continue
            rest = f"({where}.{column}){ending}"
            yield from _of_column(last.table.schema[column].kind, hops, column, rest, window)


def _of_column(
    kind: Kind, hops: tuple[Hop, ...], column: str, rest: str, window: float | None
) -> Iterator[RelatedFeature]:
    """rest: what the feature is called behind its function."""
    if kind == "number":
        functions: tuple[Function, ...] = _NUMBER if window is None else ("mean", "sum")
    elif kind == "text" and window is None:
        functions = ("distinct",)
    else:
        functions = ()
    if hops[0].way == "with" and window is None and kind != "time":
        functions = (*functions, "last")
    for function in functions:
        yield RelatedFeature(f"{function}{rest}", hops, column, function, window)


def _windows(relations: Relations, hops: tuple[Hop, ...]) -> list[float | None]:
    """All of the past and, of rows that share a parent, the recent past: whole days."""
    base = relations.base
    if hops[0].way != "with" or base.time is None or relations.since(hops[0].table) is None:
        return [None]
    moments = base.table[base.time]
    known = moments[moments != MISSING_TIME]
    days = (int(known.max()) - int(known.min())) // _DAY_US // _RECENT_SHARE if len(known) else 0
    return [None, days * 86_400.0] if days >= 1 else [None]


def _telling(values: NDArray[np.generic], missing: NDArray[np.bool_]) -> bool:
    known = values[~missing]
    least = max(2, round(_TELLING * len(values)))
    if len(known) < least:
        return False
    counts: dict[object, int] = {}
    for value in known.tolist():
        counts[value] = counts.get(value, 0) + 1
    common = max(counts.values())
    return len(values) - common >= least and len(counts) >= 2
