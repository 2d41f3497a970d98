"""A program that takes webhooks: it keeps what it was sent and checks signatures as the specification says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

__all__ = ["SECRET", "Receiver", "receiving"]

KEY = b"0123456789abcdef0123456789abcdef"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


@dataclass
class Receiver:
    """`answers` are the statuses to give, in turn; after them 200. `got` holds (headers, body) of each request."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)

    def events(self) -> list[tuple[str, str]]:
        return [(body["type"], body["data"].get("subject", "")) for _, body in self.got]

    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a port of this machine; a request with a wrong signature fails the test."""
    receiver, forged = Receiver(), []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
            right = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
            if not hmac.compare_digest(headers["webhook-signature"], f"v1,{right}"):
                forged.append(headers)
            receiver.got.append((headers, json.loads(body)))
            status = receiver.answers.pop(0) if receiver.answers else 200
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", f"{receiver.url}/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert forged == []
