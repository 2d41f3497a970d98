"""What people read of the watch: where a model stands, windows, alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table

from flyball.cli.answer import bullet_list, escape
from flyball.core.counting import counted

if TYPE_CHECKING:
    from flyball.monitoring import Alert, JudgedWindow
    from flyball.project.watch import Watch

__all__ = ["alert_list", "alert_text", "watch_summary", "window_line"]

_SHOWN = 10
_MARKS = {"healthy": "[green]healthy[/]", "alarm": "[red]alarm[/]", "not enough data": "[yellow]not enough data[/]"}


def watch_summary(seen: Watch) -> Group:
    """Where the model stands, what was judged, the open alerts."""
    document = seen.to_dict()
    counts, (low, high) = document["counts"], document["false_alarm_range"]
    judged = counts["healthy"] + counts["alarm"]
    head = {
        "healthy": f"[green]✓[/] [bold]{escape(seen.model)}[/] is healthy: {counted(judged, 'window')} judged, no alert is open",
        "alert": f"[red]✗[/] [bold]{escape(seen.model)}[/]: {counted(len(seen.alerts), 'alert')} open",
        "not enough data": f"[yellow]–[/] [bold]{escape(seen.model)}[/]: not enough data to say",
    }[seen.state]
    chance = f"{low} to {high}" if high else "0"
    lines = [
        head,
        f"budget    {escape(seen.budget)}; chance alone would raise {chance} alarms in {counted(judged, 'window')}",
    ]
    lines += [_waiting(seen, item) for item in seen.waiting if item.rows or item.late]
    if not seen.waiting:
        lines.append("waiting   nothing was asked in this time")
    if seen.personal:
        lines += bullet_list("unwatched", [f"{name}: personal, so it is not in the log" for name in seen.personal])
    parts: list[Any] = ["\n".join(lines)]
    if seen.windows:
        parts.append(_window_table(seen.windows[:_SHOWN]))
    parts += [alert_text(alert) for alert in seen.alerts]
    return Group(*parts)


def _waiting(seen: Watch, item: Any) -> str:
    wanted = f"of {item.wanted:,} rows for the next window" if item.wanted else "rows in a window that has not ended"
    late = f"; {item.late:,} came too late for their window" if item.late else ""
    return f"waiting   {escape(seen.model)}@{item.version}: {item.rows:,} {wanted}{late}"


def _window_table(windows: Sequence[JudgedWindow]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("window", "version", "until", "rows", "", "p", "moved"):
        table.add_column(heading, justify="right" if heading in ("window", "rows", "p") else "left")
    for window in windows:
        moved = ", ".join(column["column"] for column in window.statistics.get("columns", []) if column["moved"])
        p = "–" if window.p is None else _p(window.p)
        table.add_row(
            str(window.number), f"@{window.version}", window.end[:19], f"{window.rows:,}", _MARKS[window.verdict], p,
            escape(moved),
        )  # fmt: skip
    return table


def window_line(window: JudgedWindow) -> str:
    """One window on one line."""
    place = f"{escape(window.model)}@{window.version} window {window.number}"
    return f"{window.end[:19]}  {place}, {window.rows:,} rows: {_MARKS[window.verdict]}  {escape(window.statistics['why'])}"


def alert_text(alert: Alert) -> str:
    """An alert with its evidence and what to do next."""
    document = alert.to_dict()
    colour = "red" if alert.severity == "critical" else "yellow"
    times = f", seen in {alert.windows:,} windows" if alert.windows > 1 else ""
    head = f"[{colour}]alert {alert.number}[/]  {alert.severity}, {alert.state}"
    lines = [f"{head}: {escape(alert.ref)} since {alert.raised[:19]}{times}"]
    for column in (*alert.columns, *alert.scores):
        lines.append(f"  [bold]{escape(column['column'])}[/]  {escape(column['what'])}")
        lines.append(f"    [dim]{column['distance']:.0%} of the rows lie elsewhere than before; p {_p(column['p'])}[/]")
    if not alert.columns and not alert.scores:
        lines.append("  its details were erased from the ledger")
    if alert.reason and alert.state != "open":
        lines.append(f"  {alert.state} by {escape(document['by'])}: {escape(alert.reason)}")
    lines += [f"  {line}" for line in bullet_list("next", document["next"])]
    return "\n".join(lines)


def _p(value: float) -> str:
    return "below 1e-11" if value < 1e-11 else f"{value:.2g}"


def alert_list(alerts: Sequence[Alert]) -> str:
    """Every alert, or that there is none."""
    return "\n".join(alert_text(alert) for alert in alerts) or "no alert is open"
