"""What people read after a command that looks after a project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flyball.cli.answer import bullet_list, escape
from flyball.core.counting import counted

__all__ = [
    "backup_summary",
    "clean_summary",
    "copy_artifacts_summary",
    "copy_summary",
    "doctor_summary",
    "restore_summary",
    "size",
]

Data = Mapping[str, Any]
_MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "problem": "[red]✗[/]"}


def size(count: int) -> str:
    """Bytes in the unit that fits.

    >>> size(512), size(1_500_000), size(-2048)
    ('512 bytes', '1.4 MB', '-2.0 KB')
    """
    for unit, factor in (("GB", 2**30), ("MB", 2**20), ("KB", 2**10)):
        if abs(count) >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"


def doctor_summary(data: Data) -> str:
    """One line for what is fine; what, where, why and fix for what is not."""
    lines = []
    for check in data["checks"]:
        code = f"{check['code']}  " if check["code"] else ""
        lines.append(f"{_MARKS[check['state']]} {check['name']:<18} {code}{escape(check['what'])}")
        if check["state"] != "ok":
            lines += [f"    {label:<6} {escape(check[label])}" for label in ("where", "why", "fix") if check[label]]
    problems, warnings = data["problems"], data["warnings"]
    verdict = (
        "[green]all is well[/]"
        if data["ok"] and not warnings
        else f"{counted(problems, 'problem')}, {counted(warnings, 'warning')}"
    )
    return "\n".join([*lines, verdict if data["deep"] else f"{verdict}   [dim](--deep checks every hash)[/]"])


def backup_summary(data: Data) -> str:
    """Where it is, what is in it, what is not."""
    keys = "with its signing keys: keep it safe" if data["keys"] else "without signing keys"
    lines = [
        f"[green]✓[/] [bold]{escape(data['path'])}[/], {size(data['size'])}, as of {data['taken'][:19]}Z",
        f"holds     {counted(data['entries'], 'ledger entry')}, {counted(data['artifacts'], 'artifact')}, "
        f"{counted(data['predictions'], 'prediction')}, {keys}",
    ]
    if data["sources_left_out"]:
        lines.append(
            f"not in it {escape(', '.join(data['sources_left_out']))}: tables in the project's folder; what versions were "
            "made from is in it"
        )
    lines += [f"sha256    {data['sha256']}", *bullet_list("noted", data["notes"])]
    lines.append(f"next      flyball restore {escape(data['path'])} --dir NEW   makes it anew and verifies it")
    return "\n".join(lines)


def restore_summary(data: Data) -> str:
    """What stands there now and what was verified."""
    checked = data["checked"]
    lines = [
        f"[green]✓[/] {escape(data['project'])} is restored in [bold]{escape(data['path'])}[/], as of {data['taken'][:19]}Z",
        f"verified  {counted(checked['entries'], 'ledger entry')}, {counted(checked['artifacts'], 'artifact')}, "
        f"{counted(data['versions'], 'version')} and {counted(data['predictions'], 'prediction')} are in it",
        *bullet_list("noted", data["notes"]),
        f"next      flyball status --dir {escape(data['path'])}",
    ]
    return "\n".join(lines)


def copy_summary(data: Data) -> str:
    """What was copied, whether it verifies, and what to do next."""
    rows = [f"{count:>12,}  {table}" for table, count in sorted(data["rows"].items()) if count]
    if not data["ok"]:
        said = [f"{one['code']}  {escape(one['where'])}: {escape(one['what'])}" for one in data["problems"]]
        head = f"[red]✗[/] copied row by row, but the ledger does not verify: {counted(len(said), 'problem')}, as in the source"
        return "\n".join([head, *rows, *said])
    return "\n".join([
        f"[green]✓[/] {counted(data['total_rows'], 'row')} copied to [bold]{escape(data['to'])}[/]; "
        f"the ledger of {counted(data['entries'], 'entry')} verifies",
        *rows,
        "next      write the new URL as `store` into flyball.toml; the old store stays as it is",
    ])  # fmt: skip


def copy_artifacts_summary(data: Data) -> str:
    """How many artifacts were copied, and what to do next."""
    return "\n".join([
        f"[green]✓[/] {counted(data['copied'], 'artifact')} ({size(data['bytes'])}) copied to [bold]{escape(data['to'])}[/]; "
        f"{data['present']:,} were there",
        "next      write the new place as `artifacts` into flyball.toml; the old one stays as it is",
    ])  # fmt: skip


def clean_summary(data: Data) -> str:
    """What went, or would go."""
    removed = data["removed"]
    if not removed:
        return "nothing may be removed: the project file has no \\[retention] section that says what and after how long"
    would = "would be removed" if data["dry_run"] else "removed"
    lines = [
        f"{kind.replace('_', ' '):<16} {part['count']:>9,} {would}, {size(part['bytes'])}"
        + (f"   {part['first'][:19]}Z to {part['last'][:19]}Z" if part.get("first") else "")
        for kind, part in removed.items()
    ]
    freed = (
        f"about {size(data['freed_bytes'])} would be freed" if data["dry_run"] else f"{size(data['freed_bytes'])} freed"
    )
    told = f", ledger entries {data['entries'][0]} to {data['entries'][-1]}" if data["entries"] else ""
    return "\n".join([*lines, f"[green]✓[/] {freed}{told}", *bullet_list("noted", data["notes"])])
