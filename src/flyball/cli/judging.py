"""What people read of slices, comparisons and decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table

from flyball.charts import number as short
from flyball.charts import percent, span
from flyball.cli.answer import escape
from flyball.cli.summary import interval, number
from flyball.core.counting import counted

__all__ = ["comparison_summary", "judged_lines", "slices_summary"]

Data = Mapping[str, Any]


def judged_lines(data: Data) -> list[str]:
    """For the summary of a run: the worst slice, the champion, and the threshold by cost; one line each."""
    lines = []
    if slices := data.get("slices"):
        lines.append(f"slices    {escape(worst_slice(slices))}")
    champion = (data.get("comparisons") or {}).get("champion")
    if champion:
        caution = f" ({champion['caution']})" if champion.get("caution") else ""
        lines.append(f"champion  {escape(champion['text'] + caution)}")
    decision = data.get("decision")
    if decision and decision["costs"]:
        cost, saved = decision["cost"]["chosen"], decision["saved"]["half"]
        lines.append(
            f"decision  at {short(decision['threshold'])} a row costs {_span(cost)}; "
            f"that saves {_span(saved)} against 0.5"
        )
    return lines


def worst_slice(slices: Data) -> str:
    """The clearest weak segment in one line, or why none is named."""
    if not slices["found"]:
        return f"{slices['status']}: {slices['why']}"
    worst, loss = slices["found"][0], slices["loss"]
    more = f"; {len(slices['found']) - 1} more" if len(slices["found"]) > 1 else ""
    return (
        f"weak where {worst['text']} ({counted(worst['rows'], 'row')}): "
        f"{loss['name']} {short(worst['excess']['value'])} a row above "
        f"what is expected{_metric(slices['metric'], worst['metric'], slices['overall'])}{more}"
    )


def slices_summary(data: Data) -> Group:
    """The weak segments, then the columns that were asked for."""
    slices, name = data["slices"], f"[bold]{escape(data['model'])}@{data['version']}[/]"
    parts: list[Any] = []
    if slices is None:
        parts.append(f"{name} was made before slices were searched: flyball run makes a version that has them")
    else:
        searched = slices["searched"]
        over = counted(len(searched["columns"]), "column")
        on = f"{counted(searched['rows'], 'test row')}, {counted(searched['segments'], 'segment')} of {over}"
        parts.append(f"{name}: {slices['status']} ({on}; by accident any is named in at most "
                     f"{percent(slices['rate']['value'], 0)} of searches)")  # fmt: skip
        parts += _found_table("weak: worse than overall, and than the model expects", slices["found"], slices)
        parts += _found_table("hard: worse than overall, as the model itself states", slices["hard"], slices)
        for column in slices["named"]:
            parts.append(_level_table(column, slices["overall"]))
        if slices["skipped"]["personal"]:
            skipped = ", ".join(slices["skipped"]["personal"])
            parts.append(f"[dim]left out because they are personal: {escape(skipped)}[/]")
    if data.get("by"):
        parts.append(_level_table(data["by"], data["by"]["overall"]))
    if slices is not None or data.get("by"):
        parts.append(
            "[dim]brackets: 90 % confidence intervals of these rows; `flyball run` shows wider ones, for new rows[/]"
        )
    return Group(*parts)


def comparison_summary(data: Data) -> Group:
    """The verdict, then every metric."""
    head = f"[bold]{escape(data['model'])}[/] against [bold]{escape(data['with'])}[/] on {escape(data['on'])}"
    if not data["comparable"]:
        return Group(head, f"not comparable: {escape(data['reason'])}")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("metric", data["model"], data["with"], "difference", "p", ""):
        table.add_column(title, justify="left" if title in ("metric", "") else "right")
    for name, one in data["metrics"].items():
        label = f"[bold]{name}[/]" if name == data["metric"] else name
        gap = one["difference"]
        table.add_row(
            label, number(one["ours"]), number(one["theirs"]),
            escape(span(gap["value"], gap["low"], gap["high"])), short(one["p_value"], 2), one["outcome"],
        )  # fmt: skip
    caution = (
        [f"[yellow]{'note' if data['fair'] else 'not fair'}[/]: {escape(data['caution'])}"] if data["caution"] else []
    )
    return Group(head, escape(data["text"]), *caution, table)


def _found_table(title: str, found: Sequence[Data], slices: Data) -> list[Any]:
    if not found:
        return []
    table = Table(box=None, pad_edge=False, header_style="dim", title=title, title_justify="left", title_style="bold")
    for heading in ("segment", "rows", f"{slices['loss']['name']} above", slices["metric"], "p, adjusted"):
        table.add_column(heading, justify="left" if heading == "segment" else "right")
    for one in found:
        table.add_row(
            escape(one["text"]), f"{one['rows']:,}", escape(_span(one["excess"])), interval(one["metric"]),
            short(one["p_value"], 2),
        )  # fmt: skip
    return [table]


def _level_table(column: Data, overall: Data | None) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in (column["column"], "rows", column["metric"]):
        table.add_column(escape(heading), justify="left" if heading == column["column"] else "right")
    for level in column["levels"]:
        shown = interval(level["metric"]) if level["metric"] else "not enough data"
        table.add_row(escape(level["text"]), f"{level['rows']:,}", shown)
    table.add_row("[dim]all rows[/]", f"{sum(level['rows'] for level in column['levels']):,}", interval(overall))
    return table


def _metric(name: str, here: Data | None, overall: Data | None) -> str:
    if not here or not overall:
        return ""
    return f", {name} {short(here['value'])} instead of {short(overall['value'])}"


def _span(found: Data) -> str:
    return span(found["value"], found["low"], found["high"])
