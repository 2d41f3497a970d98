"""`flyball alerts`: what moved, who looks after it, and when it is over."""

from __future__ import annotations

from cyclopts import App, Parameter

from flyball.cli.answer import Answer
from flyball.cli.options import AsJson, ProjectFolder

__all__ = ["app"]

app = App(
    name="alerts",
    help="The alerts of the watch: list, acknowledge, resolve.",
    help_format="plaintext",
    default_parameter=Parameter(negative=()),
)


@app.command(name="list")
def list_alerts(
    model: str | None = None, *, all_: bool = False, folder: ProjectFolder = None, as_json: AsJson = False
) -> Answer:
    """Show the alerts that are open or acknowledged, newest first, with the columns that moved.

    For example:
        flyball alerts list machines

    Parameters
    ----------
    model
        Only alerts about this model.
    all_
        Show resolved alerts too.
    """
    from flyball.cli.watching import alert_list
    from flyball.project import open as open_project

    found = open_project(folder).alerts(model, resolved=all_)
    return Answer({"alerts": [alert.to_dict() for alert in found]}, alert_list(found))


@app.command
def acknowledge(number: int, *, reason: str, folder: ProjectFolder = None, as_json: AsJson = False) -> Answer:
    """Say that somebody looks after an alert; it stays open until it is resolved.

    For example:
        flyball alerts acknowledge 17 --reason "asked the plant about the torque sensor"

    Parameters
    ----------
    number
        The alert's number.
    reason
        Who does what about it; it goes into the ledger.
    """
    from flyball.project import open as open_project

    alert = open_project(folder).acknowledge_alert(number, reason=reason)
    return Answer(alert.to_dict(), f"[green]✓[/] alert {alert.number} about {alert.ref} is acknowledged")


@app.command
def resolve(number: int, *, reason: str, folder: ProjectFolder = None, as_json: AsJson = False) -> Answer:
    """Close an alert; if what it saw goes on, the next window raises a new one.

    For example:
        flyball alerts resolve 17 --reason "sensor replaced"

    Parameters
    ----------
    number
        The alert's number.
    reason
        What it was; it goes into the ledger.
    """
    from flyball.project import open as open_project

    alert = open_project(folder).resolve_alert(number, reason=reason)
    return Answer(alert.to_dict(), f"[green]✓[/] alert {alert.number} about {alert.ref} is resolved")
