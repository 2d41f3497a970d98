"""Who may talk to a server: programs of this machine, or whoever holds the token."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import ClassVar
from urllib.parse import urlsplit

from flyball.serving.asgi import App, Receive, Scope, Send, error_response
from flyball_runtime.errors import BadInput, FlyballError, Refused

__all__ = [
    "TOKEN_VARIABLE",
    "CrossSite",
    "Guard",
    "NotAuthenticated",
    "NotLoopback",
    "WrongHost",
    "check_host",
    "is_loopback",
]

TOKEN_VARIABLE = "FLYBALL_TOKEN"  # noqa: S105 - the variable's name, not a secret
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOKED_AT = frozenset((b"host", b"origin", b"sec-fetch-site", b"authorization"))
_SHORTEST_TOKEN = 16


class NotLoopback(BadInput):
    """A server was asked to listen beyond this machine although no (or too short a) token protects it."""

    code = "FB-SERVE-010"


class NotAuthenticated(Refused):
    """A request carries no token, or a wrong one."""

    code = "FB-SERVE-011"
    status: ClassVar[int] = 401
    headers: ClassVar[Mapping[str, str]] = {"www-authenticate": 'Basic realm="flyball", Bearer realm="flyball"'}


class WrongHost(Refused):
    """A request names a host that is not this machine: a web page may be trying to reach it under a name of its own."""

    code = "FB-SERVE-012"
    status: ClassVar[int] = 421


class CrossSite(Refused):
    """A web page of another site tried to change something here."""

    code = "FB-SERVE-013"
    status: ClassVar[int] = 403


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def check_host(host: str, token: str | None, *, variable: str = TOKEN_VARIABLE) -> None:
    """Raises NotLoopback for an address beyond this machine without a token of at least 16 characters."""
    if is_loopback(host):
        return
    if not token:
        raise NotLoopback(
            f"will not listen on {host} without a token",
            why="whoever reaches the port could ask the model and write outcomes",
            fix=f"set the environment variable {variable}, or leave --host at 127.0.0.1",
        )
    if len(token) < _SHORTEST_TOKEN:
        raise NotLoopback(
            f"the token in {variable} is too short to listen on {host}",
            why=f"it has {len(token)} characters; short ones can be guessed",
            fix='make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"',
        )


class Guard:
    """ASGI middleware that lets a request through or answers it with a coded refusal.

    Without a token the Host header must name this machine, which defeats DNS rebinding. With one, every path but
    `open_paths` needs `Authorization: Bearer TOKEN` (or Basic, with the token as password, so that a browser can ask
    for it), unless `permits` knows the request as one that was permitted by other means. Either way a request that
    changes something must not come from a page of another site.
    """

    def __init__(
        self,
        app: App,
        *,
        token: str | None = None,
        open_paths: frozenset[str] = frozenset(),
        permits: Callable[[Scope], bool] | None = None,
        variable: str = TOKEN_VARIABLE,
        refused: Callable[[Scope, FlyballError], None] | None = None,
    ) -> None:
        self._variable = variable
        self._refused = refused
        self._app = app
        self._token = token
        self._open_paths = open_paths
        self._permits = permits

    def admits(self, scope: Scope) -> bool:
        """Whether it would let this HTTP request through."""
        return self._judged(scope) is None

    def _judged(self, scope: Scope) -> FlyballError | None:
        refusal = self._refusal(scope["method"], scope["path"], scope["headers"])
        if isinstance(refusal, NotAuthenticated) and self._permits is not None and self._permits(scope):
            return None
        return refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refusal = self._judged(scope)
            if refusal is not None:
                if self._refused is not None:
                    self._refused(scope, refusal)
                await error_response(refusal).send(send, head_only=scope["method"] == "HEAD")
                return
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._app(scope, receive, send)

    def _refusal(self, method: str, path: str, sent: Iterable[tuple[bytes, bytes]]) -> FlyballError | None:
        headers = {name: value.decode("latin-1") for name, value in sent if name in _LOOKED_AT}
        host = headers.get(b"host", "")
        if self._token is None and not _names_this_machine(host):
            return WrongHost(
                f"this server does not answer for the host {host!r}",
                why="it listens for this machine only, and has no token",
                fix=f"ask it as 127.0.0.1 or localhost, or set {self._variable} and start it again",
            )
        if method not in _SAFE_METHODS and _is_cross_site(headers, host):
            return CrossSite("a page of another site may not change anything here", where=headers.get(b"origin"))
        if self._token is not None and path not in self._open_paths and not _holds(self._token, headers):
            return NotAuthenticated(
                "the request carries no valid token", fix=f"send the header: Authorization: Bearer ${self._variable}"
            )
        return None


def _is_cross_site(headers: Mapping[bytes, str], host: str) -> bool:
    if headers.get(b"sec-fetch-site", "none") not in {"same-origin", "none"}:
        return True
    origin = headers.get(b"origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc.lower() != host.lower()
    except ValueError:  # no browser sends such an origin
        return True


@lru_cache(maxsize=64)
def _names_this_machine(host: str) -> bool:
    """Whether a Host header can only mean this machine; nearly every request names the same one."""
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def _holds(token: str, headers: Mapping[bytes, str]) -> bool:
    scheme, _, credentials = headers.get(b"authorization", "").partition(" ")
    given = credentials.strip()
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode("utf-8").partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return False
    elif scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode("utf-8"))
