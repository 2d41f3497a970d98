"""`flyball webhooks`: who is told of what happens, whether it arrives, and a try."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from cyclopts import App, Parameter, validators

from flyball.cli.answer import Answer, escape
from flyball.cli.options import AsJson, ProjectFolder

__all__ = ["app"]

app = App(
    name="webhooks",
    help="The webhooks of the project file: list, test, deliver, and what became of their messages.",
    help_format="plaintext",
    default_parameter=Parameter(negative=()),
)


@app.command(name="list")
def list_webhooks(*, folder: ProjectFolder = None, as_json: AsJson = False) -> Answer:
    """Show each webhook, what it tells of, and how many of its messages wait, arrived or were given up.

    For example:
        flyball webhooks list
    """
    from flyball.project import open as open_project

    found = open_project(folder).webhooks.standing()
    lines = [line for hook in found for line in _lines(hook)]
    return Answer(
        {"webhooks": found}, "\n".join(lines) or "no webhook: add a section \\[webhooks.NAME] to flyball.toml"
    )


@app.command
def test(name: str, *, folder: ProjectFolder = None, as_json: AsJson = False) -> Answer:
    """Send a signed message of the type webhook.test now, and say what came back.

    For example:
        flyball webhooks test chat

    Parameters
    ----------
    name
        The webhook, as in [webhooks.NAME].
    """
    from flyball.project import open as open_project

    answer = open_project(folder).webhooks.test(name)
    mark = "[green]✓[/]" if answer.ok else "[red]✗[/]"
    data = {"webhook": name, "ok": answer.ok, "status": answer.status, "answer": answer.said}
    return Answer(data, f"{mark} {escape(name)}: {escape(answer.said)}", 0 if answer.ok else 1)


@app.command
def deliver(*, folder: ProjectFolder = None, as_json: AsJson = False) -> Answer:
    """Make every try that is due, once. A running `flyball server` does it by itself; commands that change something too.

    For example:
        flyball webhooks deliver
    """
    from flyball.project import open as open_project

    done = open_project(folder).webhooks.deliver()
    unfit = dict(done.unfit or {})
    data = {"delivered": done.delivered, "failed": done.failed, "dead": done.dead, "not_ready": unfit}
    lines = [f"{done.delivered} delivered, {done.failed} to be tried again, {done.dead} given up"]
    lines += [f"not ready  {escape(name)}: {escape(why)}" for name, why in unfit.items()]
    return Answer(data, "\n".join(lines))


@app.command
def deliveries(
    name: str | None = None,
    *,
    state: Literal["waiting", "delivered", "dead"] | None = None,
    limit: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=100_000))] = 50,
    folder: ProjectFolder = None,
    as_json: AsJson = False,
) -> Answer:
    """Show what was sent, waits to be sent again, or was given up; the newest first.

    For example:
        flyball webhooks deliveries chat --state dead

    Parameters
    ----------
    name
        Only messages to this webhook.
    state
        Only messages in this state.
    limit
        How many at the most.
    """
    from flyball.project import open as open_project

    found = [one.to_dict() for one in open_project(folder).webhooks.deliveries(name, state=state, limit=limit)]
    return Answer({"deliveries": found}, "\n".join(map(_line, found)) or "no messages")


def _lines(hook: dict[str, Any]) -> list[str]:
    return [
        f"[bold]{escape(hook['name'])}[/]  {escape(hook['url'])}",
        f"  tells of   {', '.join(hook['events'])}" + (f"; of {', '.join(hook['models'])}" if hook["models"] else ""),
        f"  secret     {escape(hook['secret_from'])}: {escape(hook['secret'])}",
        f"  messages   {hook['delivered']} delivered, {hook['waiting']} waiting, {hook['dead']} given up",
    ]


def _line(one: dict[str, Any]) -> str:
    due = f", next try {one['due'][:19]}" if one["due"] else ""
    said = f": {one['answer']}" if one["answer"] else ""
    return escape(
        f"{one['changed'][:19]}  {one['hook']}  {one['event']} {one['subject']}  {one['state']} after {one['tries']}"
        f"{' try' if one['tries'] == 1 else ' tries'}{due}{said}"
    )
