"""`flyball audit`: verify, read, anchor and rebuild the ledger."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App, Parameter

from flyball.cli.answer import Answer

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
    dir: Path | None = None,  # noqa: A002 - the option's name
    json: bool = False,
) -> Answer:
    """Check every hash from the data to the decision: entries, checkpoints, tables, artifacts, bundles.

    Exit code 1 when anything was changed, with what and where.

    Example:
        flyball audit verify --checkpoint anchored.json

    Parameters
    ----------
    checkpoint
        A checkpoint kept elsewhere (from `flyball audit anchor`); a ledger rolled back behind it is found.
    accept_key
        The id of a signing key to believe although no older key endorsed it, after the older one was lost.
    dir
        The project's folder. Default: this folder or the nearest one above it with a flyball.toml.
    json
        Print one JSON object.
    """
    from flyball.cli.summary import audit_summary
    from flyball.project import open_for_audit

    data = open_for_audit(dir).verify(checkpoint or [], accept_key or [])
    return Answer(data, audit_summary(data), exit_code=0 if data["ok"] else 1)


@app.command
def log(
    *,
    subject: str | None = None,
    what: str | None = None,
    limit: int = 50,
    dir: Path | None = None,  # noqa: A002 - the option's name
    json: bool = False,
) -> Answer:
    """Show the newest entries of the ledger: what, when, by whom, why.

    Example:
        flyball audit log --subject machines@3

    Parameters
    ----------
    subject
        Only entries about this, such as machines@3.
    what
        Only entries of this kind, such as alias.moved.
    limit
        How many at most.
    dir
        The project's folder. Default: this folder or the nearest one above it with a flyball.toml.
    json
        Print one JSON object.
    """
    from flyball.cli.summary import log_table
    from flyball.project import open as open_project

    entries = open_project(dir).ledger_entries(subject=subject, what=what, limit=limit)
    return Answer({"entries": entries}, log_table(entries))


@app.command
def anchor(*, dir: Path | None = None, json: bool = False) -> Answer:  # noqa: A002 - the option's name
    """Print the newest signed checkpoint, to keep where nobody of this project can write.

    Example:
        flyball audit anchor > anchored.json

    Parameters
    ----------
    dir
        The project's folder. Default: this folder or the nearest one above it with a flyball.toml.
    json
        Print one JSON object; a checkpoint is one anyway.
    """
    import json as jsonlib

    from rich.text import Text

    from flyball.project import open as open_project

    data = open_project(dir).anchor()
    return Answer(data, Text(jsonlib.dumps(data)))


@app.command
def rebuild(*, dir: Path | None = None, json: bool = False) -> Answer:  # noqa: A002 - the option's name
    """Write the tables of governed facts anew from the ledger alone.

    Example:
        flyball audit rebuild

    Parameters
    ----------
    dir
        The project's folder. Default: this folder or the nearest one above it with a flyball.toml.
    json
        Print one JSON object.
    """
    from flyball.project import open as open_project

    data = open_project(dir).rebuild()
    return Answer(data, f"[green]✓[/] {data['entries']:,} entries replayed; {data['tables']} tables written anew")
