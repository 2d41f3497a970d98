"""What people read after a command: short tables of the numbers that matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from flyball.cli.answer import bullet_list, escape
from flyball.core.counting import counted
from flyball.reports.conformal import conformal_sentence

__all__ = [
    "audit_summary",
    "counted",
    "gate_table",
    "key_table",
    "log_table",
    "number",
    "run_summary",
    "status_summary",
]

Data = Mapping[str, Any]
_VERIFIED = {
    "entries": "entry", "payloads": "payload", "checkpoints": "checkpoint", "rows": "row", "artifacts": "artifact",
    "bundles": "bundle",
}  # fmt: skip


def number(value: float | None) -> str:
    """Four significant digits, with separators where the number is large.

    >>> number(0.98765), number(46741.2), number(None)
    ('0.9877', '46,741', '–')
    """
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def interval(metric: Data | None) -> str:
    """A metric with its 90 % interval."""
    if not metric or metric.get("value") is None:
        return "–"
    return f"{number(metric['value'])} [dim]\\[{number(metric['low'])}, {number(metric['high'])}][/]"


def run_summary(data: Data) -> Group:
    """What a run made: the version, how it was tested, its quality, what was left out, its gates, what to do next."""
    state = "[green]✓[/]" if data["registered"] else "[red]✗[/]"
    made = f"{data['model']}@{data['version']}" if data["version"] else data["model"]
    again = "  [dim](unchanged since it was registered)[/]" if data.get("unchanged") else ""
    head = [f"{state} [bold]{escape(made)}[/], a {data['task']} model of {escape(data['target'])}{again}"]
    split = data["split"]
    head.append(
        f"split     by {split['kind']}"
        + (f" ({escape(split['by'])})" if split["by"] else "")
        + f": {escape(split['why'])}"
    )
    head += bullet_list("", list(split.get("details", ())))
    head += bullet_list("leaks", [f"{leak['column']} ({_done(leak, data)}): {leak['why']}" for leak in data["leaks"]])
    seen = [item for item in data.get("findings", ()) if item["action"] in ("mark", "as missing")]
    head += bullet_list("noticed", [f"{item['column'] or 'rows'}: {item['what']} ({item['why']})" for item in seen])
    head += bullet_list("overruled", [one["text"] for one in data.get("overrules", ())])
    if bought := data.get("features"):
        head.append(f"features  {escape(bought['text'])}  [dim]flyball features {escape(made)}[/]")
    if gap := data["random_gap"]:
        shown = f"{gap['metric']} {number(gap['random'])} instead of {number(gap['honest'])}"
        low, high = gap.get("low"), gap.get("high")
        unclear = low is None or high is None or low <= 0 <= high
        how = "one quick model on both splits" + ("; no clear difference" if unclear else "")
        head.append(f"honesty   a random split would have shown {shown} ({how})")
    head += _shift_line(data.get("shift") or {})
    from flyball.cli.judging import judged_lines  # which builds on this file's numbers

    parts: list[Any] = ["\n".join(head), _metric_table(data)]
    if said := conformal_sentence(data.get("conformal") or {}):
        parts.append(f"promise   {escape(said)}")
    if data["gates"]:
        parts.append(gate_table("", data["gates"]))
    if data.get("notes"):
        parts.append("\n".join(bullet_list("noted", list(data["notes"]))))
    parity = data["parity"]
    foot = [*judged_lines(data)]
    foot += [
        f"graph     equals the fitted model on {counted(parity['rows'], 'row')} (largest difference {parity['max_abs_diff']:.1e})"
    ]
    if data["registered"]:
        foot += [f"bundle    {escape(data['bundle'])}", f"report    {escape(data['report'])}"]
        foot.append(f'next      flyball explain {made} --row 0    flyball promote {made} production --reason "…"')
    return Group(*parts, "\n".join(foot))


def _shift_line(shift: Data) -> list[str]:
    """That test rows are of another kind than training rows, where that is demonstrated."""
    if not shift.get("demonstrated"):
        return []
    told = ", ".join(escape(one["column"]) for one in shift["columns"][:3])
    by = f", most of all by {told}" if told else ""
    return [f"shift     a quick model tells test rows from training rows, with an AUC of {interval(shift['auc'])}{by}"]


def _done(leak: Data, data: Data) -> str:
    """What was done about a leak: a column that is only marked, or kept by the project file, is learned from."""
    return (
        "left out"
        if leak["column"] in {item["column"] for item in data.get("left_out", ())}
        else "marked, and learned from"
    )


def _metric_table(data: Data) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("metric", "test", "cross-validation", "baseline"):
        table.add_column(title, justify="left" if title == "metric" else "right")
    test, cv, baseline = data["metrics"]["test"], data["metrics"]["cv"], data["metrics"].get("baseline", {})
    for name in sorted(test, key=lambda item: (item != data["metric"], item)):
        label = f"[bold]{name}[/]" if name == data["metric"] else name
        table.add_row(
            label, interval(test[name]), interval(cv.get(name)), number((baseline.get(name) or {}).get("value"))
        )
    return table


def gate_table(title: str, gates: Sequence[Data]) -> Group:
    """Each rule of each gate: measured, and what would pass."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("gate", "rule", "measured", "passes at", ""):
        table.add_column(heading)
    for gate in gates:
        for result in gate["results"]:
            mark = "[green]passes[/]" if result["passes"] else "[red]refused[/]"
            passes_at = "" if result["passes"] else escape(result.get("passes_at") or "")
            measured = result["measured"]
            shown = interval(measured) if isinstance(measured, Mapping) else escape(measured)
            table.add_row(escape(gate["gate"]), escape(result["rule"]), shown, passes_at, mark)
    parts: list[Any] = [title] if title else []
    return Group(*parts, *([table] if table.row_count else []))


def status_summary(data: Data) -> Group:
    """The models with their aliases, and the ledger's state."""
    parts: list[Any] = [f"[bold]{escape(data['project'])}[/]  [dim]{escape(data['path'])}[/]"]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("model", "versions", "newest", "quality on test", "aliases"):
        table.add_column(heading)
    for model in data["models"]:
        aliases = ", ".join(f"{alias['alias']} → {alias['number']}" for alias in model["aliases"]) or "–"
        quality = f"{model['metric']} {interval(model['quality'])}" if model["quality"] else "–"
        table.add_row(
            escape(model["name"]), str(model["versions"]), escape(model["created"] or "–"), quality, escape(aliases)
        )
    none = "no model yet: flyball run" if not data["runs"] else "no model is registered yet"
    parts.append(table if data["models"] else none)
    ledger = data["ledger"]
    parts.append(
        f"ledger    {counted(ledger['entries'], 'entry')}, head {ledger['head'][:16]}…; flyball audit verify checks them"
    )
    parts.append(f"log       {counted(data['predictions'], 'prediction')}, {data['outcomes']:,} with their outcome")
    if data["runs"]:
        parts.append(f"tracked   {counted(data['runs'], 'run')}")
    for alert in data["alerts"]:
        named = ", ".join(column["column"] for column in [*alert["columns"], *alert["scores"]])
        about = f"{escape(alert['model'])}@{alert['version']}, {alert['severity']}, {alert['state']}"
        parts.append(f"[red]alert {alert['number']}[/]   {about}: {escape(named)}; flyball alerts list")
    return Group(*parts)


def audit_summary(data: Data) -> str:
    """The verdict, and each problem with its place."""
    if data["ok"]:
        counts = [counted(data["checked"][name], one) for name, one in _VERIFIED.items() if data["checked"].get(name)]
        return f"[green]✓[/] {', '.join(counts)}: every hash holds, and the tables agree with the ledger"
    lines = [f"[red]✗[/] [bold]{counted(len(data['problems']), 'problem')} found[/]"]
    lines += [
        f"{problem['code']}  {escape(problem['where'])}: {escape(problem['what'])}" for problem in data["problems"]
    ]
    return "\n".join(lines)


def log_table(entries: Sequence[Data]) -> Table:
    """Entries, newest first."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("entry", "time", "what", "subject", "who", "why"):
        table.add_column(heading)
    for entry in entries:
        actor = f"{entry['actor']['kind']}:{entry['actor']['id']}"
        cells = (entry["seq"], entry["time"][:19], entry["what"], entry["subject"], actor, entry["why"])
        table.add_row(*(escape(cell) for cell in cells))
    return table


def key_table(keys: Sequence[Data]) -> Table:
    """Keys with their state."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("key", "status", "since"):
        table.add_column(heading)
    for key in keys:
        table.add_row(Text(key["id"]), key["status"], key["since"])
    return table
