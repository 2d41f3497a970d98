"""How tables hang together: which column names a table's rows, which columns hold the keys of others, what tells time."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from flyball.data import Table
from flyball.features.relational.spec import RelatedTable, Relations
from flyball_runtime.errors import BadInput, near_miss
from flyball_runtime.schema import missing_mask

__all__ = ["RelationInvalid", "relate"]

_HELD = 0.95  # so many of a column's values must be keys of the table that it refers to
_NEVER_LATER = 0.99


class RelationInvalid(BadInput):
    """Tables do not hang together as was said: a key is not unique, a column or a table is not there."""

    code = "FB-FEATURE-001"


def relate(
    tables: Mapping[str, Table],
    *,
    keys: Mapping[str, str] | None = None,
    times: Mapping[str, str] | None = None,
    refers: Mapping[str, Mapping[str, str]] | None = None,
    hidden: Mapping[str, Collection[str]] | None = None,
    places: Mapping[str, str] | None = None,
) -> Relations:
    """Tables by name, the one whose rows are predicted first; what is not said is found by names and values.

    keys, times: by table, the column; refers: by table, {column: table that it refers to}; hidden: by table, columns whose
    values are told to nobody; places: where "TABLE.key", "TABLE.time" and "TABLE.refers" were written. A key is a column
    of unique values whose name says so; a column refers to a table when it is called like its key, or like the table and
    "id", and 95 % of its values are keys there. Raises RelationInvalid.
    """
    said_keys, said_times, said_refers = keys or {}, times or {}, refers or {}
    unseen = {name: frozenset((hidden or {}).get(name, ())) for name in tables}
    written = places or {}
    for said in (said_keys, said_times, said_refers):
        for name in said:
            _known(name, tables, "table")
    found_keys = {
        name: _key(name, table, said_keys.get(name), unseen[name], written.get(f"{name}.key"))
        for name, table in tables.items()
    }
    related = []
    for place, (name, table) in enumerate(tables.items()):
        refer = _references(name, table, tables, found_keys, said_refers.get(name), place=written.get(f"{name}.refers"))
        time = said_times.get(name)
        if time is not None:
            _moment(name, table, time, written.get(f"{name}.time"))
        elif place == 0 or refer:
            time = _earliest(table)
        related.append(RelatedTable(name, table, found_keys[name], time, refer, unseen[name]))
    relations = Relations(tuple(related))
    return Relations(relations.tables, tuple(_notes(relations)))


def _key(name: str, table: Table, said: str | None, hidden: Collection[str], place: str | None) -> str | None:
    if said is not None:
        _known(said, table.names, "column", of=name, place=place)
        values = table[said]
        repeated = _first_repeated(values)
        if repeated is not None:
            value = "its value" if said in hidden else f"its value {_shown(values[repeated])}"
            raise RelationInvalid(
                f'"{said}" does not name the rows of {name}',
                where=place,
                why=f"in row {repeated + 1:,} {value} stands that an earlier row has too",
                fix="name a column whose values are unique as the key, or leave the key out",
            )
        return said
    own = _singular(name) + "id"
    candidates = [column for column in table.names if table.schema[column].kind != "time" and _unique(table, column)]
    ranked = sorted(
        (column for column in candidates if _bare(column) in (own, "id", "key") or _bare(column).endswith("id")),
        key=lambda column: (_bare(column) != own, _bare(column) != "id", table.names.index(column)),
    )
    return ranked[0] if ranked else None


def _references(
    name: str, table: Table, tables: Mapping[str, Table], keys: Mapping[str, str | None], said: Mapping[str, str] | None,
    *, place: str | None,
) -> dict[str, str]:  # fmt: skip
    if said is not None:
        for column, parent in said.items():
            _known(column, table.names, "column", of=name, place=place)
            _known(parent, tables, "table", place=place)
            key = keys[parent]
            if key is None:
                raise RelationInvalid(
                    f"{name}.{column} refers to {parent}, which has no key",
                    where=place,
                    fix=f"name the column of {parent} whose values are unique as its key",
                )
            ours, theirs = table.schema[column].kind, tables[parent].schema[key].kind
            if ours != theirs:
                raise RelationInvalid(
                    f"{name}.{column} cannot name rows of {parent}",
                    where=place,
                    why=f"it holds {ours}s, and the key {parent}.{key} holds {theirs}s",
                    fix="write both columns alike in their files",
                )
        return dict(said)
    found = {}
    for column in table.names:
        if column == keys[name]:
            continue
        for parent, key in keys.items():
            if parent == name or key is None or not _alike(column, parent, key):
                continue
            if table.schema[column].kind == tables[parent].schema[key].kind and _held(
                table, column, tables[parent], key
            ):
                found[column] = parent
                break
    return found


def _alike(column: str, parent: str, key: str) -> bool:
    bare = _bare(column)
    return bare == _bare(key) != "id" or bare == _singular(parent) + "id"


def _held(table: Table, column: str, parent: Table, key: str) -> bool:
    values, known = table[column], set(parent[key].tolist())
    present = values[~missing_mask(values, table.schema[column].kind)].tolist()
    return bool(present) and sum(value in known for value in present) >= _HELD * len(present)


def _earliest(table: Table) -> str | None:
    """The time column without gaps that is hardly ever later than another."""
    columns = [name for name in table.schema.of_kind("time") if not missing_mask(table[name], "time").all()]
    for name in columns:
        moments = table[name]
        if missing_mask(moments, "time").any():
            continue
        pairs = [(moments, table[other]) for other in columns if other != name]
        if all(_not_later(first, second) for first, second in pairs):
            return name
    return None


def _not_later(first: NDArray[Any], second: NDArray[Any]) -> bool:
    both = ~missing_mask(second, "time")
    return bool((first[both] <= second[both]).mean() >= _NEVER_LATER) if both.any() else True


def _moment(name: str, table: Table, column: str, place: str | None) -> None:
    _known(column, table.names, "column", of=name, place=place)
    if table.schema[column].kind != "time":
        raise RelationInvalid(
            f'"{column}" of {name} holds no times, so rows cannot be ordered by it',
            where=place,
            why=f"it was read as {table.schema[column].kind}",
            fix="name a column of dates or times",
        )


def _notes(relations: Relations) -> list[str]:
    notes = []
    for one in relations.tables:
        for column, parent in one.refers.items():
            notes.append(f"{one.name}.{column} names a row of {parent}")
    still = [one.name for one in relations.tables[1:] if relations.since(one.name) is None]
    if still:
        notes.append(f"known all along, because they have no time: {', '.join(still)}")
    apart = [one.name for one in relations.tables[1:] if not _linked(relations, one)]
    if apart:
        notes.append(f"not linked to another table by a key, so not used: {', '.join(apart)}")
    return notes


def _linked(relations: Relations, table: RelatedTable) -> bool:
    return bool(table.refers) or any(table.name in one.refers.values() for one in relations.tables)


def _known(
    name: str, among: Sequence[str] | Mapping[str, object], what: str, *, of: str = "", place: str | None = None
) -> None:
    if name not in among:
        raise RelationInvalid(
            f"there is no {what} {name}{' in ' + of if of else ''}",
            where=place,
            why=near_miss(name, list(among)),
            fix=f"name one of: {', '.join(list(among)[:20])}",
        )


def _unique(table: Table, column: str) -> bool:
    values = table[column]
    if missing_mask(values, table.schema[column].kind).any():
        return False
    return _first_repeated(values) is None


def _first_repeated(values: NDArray[Any]) -> int | None:
    seen: set[object] = set()
    for place, value in enumerate(values.tolist()):
        if value in seen:
            return place
        seen.add(value)
    return None


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _singular(name: str) -> str:
    bare = _bare(name)
    if bare.endswith("ies"):
        return bare[:-3] + "y"
    return bare[:-1] if bare.endswith("s") and not bare.endswith("ss") else bare


def _shown(value: object) -> str:
    return f"{value:.15g}" if isinstance(value, float) else f'"{value}"'
