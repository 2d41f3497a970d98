"""Related features as SQL: rows of a path and rows to predict in one order of time, aggregated up to each of the latter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flyball.data import Table
from flyball.features.relational.spec import Hop, RelatedFeature, Relations
from flyball_runtime.schema import MISSING_TIME, Field, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection

__all__ = ["Engine", "compute", "engine"]

_US = 1_000_000
_HOUR_US = 3600 * _US


def compute(
    relations: Relations, features: Sequence[RelatedFeature], rows: Table | None = None
) -> list[tuple[Field, NDArray[Any]]]:
    """The features' columns, each (rows,), in the order of `features`.

    rows: those to predict, with the columns of the first table; None: the first table's own. What the first table holds
    is history either way. A row without a time sees nothing that has one.
    """
    made: dict[str, tuple[Field, NDArray[Any]]] = {}
    with engine(relations, rows) as running:
        for group in _by_query(features):
            fields = [Field(feature.name, _kind(relations, feature)) for feature in group]
            arrays = running.columns(group)
            made.update({field.name: (field, array) for field, array in zip(fields, arrays, strict=True)})
    return [made[feature.name] for feature in features]


def _by_query(features: Iterable[RelatedFeature]) -> list[list[RelatedFeature]]:
    groups: dict[Any, list[RelatedFeature]] = {}
    for feature in features:
        key = (feature.hops, feature.function is None, feature.window_s, feature.lag_s, feature.since)
        groups.setdefault(key, []).append(feature)
    return list(groups.values())


def _kind(relations: Relations, feature: RelatedFeature) -> Kind:
    if feature.function in (None, "last", "min", "max") and feature.column:
        return relations[feature.hops[-1].table].table.schema[feature.column].kind
    return "number"


@contextmanager
def engine(relations: Relations, rows: Table | None = None) -> Iterator[Engine]:
    """The tables in a database in memory that can reach no file."""
    import duckdb

    connection = duckdb.connect(
        ":memory:", config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    )
    try:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_external_access = false")
        yield Engine(connection, relations, rows)
    finally:
        connection.close()


class Engine:
    """Runs the queries of one set of tables."""

    def __init__(self, connection: DuckDBPyConnection, relations: Relations, rows: Table | None) -> None:
        self._connection, self._relations = connection, relations
        self._places = {one.name: place for place, one in enumerate(relations.tables)}
        self._rows = relations.base.table if rows is None else rows
        for place, one in enumerate(relations.tables):
            self._load(f"t{place}", one.table, one.table.names)
        base = relations.base
        present = [name for name in self._rows.names if name in base.table]
        self._load("b", self._rows, base.table.names, present=present)

    def columns(self, features: Sequence[RelatedFeature]) -> list[NDArray[Any]]:
        """Columns of features that share hops, window and lag: each (rows,)."""
        first = features[0]
        sql = self._lookup(features) if first.function is None else self._aggregate(features)
        arrays = self._connection.execute(sql).fetchnumpy()
        return [
            _normalised(arrays[f"f{place}"], _kind(self._relations, feature), len(self._rows))
            for place, feature in enumerate(features)
        ]

    def first_ahead(self, feature: RelatedFeature) -> tuple[int, int, int, int] | None:
        """The first row to predict that would see a row of its future: (its number, its time, the other row's, its time).

        Numbers from 0, times in microseconds. As if all rows of the path were seen, less what `lag_s` holds back.
        """
        if self._relations.since(feature.hops[0].table) is None or self._relations.base.time is None:
            return None
        source, key, shift = self._path(feature, ()), self._base_key(feature.hops[0]), round(feature.lag_s * _US)
        window = "" if feature.window_s is None else f" AND p.t >= b.t - {round(feature.window_s * _US)}"
        later = f"p.t > b.t AND p.t <= b.t - ({shift})" if shift < 0 else "p.t > b.t"
        sql = (
            f"SELECT b.r, b.t, p.seq, p.t FROM ({self._base(key)}) b JOIN ({source}) p ON p.k = b.k "  # noqa: S608
            f"WHERE {later}{window} ORDER BY b.r, p.t, p.seq LIMIT 1"
        )
        found = self._connection.execute(sql).fetchone()
        return None if found is None else (int(found[0]), int(found[1]), int(found[2]), int(found[3]))

    # -- inside

    def _load(self, name: str, table: Table, names: Sequence[str], present: Sequence[str] | None = None) -> None:
        taken = table.names if present is None else present
        source: dict[str, Any] = {"r": np.arange(len(table), dtype=np.int64)}
        parts = ["r"]
        for column in taken:
            label, field = f"c{names.index(column)}", table.schema[column]
            source[label] = table[column]
            parts.append(f"{_clean(label, field.kind)} AS {label}")
        self._connection.register("source", source)
        self._connection.execute(f"CREATE TEMP TABLE {name} AS SELECT {', '.join(parts)} FROM source")  # noqa: S608
        self._connection.unregister("source")

    def _column(self, table: str, column: str) -> str:
        return f"c{self._relations[table].table.names.index(column)}"

    def _key(self, table: str) -> str:
        key = self._relations[table].key
        assert key is not None, "only tables with a key are referred to"
        return self._column(table, key)

    def _base_key(self, hop: Hop) -> str:
        base = self._relations.base
        return self._key(base.name) if hop.way == "from" else self._column(base.name, hop.via)

    def _base(self, key: str, lag_us: int = 0) -> str:
        time = self._relations.base.time
        moment = "NULL::BIGINT" if time is None else f"{self._column(self._relations.base.name, time)} - {lag_us}"
        return f"SELECT r, {key} AS k, {moment} AS t FROM b WHERE {key} IS NOT NULL"  # noqa: S608

    def _lookup(self, features: Sequence[RelatedFeature]) -> str:
        hops, base = features[0].hops, self._relations.base
        joins, above, owner = [], "b", base.name
        for place, hop in enumerate(hops):
            alias, known = f"a{place}", ""
            time = self._relations[hop.table].time
            if time is not None and base.time is not None:
                known = f" AND {alias}.{self._column(hop.table, time)} <= b.{self._column(base.name, base.time)}"
            joins.append(
                f"LEFT JOIN t{self._places[hop.table]} {alias} "
                f"ON {above}.{self._column(owner, hop.column)} = {alias}.{self._key(hop.table)}{known}"
            )
            above, owner = alias, hop.table
        taken = ", ".join(
            f"{above}.{self._column(owner, feature.column)} AS f{place}" for place, feature in enumerate(features)
        )
        return f"SELECT {taken} FROM b {' '.join(joins)} ORDER BY b.r"  # noqa: S608

    def _path(self, feature: RelatedFeature, columns: Sequence[str]) -> str:
        """Rows of a path: the key they are found by, since when they are known (t), their number (seq), the values."""
        hops, many = feature.hops, "a0"
        joins: list[str] = []
        times = [f"a0.{self._column(hops[0].table, feature.since)}"] if feature.since else []
        for place, hop in enumerate(hops):
            alias, table = f"a{place}", f"t{self._places[hop.table]}"
            above = f"a{place - 1}"
            if place == 0:
                joins.append(f"{table} {alias}")
            elif hop.way == "to":
                joins.append(
                    f"LEFT JOIN {table} {alias} "
                    f"ON {above}.{self._column(hops[place - 1].table, hop.column)} = {alias}.{self._key(hop.table)}"
                )
            else:
                key = self._key(hops[place - 1].table)
                joins.append(f"JOIN {table} {alias} ON {alias}.{self._column(hop.table, hop.column)} = {above}.{key}")
                many = alias
            moment, join = self._moment(hop.table, alias)
            joins += join
            times += moment
        last = f"a{len(hops) - 1}"
        values = "".join(
            f", {last}.{self._column(hops[-1].table, column)} AS v{place}" for place, column in enumerate(columns)
        )
        known = f"greatest({', '.join(times)})" if times else "NULL::BIGINT"
        dated = "".join(f" AND {moment} IS NOT NULL" for moment in times)
        key = f"a0.{self._column(hops[0].table, hops[0].column)}"
        return (
            f"SELECT {key} AS k, {known} AS t, {many}.r AS seq{values} FROM {' '.join(joins)} "  # noqa: S608
            f"WHERE {key} IS NOT NULL{dated}"
        )

    def _moment(self, table: str, alias: str) -> tuple[list[str], list[str]]:
        since = self._relations.since(table)
        if since is None:
            return [], []
        if len(since) == 1:
            return [f"{alias}.{self._column(table, since[0])}"], []
        column, time = since
        parent = self._relations[table].refers[column]
        by = f"s{alias}"
        join = (
            f"LEFT JOIN t{self._places[parent]} {by} "
            f"ON {alias}.{self._column(table, column)} = {by}.{self._key(parent)}"
        )
        return [f"{by}.{self._column(parent, time)}"], [join]

    def _timed(self, hops: Sequence[Hop]) -> bool:
        return any(self._relations.since(hop.table) is not None for hop in hops)

    def _aggregate(self, features: Sequence[RelatedFeature]) -> str:
        first = features[0]
        columns = list(dict.fromkeys(feature.column for feature in features if feature.column))
        source, key = self._path(first, columns), self._base_key(first.hops[0])
        made = [_expression(feature, columns) for feature in features]
        if not self._timed(first.hops):
            return self._still(source, key, made)
        return self._as_of(first, source, key, made, columns)

    def _still(self, source: str, key: str, made: Sequence[str]) -> str:
        """Facts that are known all along: one aggregate a key."""
        taken = ", ".join(f"{text.format(over='')} AS f{place}" for place, text in enumerate(made))
        named = ", ".join(f"p.f{place}" for place in range(len(made)))
        return (
            f"SELECT {named} FROM b LEFT JOIN (SELECT k, {taken} FROM (SELECT *, 1 AS one, NULL AS base FROM ({source})) "  # noqa: S608
            f"GROUP BY k) p ON p.k = b.{key} ORDER BY b.r"
        )

    def _as_of(self, first: RelatedFeature, source: str, key: str, made: Sequence[str], columns: Sequence[str]) -> str:
        """Both kinds of rows in one order; each row to predict aggregates what stands before it."""
        base = f"{self._base(key, round(first.lag_s * _US))} AND t IS NOT NULL"
        rank = ("1", "0") if first.strict else ("0", "1")  # of equal moments: what is strictly earlier excludes them
        empty = "".join(f", NULL AS v{place}" for place in range(len(columns)))
        values = "".join(f", v{place}" for place in range(len(columns)))
        union = (
            f"SELECT k, t, {rank[0]} AS rank, seq, 1 AS one, t AS seen, NULL AS base{values} FROM ({source}) "  # noqa: S608
            f"UNION ALL SELECT k, t, {rank[1]}, r, NULL, NULL, r{empty} FROM ({base})"
        )
        if first.window_s is None:
            frame = "PARTITION BY k ORDER BY t, rank, seq ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
        else:
            excluded = " EXCLUDE TIES" if first.strict else ""
            frame = f"PARTITION BY k ORDER BY t RANGE BETWEEN {round(first.window_s * _US)} PRECEDING AND CURRENT ROW{excluded}"
        taken = ", ".join(f"{text.format(over=f' OVER ({frame})')} AS f{place}" for place, text in enumerate(made))
        named = ", ".join(f"p.f{place}" for place in range(len(made)))
        return (
            f"SELECT {named} FROM b LEFT JOIN (SELECT base, {taken} FROM ({union}) QUALIFY base IS NOT NULL) p "  # noqa: S608
            f"ON p.base = b.r ORDER BY b.r"
        )


def _expression(feature: RelatedFeature, columns: Sequence[str]) -> str:
    value = f"v{columns.index(feature.column)}" if feature.column else ""
    texts: Mapping[str, str] = {
        "count": f"count({value or 'one'}){{over}}",
        "mean": f"avg({value}){{over}}",
        "sum": f"sum({value}){{over}}",
        "std": f"stddev_samp({value}){{over}}",
        "min": f"min({value}){{over}}",
        "max": f"max({value}){{over}}",
        "distinct": f"count(DISTINCT {value}){{over}}",
        "last": f"last_value({value} IGNORE NULLS){{over}}",
        "hours since": f"(t - max(seen){{over}}) / {_HOUR_US}.0",
    }
    assert feature.function is not None
    return texts[feature.function]


def _clean(column: str, kind: Kind) -> str:
    if kind == "number":
        return f"CASE WHEN isnan({column}) THEN NULL ELSE CAST({column} AS DOUBLE) END"
    if kind == "time":
        return f"CASE WHEN {column} <> {MISSING_TIME} THEN CAST({column} AS BIGINT) END"
    return f"CAST({column} AS VARCHAR)"


def _normalised(values: Any, kind: Kind, rows: int) -> NDArray[Any]:
    if kind == "number":
        return np.asarray(np.ma.filled(np.ma.asarray(values, dtype=np.float64), np.nan)).reshape(rows)
    if kind == "time":
        return np.asarray(np.ma.filled(np.ma.asarray(values, dtype=np.int64), MISSING_TIME)).reshape(rows)
    missing = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else np.zeros(rows, dtype=np.bool_)
    out = np.empty(rows, dtype=object)
    out[:] = [
        None if gone else cell for cell, gone in zip(np.ma.getdata(values).tolist(), missing.tolist(), strict=True)
    ]
    return out
