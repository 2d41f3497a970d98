"""The console on a port of this machine."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from flyball.api.app import control_app
from flyball.api.view import ProjectView
from flyball.serving.guard import TOKEN_VARIABLE, check_host
from flyball.serving.run import Address, run

__all__ = ["serve_console"]


def serve_console(
    view: ProjectView,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    on_ready: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Serve the control plane and the console until SIGINT, SIGTERM or `stop`; `on_ready` is given the URL.

    Port 0 takes a free one. A token in FLYBALL_TOKEN is asked of every request: a browser shows its own dialogue, any
    user name goes with the token as password. Raises NotLoopback (beyond loopback without a token) and PortTaken.
    """
    token = os.environ.get(TOKEN_VARIABLE) or None
    check_host(host, token)

    def ready(address: Address) -> None:
        if on_ready is not None:
            on_ready(address.url)

    run(control_app(view, token=token), host=host, port=port, token=token, ready=ready, stop=stop)
