"""What a feature out of related tables is: the tables, the way through their keys, and what is taken at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from flyball.data import Table

__all__ = ["FUNCTIONS", "Function", "Hop", "RelatedFeature", "RelatedTable", "Relations"]

Function = Literal["count", "mean", "sum", "std", "min", "max", "last", "distinct", "hours since"]
FUNCTIONS: tuple[Function, ...] = get_args(Function)
_DAY_S = 86_400.0
_WORDS: Mapping[Function, str] = {
    "count": "number of {}", "mean": "mean {}", "sum": "sum of {}", "std": "standard deviation of {}", "min": "smallest {}",
    "max": "largest {}", "last": "latest {}", "distinct": "number of different {}", "hours since": "hours since the last of {}",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RelatedTable:
    """A table, and how it hangs together with others.

    key: the column that names its rows, or None; time: the column that says since when a row is known, None for facts
    that are known all along; refers: by column, the table whose key the column holds; hidden: columns whose values no
    feature may tell, though rows may be found by them.
    """

    name: str
    table: Table
    key: str | None = None
    time: str | None = None
    refers: Mapping[str, str] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()

    @property
    def values(self) -> tuple[str, ...]:
        """The columns that hold values to tell: neither its key, nor keys of other tables, nor its time."""
        links = {self.key, self.time, *self.refers, *self.hidden}
        return tuple(name for name in self.table.names if name not in links)


@dataclass(frozen=True, slots=True)
class Relations:
    """The tables that features are made from; the first is the one whose rows are predicted."""

    tables: tuple[RelatedTable, ...]
    notes: tuple[str, ...] = ()

    @property
    def base(self) -> RelatedTable:
        return self.tables[0]

    def __getitem__(self, name: str) -> RelatedTable:
        return next(table for table in self.tables if table.name == name)

    def since(self, name: str) -> tuple[str, ...] | None:
        """The way to the column that says since when rows of a table are known: its own, or that of a table it refers to.

        `("time",)`, or the referring column before it, as in `("order_id", "order_date")`; None: known all along.
        """
        own = self[name]
        if own.time is not None:
            return (own.time,)
        for column, parent in own.refers.items():
            if (time := self[parent].time) is not None:
                return (column, time)
        return None

    def to_dict(self) -> dict[str, Any]:
        """The structure without the tables' rows, as JSON values."""
        return {one.name: {"key": one.key, "time": one.time, "refers": dict(one.refers)} for one in self.tables}


@dataclass(frozen=True, slots=True)
class Hop:
    """One step along a key. "to": `column` of the table so far holds the key of `table`. "from": `column` of `table`
    holds this table's key. "with": `column` of `table` holds what `via` of the table so far holds (rows that share a
    parent).
    """

    way: Literal["to", "from", "with"]
    table: str
    column: str
    via: str = ""

    def to_list(self) -> list[str]:
        return [self.way, self.table, self.column, self.via]


@dataclass(frozen=True, slots=True)
class RelatedFeature:
    """One column that is made for each row of the first table.

    Without `function` it looks `column` up at the end of `hops`, all of them "to". With one it aggregates the rows that the
    first hop, "from" or "with", leads to: those known by the row's time less `lag_s`, and, with `window_s`, not longer ago
    than that before it. Rows that share a parent must be known strictly earlier: nothing of the same moment is told.
    """

    name: str
    hops: tuple[Hop, ...]
    column: str = ""
    function: Function | None = None
    window_s: float | None = None
    lag_s: float = 0.0
    since: str = ""

    @property
    def strict(self) -> bool:
        return self.hops[0].way == "with"

    @property
    def text(self) -> str:
        """The feature in words."""
        if self.function is None:
            return f"{self.column} of {self.hops[-1].table}"
        at = " → ".join(hop.table for hop in self.hops)
        rows = f"{at} with the same {self.hops[0].via}" if self.strict else f"its {at}"
        within = "" if self.window_s is None else f" within {self.window_s / _DAY_S:g} days"
        held = f", {self.lag_s / _DAY_S:g} days before" if self.lag_s else ""
        known = f", known {'before' if self.strict else 'by then'}{held}"
        return f"{_WORDS[self.function].format(self.column or 'rows')} in {rows}{within}{known}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "hops": [hop.to_list() for hop in self.hops],
            "column": self.column,
            "function": self.function,
            "window_s": self.window_s,
            "lag_s": self.lag_s,
            "since": self.since,
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> RelatedFeature:
        """What `to_dict` gave."""
        hops = tuple(Hop(*hop) for hop in raw["hops"])
        return cls(raw["name"], hops, raw["column"], raw["function"], raw["window_s"], raw["lag_s"], raw["since"])
