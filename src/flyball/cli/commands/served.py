"""`flyball served`: which version an alias named at a moment, and what stands behind it."""

from __future__ import annotations

from typing import Any

from flyball.cli.answer import Answer, escape
from flyball.cli.options import AsJson, ProjectFolder

__all__ = ["served"]


def served(
    ref: str,
    *,
    at: str | None = None,
    folder: ProjectFolder = None,
    as_json: AsJson = False,
) -> Answer:
    """Say which version served at a time, who approved it, on what evidence, trained on which data by which code.

    For example:
        flyball served machines@production --at 2026-03-01T09:00:00+01:00

    Parameters
    ----------
    ref
        The alias: NAME@ALIAS.
    at
        The moment, with its time zone. Default: now.
    """
    from flyball.project import open as open_project
    from flyball.project.history import served_at

    told = served_at(open_project(folder), ref, at)
    return Answer(told, "\n".join(_lines(told)))


def _lines(told: dict[str, Any]) -> list[str]:
    name = f"{told['model']}@{told['alias']}"
    if told["version"] is None:
        lines = [f"[bold]{escape(name)}[/] named no version at {told['at']}", *_stated(told.get("stated"))]
        return (
            lines
            if told["moved"] is None
            else [*lines, f"  taken off   {told['since']} by {_who(told['moved']['by'])}"]
        )
    moved, gate = told["moved"], told["moved"]["gate"]
    measured = ", ".join(
        f"{name} {found['value']:.4g}" for name, found in list(told["evidence"]["metrics"].items())[:6]
    )
    data = told["data"]
    trained = f"{data['dataset'] or '?'} {(data['version'] or '')[:12]}".strip()
    trained = ", ".join(f"{one['name']} {one['digest']}" for one in data["inputs"]) or trained
    code = {key: value for key, value in (told["code"] or {}).items() if value}
    return [
        f"[bold]{escape(name)}[/] named [bold]{escape(told['ref'])}[/] at {told['at']}",
        f"  from        {told['since']} until {told['until'] or 'now'}",
        f"  moved by    {_who(moved['by'])}: {escape(moved['reason'] or 'no reason given')} (entry {moved['entry']})",
        f"  gate        {'none' if gate is None else 'passed' if gate['passed'] else 'refused'}",
        f"  evidence    {told['evidence']['digest'][:12]}…  {escape(measured)}",
        f"  data        {escape(trained)}",
        f"  code        {escape(', '.join(f'{key} {value}' for key, value in code.items()) or 'not known')}",
        f"  run         {told['run'] or 'none'}",
        *([f"  standing    {told['imported']['standing']}"] if told["imported"] else []),
        f"  registered  {told['registered']['at']} by {_who(told['registered']['by'])} (entry {told['registered']['entry']})",
    ]


def _stated(stated: dict[str, Any] | None) -> list[str]:
    """What the source of a later import said, marked as its word."""
    if stated is None:
        return []
    then = f"may have named version {stated['version']}" if stated["version"] else "cannot have named that version"
    return [
        f"  stated      by {escape(stated['by'])}, imported {stated['imported']} (entry {stated['entry']}): it {then};",
        f"              at the import it named version {stated['named_at_import']}, made {stated['version_made'] or '?'}; "
        "since when is not said",
    ]


def _who(actor: dict[str, str]) -> str:
    return escape(f"{actor['kind']} {actor['id']}") + ("" if actor["auth"] != "claimed" else " (claimed)")
