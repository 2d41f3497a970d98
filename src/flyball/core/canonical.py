"""One byte form for each JSON value (RFC 8785), and the digests taken of it."""

from __future__ import annotations

import hashlib
from typing import Any

__all__ = ["canonical_json", "digest_json", "sha256_hex"]


def canonical_json(value: Any) -> bytes:
    """The RFC 8785 form of a JSON value. Integers beyond 2**53 and NaN have none: pass them as strings or null."""
    import rfc8785

    return bytes(rfc8785.dumps(value))


def sha256_hex(data: bytes) -> str:
    """Lower-case hexadecimal SHA-256.

    >>> sha256_hex(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(data).hexdigest()


def digest_json(value: Any) -> str:
    """SHA-256 of a JSON value's canonical form, as hexadecimal."""
    return sha256_hex(canonical_json(value))
