"""What proves to a receiver that a message came from here, is whole, and is not an old one sent again."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os

from flyball_runtime.errors import BadInput

__all__ = ["SecretUnfit", "secret_in", "signed_headers"]

_PREFIX = "whsec_"
_SHORTEST = 24


class SecretUnfit(BadInput):
    """The environment variable that is to hold a webhook's secret is not set, or what it holds is too short or malformed."""

    code = "FB-HOOK-001"


def secret_in(variable: str) -> bytes:
    """The secret that an environment variable holds: `whsec_` and base64, or any text of 24 bytes at least.

    Raises SecretUnfit.
    """
    text = os.environ.get(variable, "")
    fix = f'export {variable}="whsec_$(openssl rand -base64 32)", and give the same to the receiver'
    if not text:
        raise SecretUnfit(
            f"the environment variable {variable} is not set", why="it holds the webhook's secret", fix=fix
        )
    try:
        secret = (
            base64.b64decode(text.removeprefix(_PREFIX), validate=True) if text.startswith(_PREFIX) else text.encode()
        )
    except (binascii.Error, ValueError):
        raise SecretUnfit(f"{variable} begins with {_PREFIX}, but no base64 follows", fix=fix) from None
    if len(secret) < _SHORTEST:
        raise SecretUnfit(
            f"the secret in {variable} is shorter than {_SHORTEST} bytes", why="short ones can be guessed", fix=fix
        )
    return secret


def signed_headers(identity: str, timestamp: int, body: bytes, secret: bytes) -> dict[str, str]:
    """The headers of a message after the Standard Webhooks specification, version 1: HMAC-SHA256 over id, time and body.

    timestamp: of this try, in seconds since 1970.

    >>> signed_headers("msg_1", 1700000000, b"{}", b"0" * 24)["webhook-signature"]
    'v1,GyD6JYhOMw54HxxeJFT2MBccaZQKsuPluglVfnm25Bo='
    """
    signed = f"{identity}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": identity, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}
