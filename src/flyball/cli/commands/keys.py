"""`flyball keys`: the keys that sign checkpoints and bundles."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App, Parameter

from flyball.cli.answer import Answer

__all__ = ["app"]

app = App(
    name="keys",
    help="The keys that sign checkpoints and bundles.",
    help_format="plaintext",
    default_parameter=Parameter(negative=()),
)


@app.command(name="list")
def list_keys(*, dir: Path | None = None, json: bool = False) -> Answer:  # noqa: A002 - the option's name
    """Show the project's keys: which signs now, which did before, which are revoked.

    Example:
        flyball keys list

    Parameters
    ----------
    dir
        The project's folder. Default: this folder or the nearest one above it with a flyball.toml.
    json
        Print one JSON object.
    """
    from flyball.cli.summary import key_table
    from flyball.project import open as open_project

    keys = open_project(dir).key_list()
    return Answer({"keys": keys}, key_table(keys))


@app.command
def rotate(*, reason: str, dir: Path | None = None, json: bool = False) -> Answer:  # noqa: A002
    """Make a new key and sign with it from now on; what older keys signed stays valid.

    Example:
        flyball keys rotate --reason "yearly rotation"

    Parameters
    ----------
    reason
        Why; it goes into the ledger.
    dir
        The project's folder. Default: this folder or the nearest one above it with a flyball.toml.
    json
        Print one JSON object.
    """
    from flyball.project import open as open_project

    data = open_project(dir).rotate_key(reason=reason)
    return Answer(data, f"[green]✓[/] signing with {data['id'][:16]}… from now on, ledger entry {data['entry']}")


@app.command
def revoke(key: str, *, reason: str, dir: Path | None = None, json: bool = False) -> Answer:  # noqa: A002
    """Revoke a key: bundles signed with it are refused from now on wherever the new trust document is used.

    Example:
        flyball keys revoke 3f9a --reason "laptop stolen"

    Parameters
    ----------
    key
        The key's id, or the beginning of it.
    reason
        Why; it goes into the ledger.
    dir
        The project's folder. Default: this folder or the nearest one above it with a flyball.toml.
    json
        Print one JSON object.
    """
    from flyball.project import open as open_project

    data = open_project(dir).revoke_key(key, reason=reason)
    return Answer(data, f"[green]✓[/] {data['id'][:16]}… is revoked, ledger entry {data['entry']}")


@app.command
def trust(*, dir: Path | None = None, json: bool = False) -> Answer:  # noqa: A002 - the option's name
    """Print the trust document: the public keys, with the revoked ones marked; `open_bundle(path, trust=…)` takes it.

    Example:
        flyball keys trust > trust.json

    Parameters
    ----------
    dir
        The project's folder. Default: this folder or the nearest one above it with a flyball.toml.
    json
        Print one JSON object; a trust document is one anyway.
    """
    import json as jsonlib

    from rich.text import Text

    from flyball.project import open as open_project

    data = open_project(dir).trust_document()
    return Answer(data, Text(jsonlib.dumps(data, indent=1)))
