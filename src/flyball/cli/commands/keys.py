"""`flyball keys`: the keys that sign checkpoints and bundles."""

from __future__ import annotations

from cyclopts import App, Parameter

from flyball.cli.answer import Answer
from flyball.cli.options import AsJson, ProjectFolder

__all__ = ["app"]

app = App(
    name="keys",
    help="The keys that sign checkpoints and bundles.",
    help_format="plaintext",
    default_parameter=Parameter(negative=()),
)


@app.command(name="list")
def list_keys(*, folder: ProjectFolder = None, as_json: AsJson = False) -> Answer:
    """Show the project's keys: which signs now, which did before, which are revoked.

    For example:
        flyball keys list
    """
    from flyball.cli.summary import key_table
    from flyball.project import open as open_project

    keys = open_project(folder).key_list()
    return Answer({"keys": keys}, key_table(keys))


@app.command
def rotate(*, reason: str, folder: ProjectFolder = None, as_json: AsJson = False) -> Answer:
    """Make a new key and sign with it from now on; what older keys signed stays valid.

    For example:
        flyball keys rotate --reason "yearly rotation"

    Parameters
    ----------
    reason
        Why; it goes into the ledger.
    """
    from flyball.project import open as open_project

    data = open_project(folder).rotate_key(reason=reason)
    return Answer(data, f"[green]✓[/] signing with {data['id'][:16]}… from now on, ledger entry {data['entry']}")


@app.command
def revoke(key: str, *, reason: str, folder: ProjectFolder = None, as_json: AsJson = False) -> Answer:
    """Revoke a key: bundles signed with it are refused from now on wherever the new trust document is used.

    For example:
        flyball keys revoke 3f9a51c07be2 --reason "laptop stolen"

    Parameters
    ----------
    key
        The key's id, or at least its first 8 digits.
    reason
        Why; it goes into the ledger.
    """
    from flyball.project import open as open_project

    data = open_project(folder).revoke_key(key, reason=reason)
    return Answer(data, f"[green]✓[/] {data['id'][:16]}… is revoked, ledger entry {data['entry']}")


@app.command
def trust(*, folder: ProjectFolder = None, as_json: AsJson = False) -> Answer:
    """Print the trust document: the public keys, with the revoked ones marked; `open_bundle(path, trust=…)` takes it.

    For example:
        flyball keys trust > trust.json

    """
    import json as jsonlib

    from rich.text import Text

    from flyball.project import open as open_project

    data = open_project(folder).trust_document()
    return Answer(data, Text(jsonlib.dumps(data, indent=1)))
