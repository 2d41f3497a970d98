"""Run an ASGI application on a port until it is asked to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator

from flyball.serving import telemetry
from flyball.serving.asgi import App
from flyball.serving.guard import check_host
from flyball_runtime.errors import BadInput

__all__ = ["Address", "PortTaken", "run"]

_GRACE_SECONDS = 10
_IDLE_SECONDS = 75  # clients that pool connections fail on one that was closed just as they reuse it


class PortTaken(BadInput):
    """The server cannot listen on the address that it was given."""

    code = "FB-SERVE-019"


class Address:
    """Where a server listens: `host`, `port`, `url`."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def run(
    app: App,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    ready: Callable[[Address], None] | None = None,
    stop: threading.Event | None = None,
    service: str = "flyball",
) -> None:
    """Serve `app` until SIGINT, SIGTERM or `stop`; requests under way get 10 seconds to end.

    Port 0 takes a free one; `ready` is called with the address once connections are accepted. `token` only decides
    whether `host` may lie beyond loopback: give it to the app as well. Where the environment configures OpenTelemetry,
    a collector is told of every request, by `service`. Raises NotLoopback, PortTaken, TelemetryNotInstalled.
    """
    import uvloop

    check_host(host, token)
    loop = uvloop.new_event_loop
    with (
        _told(app, service) as told,
        contextlib.closing(_listen(host, port)) as listener,
        asyncio.Runner(loop_factory=loop) as runner,
    ):
        runner.run(_serve(told, listener, ready, stop))


@contextlib.contextmanager
def _told(app: App, service: str) -> Iterator[App]:
    if not telemetry.configured(os.environ):
        yield app
        return
    with contextlib.closing(telemetry.Telemetry(service)) as teller:
        yield teller.around(app)


def _unsaid(record: logging.LogRecord) -> bool:
    """Why an answer was left incomplete on purpose is for the application to log."""
    return not record.getMessage().startswith("ASGI callable returned without completing")


async def _serve(
    app: App, listener: socket.socket, ready: Callable[[Address], None] | None, stop: threading.Event | None
) -> None:
    import uvicorn

    from flyball.serving.connection import Connection

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            # uvicorn raises the signal again after a clean shutdown, which would end the process as if killed.
            yield

    config = uvicorn.Config(
        app,
        http=Connection,
        log_config=None,
        log_level="error",  # that somebody sent what is no request is told to them, not to the log
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="off",
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = Server(config)
    logging.getLogger("uvicorn.error").addFilter(_unsaid)

    def finish() -> None:
        if server.should_exit:
            server.force_exit = True  # asked twice: whoever asks does not want to wait
        server.should_exit = True

    with _signals(finish):
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        if server.started and ready is not None:
            name = listener.getsockname()
            ready(Address(name[0], name[1]))
        while stop is not None and not serving.done():
            if stop.is_set():
                server.should_exit = True
            await asyncio.sleep(0.05)
        await serving


@contextlib.contextmanager
def _signals(finish: Callable[[], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers; `stop` ends a server elsewhere
        return
    loop = asyncio.get_running_loop()
    handled = (signal.SIGINT, signal.SIGTERM)
    for number in handled:
        loop.add_signal_handler(number, finish)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65_535:  # the look-up below would wrap it around
        raise PortTaken(f"cannot listen on port {port}", fix="give a --port from 0 to 65535 (0 takes a free one)")
    name = host.strip("[]")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise PortTaken(
            f"cannot listen on {host}", why=error.strerror, fix="give an address of this machine"
        ) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections inherit it: without it, an answer in two packets waits for the client's delayed
        # acknowledgement, 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
        listener.listen(1024)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise PortTaken(
            f"cannot listen on {host}, port {port}",
            why=error.strerror or str(error),
            fix="stop the other program, or give another --port (0 takes a free one)",
        ) from error
    return listener
