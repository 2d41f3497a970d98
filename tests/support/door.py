"""A door in front of servers: one port whose connections can be cut after so many bytes, and lead to another server then."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

__all__ = ["Door"]


class Door:
    """Passes connections on to a port of this machine; `up` and `down` count the bytes that went through it.

    `cut(up=…)` or `cut(down=…)`: once so many more bytes have gone that way, every connection ends, `then` is called, and
    new ones are refused until `lead` names a server again.
    """

    def __init__(self, target: int) -> None:
        self._target: int | None = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.up = self.down = 0
        self.was_cut = threading.Event()
        self._limits: dict[str, int] = {}
        self._then: Callable[[], object] = lambda: None
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._listen, daemon=True).start()

    def cut(self, *, up: int | None = None, down: int | None = None, then: Callable[[], object] = lambda: None) -> None:
        """End everything after so many more bytes."""
        self.was_cut.clear()
        self._then = then
        limits = {"up": (self.up, up), "down": (self.down, down)}
        self._limits = {way: gone + more for way, (gone, more) in limits.items() if more is not None}

    def lead(self, target: int) -> None:
        """Pass new connections on to a port."""
        self._limits, self._target = {}, target

    def close(self) -> None:
        self._end()
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            target = self._target
            if target is None:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", target))
            except OSError:
                client.close()
                continue
            self._open |= {client, server}
            for way, source, sink in (("up", client, server), ("down", server, client)):
                threading.Thread(target=self._pass, args=(way, source, sink), daemon=True).start()

    def _pass(self, way: str, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                with self._lock:
                    count = getattr(self, way) + len(data)
                    setattr(self, way, count)
                    over = count >= self._limits.get(way, count + 1)
                    if over:
                        self._limits, self._target = {}, None
                if over:
                    self._then()
                    self._end()
                    self.was_cut.set()
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def _end(self) -> None:
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()
