"""`flyball server`: everything over one store on one port, in one process."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from flyball.config import STATE_FOLDER
from flyball.mlflow import Links, MlflowApp, Service
from flyball.server.chores import Chores, Seldom
from flyball.server.refusals import Refusals
from flyball.server.watching import Log, Measured, Watched
from flyball.serving.asgi import App, Prompt, Receive, Response, Scope, Send, json_response
from flyball.serving.guard import Guard, check_host
from flyball.serving.run import Address, run
from flyball_runtime.errors import FlyballError

if TYPE_CHECKING:
    from flyball.project import Project

__all__ = ["SERVER_TOKEN_VARIABLE", "serve", "server_app"]

SERVER_TOKEN_VARIABLE = "FLYBALL_SERVER_TOKEN"  # noqa: S105 - the variable's name, not a secret
_POST_SECONDS = 3.0
_TIDY_SECONDS = 3600.0
_OPEN = frozenset(("/healthz", "/readyz", "/health"))


def serve(
    project: Project,
    *,
    host: str = "127.0.0.1",
    port: int = 5000,
    on_ready: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Serve a project until SIGINT, SIGTERM or `stop`; requests under way get 10 seconds to end.

    Port 0 takes a free one; `on_ready` is given the URL. A token in FLYBALL_SERVER_TOKEN is asked of every request, as
    bearer token or as password. Raises NotLoopback (beyond loopback without one) and PortTaken.
    """
    token = os.environ.get(SERVER_TOKEN_VARIABLE) or None
    check_host(host, token, variable=SERVER_TOKEN_VARIABLE)
    log = Log(project.clock)
    protocol = MlflowApp(
        Service.of(project),
        auth="token" if token else "loopback",
        unforeseen=log.unforeseen,
        links=Links(token, project.clock),
    )
    refusals = Refusals(project.path / STATE_FOLDER / "refusals", project.clock)
    chores = Chores(
        log,
        every={
            "binding": project.tracking.bind,
            "refusals": lambda: refusals.settle(project.ledger),
        },
        last={"binding": project.tracking.bind, "refusals": lambda: refusals.settle(project.ledger, whole=True)},
    )

    # Receivers and object stores may be slow, so nothing else waits for them; a try that is cut off is made again.
    slow: dict[str, Callable[[], object]] = {"uploads": Seldom(project.artifacts.clean, every_s=_TIDY_SECONDS)}
    if project.config.webhooks:
        slow["webhooks"] = _Postman(project, log)
    posting = Chores(log, every=slow, patience_s=_POST_SECONDS)
    control = _Later(lambda: _control(project, token))

    def ready(address: Address) -> None:
        log.tell("ready", url=address.url)
        if on_ready is not None:
            on_ready(address.url)
        control.prepare()

    try:
        with chores, posting:
            run(
                server_app(project, protocol, log, token=token, control=control, refusals=refusals),
                host=host,
                port=port,
                token=token,
                ready=ready,
                stop=stop,
                service="flyball-server",
            )
    finally:
        protocol.close()
        refusals.close()
        log.tell("stopped")


def server_app(
    project: Project,
    protocol: MlflowApp,
    log: Log,
    *,
    token: str | None,
    control: App | None = None,
    refusals: Refusals | None = None,
) -> App:
    """The whole application: probes and numbers, the protocol, and the control plane with the console.

    refusals: counts what is refused at the door.
    """
    measured = Measured()
    control = control or _control(project, token)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and path in ("/healthz", "/health", "/readyz", "/metrics"):
            await (await _probe(path, project, measured)).send(send, head_only=scope["method"] == "HEAD")
        elif scope["type"] == "http" and protocol.answers(path):
            await protocol(scope, receive, send)
        else:
            await control(scope, receive, send)

    guard = Guard(
        answer,
        token=token,
        open_paths=_OPEN,
        permits=protocol.links.holds,
        variable=SERVER_TOKEN_VARIABLE,
        refused=None if refusals is None else refusals.count,
    )
    prompts = {place: _admitted(guard, prompt) for place, prompt in protocol.prompts.items()}
    return Watched(guard, log, measured, prompts)


def _admitted(guard: Guard, prompt: Prompt) -> Prompt:
    """For those whom the guard lets through; it refuses the others on the longer road."""

    def admitted(scope: Scope, body: bytes, reply: Callable[[Response], None]) -> bool:
        return guard.admits(scope) and prompt(scope, body, reply)

    return admitted


def _control(project: Project, token: str | None) -> App:
    from flyball.api import control_app

    return control_app(project.view(), token=token)


class _Later:
    """An application that is made in the background: its framework takes longer to load than all the rest to start."""

    def __init__(self, make: Callable[[], App]) -> None:
        self._made: Future[App] = Future()
        self._thread = threading.Thread(target=self._make, args=(make,), name="flyball-control", daemon=True)

    def prepare(self) -> None:
        """Begin to make it."""
        self._thread.start()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._made.result() if self._made.done() else await asyncio.wrap_future(self._made)
        await app(scope, receive, send)

    def _make(self, make: Callable[[], App]) -> None:
        try:
            self._made.set_result(make())
        except BaseException as error:  # noqa: BLE001 - whoever asks for it is told
            self._made.set_exception(error)


class _Postman:
    """Delivers what webhooks are to be told; the log says when one cannot be told anything, once."""

    def __init__(self, project: Project, log: Log) -> None:
        self._outbox, self._log = project.webhooks, log
        self._told: dict[str, str] = {}

    def __call__(self) -> None:
        done = self._outbox.deliver()
        if done.delivered or done.failed or done.dead:
            self._log.tell("webhooks", delivered=done.delivered, failed=done.failed, dead=done.dead)
        unfit = dict(done.unfit or {})
        for name in unfit.keys() - self._told.keys():
            self._log.tell("webhook not ready", webhook=name, why=unfit[name])
        self._told = unfit


async def _probe(path: str, project: Project, measured: Measured) -> Response:
    if path == "/metrics":
        return Response(200, measured.text().encode(), "text/plain; version=0.0.4; charset=utf-8")
    if path == "/readyz":
        try:
            await asyncio.to_thread(_store_answers, project)
        except FlyballError as error:
            return json_response(503, {"ready": False, "code": error.code})
    return Response(200, b"OK", "text/plain; charset=utf-8")


def _store_answers(project: Project) -> None:
    with project.database.read() as connection:
        project.ledger.newest_checkpoint(connection)
