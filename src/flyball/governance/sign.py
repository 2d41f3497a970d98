"""Signing a bundle with the project's key: the last thing that happens to its files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

__all__ = ["SigningKeys", "sign_bundle"]

SIGNATURE = "signature"


class SigningKeys(Protocol):
    """What signing asks of the project's keys; `flyball.ledger.KeyRing` implements it. Private keys never leave it."""

    @property
    def current_id(self) -> str:
        """Id of the key that signs now: SHA-256 of its DER SubjectPublicKeyInfo, as hexadecimal."""

    def public_pem(self, identity: str, /) -> bytes:
        """The public key of this id."""

    def sign(self, message: bytes, /) -> bytes:
        """ECDSA-SHA256 over `message` with the current key, DER-encoded."""


def sign_bundle(files: Mapping[str, bytes], keys: SigningKeys) -> dict[str, bytes]:
    """The files with their `signature` added; an older signature is replaced."""
    from flyball_runtime.signature import sign_files

    unsigned = {name: data for name, data in files.items() if name != SIGNATURE}
    return {**unsigned, SIGNATURE: sign_files(unsigned, keys.sign, keys.public_pem(keys.current_id))}
