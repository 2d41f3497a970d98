"""`flyball promote`: move an alias to a version, through its gate."""

from __future__ import annotations

from flyball.cli.answer import Answer
from flyball.cli.options import AsJson, ProjectFolder

__all__ = ["promote"]


def promote(
    ref: str,
    alias: str,
    *,
    reason: str,
    folder: ProjectFolder = None,
    as_json: AsJson = False,
) -> Answer:
    """Let an alias point to a version, if the rules of its gate are met.

    For example:
        flyball promote machines@3 production --reason "quarterly refresh"

    Parameters
    ----------
    ref
        The version: NAME@VERSION.
    alias
        The alias to move, such as production; rules for it stand under [gate.ALIAS] in the project file.
    reason
        Why; it goes into the ledger.
    """
    from flyball.cli.summary import gate_table
    from flyball.project import ReasonMissing
    from flyball.project import open as open_project

    if not reason.strip():
        raise ReasonMissing("a promotion needs a reason", fix='say why: --reason "quarterly refresh"')

    data = open_project(folder).promote(ref, alias, reason=reason).to_dict()
    if not data["moved"]:
        return Answer(data, f"{alias} already points to {data['version_ref']}; nothing changed")
    was = f" (was version {data['previous']})" if data["previous"] else ""
    lines = [f"[green]✓[/] {alias} now points to [bold]{data['version_ref']}[/]{was}, ledger entry {data['entry']}"]
    return Answer(data, gate_table(lines[0], [data["gate"]] if data["gate"] else []))
