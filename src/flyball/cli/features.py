"""What people read of a version's features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table

from flyball.charts import percent
from flyball.cli.answer import escape

__all__ = ["features_summary"]

Data = Mapping[str, Any]


def features_summary(data: Data) -> Group:
    """Plain columns in one line, then window features, the most telling first."""
    name, windows = f"[bold]{escape(data['model'])}@{data['version']}[/]", data["windows"]
    plain = [item["name"] for item in data["features"] if item["window"] is None]
    past = [item for item in data["features"] if item["window"] is not None]
    parts: list[Any] = [f"{name} computes from {len(plain)} columns and {len(past)} window features"]
    parts.append(f"columns   {escape(', '.join(plain))}")
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
