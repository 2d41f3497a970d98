"""Links to one file, or to one part of an upload, for clients that carry no token to them: signed, and soon void."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import parse_qs, quote

from flyball.core.clock import Clock
from flyball.serving.asgi import Scope

__all__ = ["ROOT", "Links", "base_url"]

ROOT = "/api/2.0/mlflow-artifacts/"
_OURS = re.compile(re.escape(ROOT) + r"(parts/[0-9a-f]{32}/[0-9]{1,5}|blobs/[0-9a-f]{64})")


class Links:
    """Signs links with what the servers over one store share: their token. Every server takes what another has signed.

    A signature is of the method, the path and the time it ends at: HMAC with SHA-256 (RFC 2104). Without a token, whoever
    reaches the port may do everything anyway, and the signature only tells when a link ends.
    """

    def __init__(self, token: str | None, clock: Clock) -> None:
        self._key = hmac.digest((token or "").encode(), b"flyball links", "sha256")
        self._clock = clock

    def sign(self, method: str, path: str, seconds: float) -> str:
        """The path below ROOT with what makes it a link, for so long."""
        ends = int(self._clock.now().timestamp() + seconds)
        return f"{quote(ROOT + path)}?expires={ends}&signature={self._signature(method, ROOT + path, ends)}"

    def holds(self, scope: Scope) -> bool:
        """Whether a request is what a link was signed for, while it lasts."""
        if scope["type"] != "http" or not _OURS.fullmatch(scope["path"]):
            return False
        fields = parse_qs(scope["query_string"].decode("latin-1"))
        ends, given = (fields.get(name, [""])[0] for name in ("expires", "signature"))
        if not (ends.isascii() and ends.isdigit() and len(ends) < 15):
            return False
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        right = hmac.compare_digest(self._signature(method, scope["path"], int(ends)).encode(), given.encode())
        return right and self._clock.now().timestamp() < int(ends)

    def _signature(self, method: str, path: str, ends: int) -> str:
        return hmac.new(self._key, f"{method}\n{path}\n{ends}".encode(), hashlib.sha256).hexdigest()


def base_url(scope: Scope, headers: Mapping[str, str]) -> str:
    """Where the client reached this server: what a proxy says of it, else the Host header."""
    scheme = headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    if scheme not in ("http", "https"):
        scheme = scope.get("scheme", "http")
    host = headers.get("x-forwarded-host", "").partition(",")[0].strip() or headers.get("host", "localhost")
    return f"{scheme}://{host}"
