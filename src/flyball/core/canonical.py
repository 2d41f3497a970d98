"""One byte form for each JSON value (RFC 8785), and the digests taken of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

__all__ = ["canonical_json", "digest_json", "sha256_hex"]

_EXACT = 2**53 - 1
_LARGEST = 2**1000  # well within what a float64 reaches


def canonical_json(value: Any) -> bytes:
    """The RFC 8785 form of a JSON value. NaN and integers that no float64 equals have none: pass text or null.

    A float such as 6e16 is written without a point, so that it comes back as an integer: that has the same form.
    """
    import rfc8785

    try:
        return bytes(rfc8785.dumps(value))
    except rfc8785.IntegerDomainError:
        return bytes(rfc8785.dumps(_with_floats(value)))


def _with_floats(value: Any) -> Any:
    """The value with integers beyond 2**53 as floats, where that changes nothing."""
    if isinstance(value, Mapping):
        return {key: _with_floats(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_floats(item) for item in value]
    large = isinstance(value, int) and _EXACT < abs(value) < _LARGEST
    return float(value) if large and int(float(value)) == value else value


def sha256_hex(data: bytes) -> str:
    """Lower-case hexadecimal SHA-256.

    >>> sha256_hex(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(data).hexdigest()


def digest_json(value: Any) -> str:
    """SHA-256 of a JSON value's canonical form, as hexadecimal."""
    return sha256_hex(canonical_json(value))
