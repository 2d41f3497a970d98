"""What people read of a version's features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table

from flyball.charts import percent
from flyball.cli.answer import bullet_list, escape
from flyball.core.counting import counted

__all__ = ["features_summary"]

Data = Mapping[str, Any]


def features_summary(data: Data) -> Group:
    """Plain columns in one line, then window features, the most telling first."""
    name, windows = f"[bold]{escape(data['model'])}@{data['version']}[/]", data["windows"]
    plain = [item["name"] for item in data["features"] if item["window"] is None]
    past = [item for item in data["features"] if item["window"] is not None]
    of_the_past = f" and {counted(len(past), 'window feature')}" if past else ""
    parts: list[Any] = [f"{name} computes from {counted(len(plain), 'column')}{of_the_past}"]
    parts.append(f"columns   {escape(', '.join(plain))}")
    if data["related"] is not None:
        parts.append(_related(data["related"]))
    if windows is None:
        return Group(*parts, "windows   none: it looks at single rows alone")
    parts += [f"{label:<10}{escape(text)}" for label, text in _told(windows)]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("window feature", "made of", "share"):
        table.add_column(heading, justify="right" if heading == "share" else "left")
    for item in past:
        share = "" if item["share"] is None else percent(item["share"], 1)
        table.add_row(escape(item["name"]), escape(", ".join(item["columns"])), share)
    parts.append(table)
    if "exported" in data:
        parts.append(f"wrote     {escape(data['exported'])}")
    return Group(*parts)


def _told(windows: Data) -> list[tuple[str, str]]:
    whose = f'the rows of one "{windows["entity"]}"' if windows["entity"] is not None else "all rows"
    order = (
        f'in the order of "{windows["order"]}"' if windows["order"] is not None else "in the order in which they come"
    )
    why = "declared in the project file" if windows["declared"] else f"{windows['why']}; {windows['tried']} were tried"
    return [("past", f"{whose}, {order}"), ("why", why)]


def _related(data: Data) -> Group:
    """How the tables hang together, and every feature with what it bought, the most telling first."""
    head = [f"related   {escape(data['text'] or 'what its features buy was not judged')}"]
    head += bullet_list("", list(data["said"]))
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("feature", "what it is", "buys", ""):
        shown.add_column(title, justify="right" if title == "buys" else "left")
    for one in data["features"]:
        kept = "[green]kept[/]" if one["kept"] else f"[dim]left out: {escape(one['why'])}[/]"
        shown.add_row(escape(one["name"]), escape(one["text"]), _percent(one["gain"]), kept)
    return Group("\n".join(head), shown)


def _percent(gain: Data | None) -> str:
    """A gain as a share of the loss, with its interval.

    >>> _percent({"value": 0.123, "low": 0.08, "high": 0.16})
    '12 % [dim]\\\\[8, 16][/]'
    """
    if gain is None:
        return "–"
    value = f"{100 * gain['value']:.2g} %"
    if gain["low"] is None or gain["high"] is None:
        return value
    return f"{value} [dim]\\[{100 * gain['low']:.2g}, {100 * gain['high']:.2g}][/]"
