"""Features that people specify: a table's column, the way to it, and what is taken at its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flyball.features.relational.discover import RelationInvalid
from flyball.features.relational.spec import Hop, RelatedFeature, RelatedTable, Relations
from flyball_runtime.errors import near_miss

__all__ = ["declare"]

_OF_NUMBERS = ("mean", "sum", "std")
_WITHOUT_COLUMN = ("count", "hours since")


def declare(
    relations: Relations,
    name: str,
    *,
    of: str,
    by: str | None = None,
    along: Sequence[str] = (),
    function: Any = None,
    window_s: float | None = None,
    lag_s: float = 0.0,
    as_of: str = "",
    target: str | None = None,
    known: str | None = None,
    place: str | None = None,
) -> RelatedFeature:
    """The feature that is specified, checked against the tables.

    of: "TABLE.COLUMN", or "TABLE" to count its rows; by: the column of the predicted table whose value the rows share;
    along: the referring columns on the way, each as "TABLE.COLUMN"; neither: the one reference between both tables. as_of:
    the column of the first table on the way that says since when its rows are known, besides their time; of the target it
    is `known` where it is not given. place: where it was written. Raises RelationInvalid.
    """

    def invalid(why: str, fix: str) -> RelationInvalid:
        return RelationInvalid(f'the feature "{name}" cannot be made', where=place, why=why, fix=fix)

    table, _, column = of.partition(".")
    if table not in [one.name for one in relations.tables]:
        names = [one.name for one in relations.tables]
        raise invalid(f"there is no table {table}", near_miss(table, names) or f"write one of: {', '.join(names)}")
    shared = [] if by is None else [_shared(relations, table, by, invalid)]
    hops = tuple(shared or _hops(relations, table, along, invalid))
    end, first = relations[hops[-1].table], relations[hops[0].table]
    told = end is relations.base and column == target
    if column in end.hidden and not told:
        raise invalid(f"{end.name}.{column} is personal, or left out", "name another column")
    _check_column(end, column, function, invalid)
    if function is None and (window_s is not None or lag_s or any(hop.way != "to" for hop in hops)):
        raise invalid(
            "many rows stand at its end, so what is taken of them must be said", 'give a function, such as "mean"'
        )
    if function is not None and hops[0].way == "to":
        raise invalid(f"one row of {end.name} stands at its end, which needs no {function}", "leave the function out")
    if as_of and as_of not in first.table.schema.of_kind("time"):
        raise invalid(
            f"{first.name} has no column of times {as_of}",
            near_miss(as_of, first.table.names) or "name one under as_of",
        )
    if told and not as_of:
        if known is None:
            raise invalid(
                f'it tells what other rows\' "{target}" was, and not since when that was known',
                "name the column that says when it was under as_of, or under known of the table",
            )
        as_of = known
    return RelatedFeature(name, hops, column, function, window_s, lag_s, as_of)


def _shared(relations: Relations, table: str, by: str, invalid: Any) -> Hop:
    base = relations.base
    if by not in base.table:
        raise invalid(f"{base.name} has no column {by}", near_miss(by, base.table.names) or "name one of its columns")
    if base.time is None or (relations.since(table) is None and table == base.name):
        raise invalid(f"{base.name} has no time, so earlier rows cannot be told from later ones", "name its time")
    other, parent = relations[table], base.refers.get(by)
    columns = [column for column, referred in other.refers.items() if parent is not None and referred == parent]
    column = by if by in other.table else next(iter(columns), None)
    if column is None or other.table.schema[column].kind != base.table.schema[by].kind:
        raise invalid(f"no column of {table} holds what {base.name}.{by} holds", f"give {table} a column {by}")
    return Hop("with", table, column, by)


def _hops(relations: Relations, table: str, along: Sequence[str], invalid: Any) -> list[Hop]:
    """The steps of a way; without one, the only reference between the predicted table and that of the feature."""
    base = relations.base
    links = [(one.name, column, other) for one in relations.tables for column, other in one.refers.items()]
    if not along:
        between = [link for link in links if {link[0], link[2]} == {base.name, table} and table != base.name]
        if len(between) != 1:
            what = "several references" if between else "no reference"
            raise invalid(
                f"there is {what} between {base.name} and {table}", 'say which under along: along = ["TABLE.COLUMN"]'
            )
        along = [f"{between[0][0]}.{between[0][1]}"]
    hops, here = [], base.name
    for step in along:
        owner, _, column = step.partition(".")
        other = next((link[2] for link in links if link[:2] == (owner, column)), None)
        if other is None:
            known = [f"{one}.{name}" for one, name, _ in links]
            raise invalid(
                f"{step} refers to no table", near_miss(step, known) or f"known: {', '.join(known) or 'none'}"
            )
        if owner == here:
            hops.append(Hop("to", other, column))
        elif other == here:
            hops.append(Hop("from", owner, column))
        else:
            raise invalid(f"{step} does not begin or end at {here}", "order the references from the predicted table on")
        here = hops[-1].table
    if here != table:
        raise invalid(f"the way ends at {here}, and the feature is of {table}", "make both the same")
    if len(hops) > 2 or [hop.way for hop in hops] == ["to", "from"]:
        raise invalid("a way has one or two references, and does not turn back", "use by for rows that share a value")
    return hops


def _check_column(end: RelatedTable, column: str, function: Any, invalid: Any) -> None:
    if not column:
        if function not in _WITHOUT_COLUMN:
            raise invalid(f"it names no column of {end.name}", f'write of = "{end.name}.COLUMN"')
        return
    if column not in end.table:
        raise invalid(
            f"{end.name} has no column {column}", near_miss(column, end.table.names) or "name one of its columns"
        )
    kind = end.table.schema[column].kind
    if function in _OF_NUMBERS and kind != "number":
        raise invalid(f"{end.name}.{column} holds {kind}s, of which there is no {function}", "name a column of numbers")
