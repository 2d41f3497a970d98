"""What people read after an import or an export."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flyball.cli.answer import bullet_list, escape
from flyball.cli.upkeep import size
from flyball.core.counting import noun

__all__ = ["export_summary", "import_summary"]

Data = Mapping[str, Any]
_KINDS = {
    "experiments": "experiment", "runs": "run", "points": "point", "models": "logged model",
    "registered": "registered model", "versions": "version", "aliases": "alias", "stages": "stage", "files": "file",
}  # fmt: skip


def import_summary(data: Data) -> str:
    """What came, what was here, what was taken, and what to do next."""
    if data["dry_run"]:
        found = [
            f"{data['found'][kind]:>12,}  {noun(data['found'][kind], name)}"
            for kind, name in _KINDS.items()
            if kind in data["found"]
        ]
        head = f"{escape(data['source'])} can be imported (layout {data['revision']}); nothing was written"
        return "\n".join([head, *found])
    lines = [f"[green]✓[/] imported from [bold]{escape(data['source'])}[/]"]
    for kind, name in _KINDS.items():
        count = data["counts"].get(kind)
        if count is not None and any(count.values()):
            known = [f"{count[part]:,} {part}" for part in ("changed", "same") if count[part]]
            lines.append(
                f"{count['new']:>12,}  {noun(count['new'], name)}" + (f" ({', '.join(known)})" if known else "")
            )
    brought = data["counts"].get("bytes", {}).get("new", 0)
    if brought:
        lines.append(f"{size(brought):>12}  of files")
    clashes = [f"{clash['what']}: {clash['outcome']}" for clash in data["clashes"]]
    lines += [*bullet_list("clashes", clashes), *bullet_list("noted", data["notes"])]
    if data["entry"] is None:
        return "\n".join([*lines, "nothing was new"])
    lines.append(f"ledger    entry {data['entry']}; times before it are as the store states them")
    return "\n".join([*lines, "next      flyball status; versions stand as imported, not evaluated"])


def export_summary(data: Data) -> str:
    """Where it is, what is in it, how to open it."""
    counts = [
        f"{data['counts'][kind]:>12,}  {noun(data['counts'][kind], name)}"
        for kind, name in _KINDS.items()
        if kind in data["counts"]
    ]
    store, files = escape(data["store"]), escape(data["artifacts"])
    return "\n".join([
        f"[green]✓[/] exported to [bold]{escape(data['folder'])}[/]",
        *counts,
        *bullet_list("noted", data["notes"]),
        f"sha256    {data['sha256']} of the database (ledger entry {data['entry']})",
        f"next      mlflow server --backend-store-uri sqlite:///{store} --artifacts-destination {files}",
    ])  # fmt: skip
