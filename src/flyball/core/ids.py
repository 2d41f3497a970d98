"""Identifiers that sort by the time they were made."""

from __future__ import annotations

import secrets

from flyball.core.clock import Clock

__all__ = ["new_id"]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str, clock: Clock) -> str:
    """`prefix_` and 26 characters: 48 bits of milliseconds, then 80 random bits, in Crockford's base 32.

    Two ids made in the same millisecond sort at random; ids of different milliseconds sort by time.
    """
    number = (int(clock.now().timestamp() * 1000) << 80) | secrets.randbits(80)
    letters = [_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5)]
    return f"{prefix}_{''.join(letters)}"
