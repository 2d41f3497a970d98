"""What people read of a difference."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table

from flyball.charts import percent
from flyball.cli.answer import escape

__all__ = ["runs_summary", "versions_summary"]

Data = Mapping[str, Any]
_SHOWN = 12
_BARE = re.compile(r"[A-Za-z0-9_-]+")  # https://toml.io/en/v1.0.0#keys


def versions_summary(found: Data) -> Group:
    """Part by part, what changed from the first to the second."""
    lines = [f"[bold]{escape(found['before']['ref'])}[/] → [bold]{escape(found['after']['ref'])}[/]"]
    for name in ("data", "settings", "code"):
        lines += _changes(name, {key: pair for key, pair in found[name].items() if key != "columns"})
    lines += _changes("columns", found["data"].get("columns", {}))
    for name in ("features", "findings"):
        for way, sign in (("added", "+"), ("removed", "-")):
            lines += [f"{name:<10} {sign} {escape(text)}" for text in found[name].get(way, [])[:_SHOWN]]
    for verdict in found["verdicts"]:
        words = ["passes" if passed else "is refused" for passed in verdict["passed"]]
        lines.append(f"{'gate':<10} {escape(verdict['gate'])}: {words[0]} → {words[1]}")
        lines += [f"{'':<10}   {escape(rule['rule'])}: {_pair(rule['measured'])}" for rule in verdict["rules"]]
    parts: list[Any] = ["\n".join(lines)]
    if found["metrics"]:
        parts.append(_metrics(found["metrics"]))
    if found["explanations"]:
        parts.append(_importance(found["explanations"]))
    if found["same"]:
        parts.append("the same   " + ", ".join(found["same"]))
    if found["unknown"]:
        parts.append("not told   " + ", ".join(found["unknown"]))
    return Group(*parts)


def runs_summary(found: Data) -> Group:
    """A table with a column for each run and a row for whatever is not the same in all of them."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    for run in found["runs"]:
        table.add_column(f"{escape(run['name'])}\n{run['id'][:8]}", justify="right")
    table.add_row("status", *(run["status"] for run in found["runs"]))
    for part in ("params", "metrics", "tags", "inputs", "code"):
        for row in found[part]:
            cells = [_value(value) for value in row["values"]]
            table.add_row(f"[dim]{part}.[/]{escape(row['key'])}", *cells)
    same = f"the same   {', '.join(found['same'])}" if found["same"] else ""
    return Group(table, same) if same else Group(table)


def _changes(part: str, changed: Mapping[str, Any]) -> list[str]:
    flat = [one for key, pair in changed.items() for one in _dotted(key, pair)]
    shown = flat[:_SHOWN]
    lines = [
        f"{part if place == 0 else '':<10} {escape(key)}: {_pair(pair)}" for place, (key, pair) in enumerate(shown)
    ]
    left = len(flat) - len(shown)
    return [*lines, f"{'':<10} … and {left} more"] if left else lines


def _dotted(key: str, pair: Any) -> list[tuple[str, Any]]:
    """A pair of tables as the keys within them that differ, `budget.trials`; any other pair as it is."""
    before, after = pair
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        return [(key, pair)]
    found: list[tuple[str, Any]] = []
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            found += _dotted(f"{key}.{_key(name)}", (before.get(name), after.get(name)))
    return found


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _toml(value: Any) -> str:
    """A value as a project file would hold it, on one line."""
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(name)} = {_toml(one)}" for name, one in value.items() if one is not None)
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, float):
        return f"{value:.5g}"
    return json.dumps(value, ensure_ascii=False)


def _pair(pair: Any) -> str:
    return f"{_value(pair[0])} → {_value(pair[1])}"


def _value(value: Any) -> str:
    if value is None:
        return "–"
    text = value if isinstance(value, str) else _toml(value)
    return escape(text if len(text) <= 60 else text[:57] + "…")


def _metrics(rows: Any) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("metric", "before", "after", "change"):
        table.add_column(heading, justify="left" if heading == "metric" else "right")
    for row in rows:
        values = [None if one is None else one.get("value") for one in row["values"]]
        change = "" if row["change"] is None else f"{row['change']:+.4g}"
        table.add_row(row["metric"], *map(_value, values), change)
    return table


def _importance(rows: Any) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("what it goes by", "before", "after", "rank"):
        table.add_column(heading, justify="left" if heading == "what it goes by" else "right")
    for row in rows[:_SHOWN]:
        shares = ["–" if share is None else percent(share, 1) for share in row["shares"]]
        ranks = " → ".join("–" if rank is None else str(rank) for rank in row["ranks"])
        table.add_row(_value(row["column"]), *shares, ranks)
    return table
