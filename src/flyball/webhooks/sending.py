"""One HTTP POST to an address that somebody else chose: to public hosts only, to the very address that was judged."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flyball.core.version import __version__
from flyball_runtime.errors import Refused

__all__ = ["AddressRefused", "Answered", "Resolve", "post", "public_address"]

_SECONDS = 10.0  # for each step
_WHOLE_SECONDS = 20.0  # for all of them: an answer may not come byte by byte for ever
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Resolve = Callable[[str, int], list[str]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class AddressRefused(Refused):
    """A webhook's host is an address of this machine or of a network that is not public; no request is sent there."""

    code = "FB-HOOK-002"


@dataclass(frozen=True, slots=True)
class Answered:
    """How a try ended: the HTTP status (None: there was none), and what to say of it; `retry_after` in seconds."""

    status: int | None
    said: str
    retry_after: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    networks: Collection[str] = (),
    resolve: Resolve | None = None,
) -> Answered:
    """Send `body` and read the status. Redirects are not followed and no proxy is asked.

    The name is looked up once, every address of it is judged, and the connection goes to a judged address: a name
    server that answers otherwise a moment later (DNS rebinding) changes nothing. networks: allowed beyond public ones.
    Raises AddressRefused. Everything else that goes wrong is an Answered without status.
    """
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    try:
        addresses = (resolve or _look_up)(host, port)
    except OSError as error:
        return Answered(None, f"{host} cannot be looked up: {error.strerror or error}")
    allowed = [ipaddress.ip_network(network) for network in networks]
    for address in addresses:
        _judge(host, address, allowed, secure=secure)
    if not addresses:
        return Answered(None, f"{host} has no address")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = (_SecurePinned if secure else _Pinned)(host, port, addresses[0])
    watchdog = threading.Timer(_WHOLE_SECONDS, connection.cut)
    watchdog.daemon = True
    watchdog.start()
    sent = {
        "content-type": "application/json",
        "user-agent": f"flyball/{__version__}",
        "connection": "close",
        **headers,
    }
    try:
        connection.request("POST", target, body, sent)
        answer = connection.getresponse()
        return Answered(answer.status, _said(answer.status), _retry_after(answer.headers))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answered(None, f"no answer: {_reason(error)}")
    finally:
        watchdog.cancel()
        connection.close()


def public_address(text: str, allowed: Collection[Network] = ()) -> bool:
    """Whether an IP address is a public one, or lies in an allowed network; also where IPv6 only wraps an IPv4 one.

    >>> public_address("93.184.216.34"), public_address("127.0.0.1"), public_address("::ffff:10.0.0.1")
    (True, False, False)
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    inner = _wrapped(address)
    if inner is not None:
        return public_address(str(inner), allowed)
    if any(address.version == network.version and address in network for network in allowed):
        return True
    return address.is_global and not address.is_multicast and not address.is_reserved and "%" not in text


def _wrapped(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def _judge(host: str, address: str, allowed: Collection[Network], *, secure: bool) -> None:
    if not public_address(address, allowed):
        raise AddressRefused(
            f"nothing is sent to {host}",
            why=f"it is the address {address}, of this machine or of a network that is not public",
            fix=f'where that is meant: networks = ["{address}"] in the webhook\'s section',
        )
    if not secure and public_address(address):
        raise AddressRefused(
            f"nothing is sent to {host} without encryption", why="the url begins with http:", fix="write https://"
        )


def _look_up(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class _Pinned(http.client.HTTPConnection):
    """A connection that goes to one address, whatever the host's name means by now."""

    def __init__(self, host: str, port: int, address: str) -> None:
        super().__init__(host, port, timeout=_SECONDS)
        self._address = address

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), self.timeout)

    def cut(self) -> None:
        """End it from another thread."""
        if self.sock is not None:
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return


class _SecurePinned(_Pinned):
    def connect(self) -> None:
        super().connect()
        plain = self.sock
        try:
            self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise


def _said(status: int) -> str:
    if 300 <= status < 400:
        return f"HTTP {status}: redirects are not followed"
    return f"HTTP {status}"


def _retry_after(headers: Any) -> float | None:
    text = str(headers.get("retry-after", "")).strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing came for {_SECONDS:g} s"
    return (str(getattr(error, "strerror", None) or error) or type(error).__name__)[:200]
