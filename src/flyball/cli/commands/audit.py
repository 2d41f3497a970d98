"""`flyball audit`: verify, read, anchor and rebuild the ledger."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App, Parameter

from flyball.cli.answer import Answer
from flyball.cli.options import AsJson, ProjectFolder
from flyball.core.counting import counted

__all__ = ["app"]

app = App(
    name="audit",
    help="Verify, read, anchor and rebuild the ledger.",
    help_format="plaintext",
    default_parameter=Parameter(negative=()),
)


@app.command
def verify(
    *,
    checkpoint: list[Path] | None = None,
    accept_key: list[str] | None = None,
    folder: ProjectFolder = None,
    as_json: AsJson = False,
) -> Answer:
    """Check every hash from the data to the decision: entries, checkpoints, tables, artifacts, bundles.

    Exit code 1 when anything was changed, with what and where.

    For example:
        flyball audit verify --checkpoint anchored.json

    Parameters
    ----------
    checkpoint
        A checkpoint kept elsewhere (from `flyball audit anchor`); a ledger rolled back behind it is found.
    accept_key
        The id of a signing key to believe although no older key endorsed it, after the older one was lost.
    """
    from flyball.cli.summary import audit_summary
    from flyball.project import open_for_audit

    with open_for_audit(folder) as target:
        data = target.verify(checkpoint or [], accept_key or [])
    return Answer(data, audit_summary(data), exit_code=0 if data["ok"] else 1)


@app.command
def log(
    *,
    subject: str | None = None,
    what: str | None = None,
    limit: int = 50,
    folder: ProjectFolder = None,
    as_json: AsJson = False,
) -> Answer:
    """Show the newest entries of the ledger: what, when, by whom, why.

    For example:
        flyball audit log --subject machines@3

    Parameters
    ----------
    subject
        Only entries about this, such as machines@3.
    what
        Only entries of this kind, such as alias.moved.
    limit
        How many at most.
    """
    from flyball.cli.summary import log_table
    from flyball.project import open as open_project

    entries = open_project(folder).ledger_entries(subject=subject, what=what, limit=limit)
    return Answer({"entries": entries}, log_table(entries))


@app.command
def anchor(*, folder: ProjectFolder = None, as_json: AsJson = False) -> Answer:
    """Print the newest signed checkpoint, to keep where nobody of this project can write.

    For example:
        flyball audit anchor > anchored.json

    """
    import json as jsonlib

    from rich.text import Text

    from flyball.project import open as open_project

    data = open_project(folder).anchor()
    return Answer(data, Text(jsonlib.dumps(data)))


@app.command
def rebuild(*, accept_key: list[str] | None = None, folder: ProjectFolder = None, as_json: AsJson = False) -> Answer:
    """Write the tables of governed facts anew from the ledger alone.

    For example:
        flyball audit rebuild

    Parameters
    ----------
    accept_key
        The id of a signing key to believe although no older key endorsed it, after the older one was lost.
    """
    from flyball.project import open as open_project

    data = open_project(folder).rebuild(accept_key or [])
    return Answer(
        data,
        f"[green]✓[/] {counted(data['entries'], 'entry')} replayed; {counted(data['tables'], 'table')} written anew",
    )
