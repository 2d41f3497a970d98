"""Whose signatures count: public keys, given as PEM text, as a file, or as a trust document with revocations."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from flyball_runtime.errors import BadInput

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

__all__ = ["Trust", "TrustInvalid", "TrustedKey", "key_id", "load_public_key", "pem_digest", "read_trust"]

_PEM_START = "-----BEGIN PUBLIC KEY-----"
_PEM_END = "-----END PUBLIC KEY-----"
_LARGEST = 2**20


class TrustInvalid(BadInput):
    """The keys to trust cannot be read: no PEM public key of curve P-256, or not a trust document of format 1."""

    code = "FB-SIGN-001"


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key whose signatures count, unless `revoked`. `id` is the SHA-256 (hex) of its DER form."""

    id: str
    pem: bytes
    revoked: bool = False


Trust: TypeAlias = "str | bytes | os.PathLike[str] | TrustedKey | Mapping[str, Any] | Iterable[Trust]"


def read_trust(trust: Trust) -> tuple[TrustedKey, ...]:
    """The keys in PEM text, a .pem or trust .json file, a trust document, or any iterable of these.

    A key that one of them revokes is revoked, whatever the others say. Raises TrustInvalid; never returns nothing.
    """
    keys: dict[str, TrustedKey] = {}
    for key in _collect(trust):
        known = keys.get(key.id)
        keys[key.id] = TrustedKey(key.id, key.pem, key.revoked or (known is not None and known.revoked))
    if not keys:
        raise TrustInvalid("no key to trust was given", fix='pass a public key, such as trust="project.pem"')
    return tuple(keys.values())


def key_id(public_pem: bytes) -> str:
    """SHA-256 (hex) of the key's DER SubjectPublicKeyInfo: the name of a key everywhere in Flyball."""
    return hashlib.sha256(_encode(load_public_key(public_pem), der=True)).hexdigest()


def pem_digest(public_pem: bytes) -> str:
    """SHA-256 (hex) of the key's PEM text: the hint by which OpenSSF model-signing finds a key."""
    return hashlib.sha256(_encode(load_public_key(public_pem), der=False)).hexdigest()


def load_public_key(public_pem: bytes) -> EllipticCurvePublicKey:
    """The key in PEM text. Raises TrustInvalid unless it is an elliptic-curve key on P-256."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(public_pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TrustInvalid("not a public key in PEM form", why=str(error).split("\n", 1)[0], fix=_FIX) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise TrustInvalid("the public key is not an elliptic-curve key on P-256", fix=_FIX)
    return key


_FIX = "pass the signer's public key: it begins with " + _PEM_START


def _encode(key: EllipticCurvePublicKey, *, der: bool) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.DER if der else Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _collect(trust: Trust) -> Iterable[TrustedKey]:
    if isinstance(trust, TrustedKey):
        return [trust]
    if isinstance(trust, bytes):
        return _from_text(trust, "the bytes given")
    if isinstance(trust, str) and _PEM_START in trust:
        return _from_text(trust.encode(), "the text given")
    if isinstance(trust, str | os.PathLike):
        return _from_file(Path(trust))
    if isinstance(trust, Mapping):
        return _from_document(trust, "the document given")
    if isinstance(trust, Iterable):
        return [key for item in trust for key in _collect(item)]
    raise TrustInvalid(f"keys to trust cannot be a {type(trust).__name__}", fix=_FIX)


def _from_file(path: Path) -> list[TrustedKey]:
    try:
        if path.stat().st_size > _LARGEST:
            raise TrustInvalid("the file of keys is larger than 1 MiB", where=str(path), fix=_FIX)
        return _from_text(path.read_bytes(), str(path))
    except OSError as error:
        raise TrustInvalid("the file of keys cannot be read", where=str(path), why=error.strerror, fix=_FIX) from error


def _from_text(text: bytes, where: str) -> list[TrustedKey]:
    if text.lstrip()[:1] == b"{":
        try:
            return _from_document(json.loads(text), where)
        except (ValueError, RecursionError) as error:
            raise TrustInvalid("the trust document is not JSON", where=where, why=str(error)) from error
    parts = text.decode("utf-8", "replace").split(_PEM_START)[1:]
    if not parts or not all(_PEM_END in part for part in parts):
        raise TrustInvalid("no public key in PEM form", where=where, fix=_FIX)
    pems = [(_PEM_START + part.split(_PEM_END)[0] + _PEM_END + "\n").encode() for part in parts]
    return [TrustedKey(key_id(pem), pem) for pem in pems]


def _from_document(document: Mapping[str, Any], where: str) -> list[TrustedKey]:
    keys = document.get("keys")
    if document.get("format") != 1 or not isinstance(keys, list):
        raise TrustInvalid("not a trust document of format 1", where=where, fix='{"format": 1, "keys": [...]}')
    found = []
    for entry in keys:
        if not isinstance(entry, dict) or not isinstance(entry.get("pem"), str):
            raise TrustInvalid('a key in the trust document has no "pem"', where=where)
        revoked = entry.get("revoked", False)
        if not isinstance(revoked, bool):
            raise TrustInvalid('"revoked" must be true or false', where=where, why=repr(revoked))
        key = TrustedKey(key_id(entry["pem"].encode()), entry["pem"].encode(), revoked)
        if entry.get("id", key.id) != key.id:
            raise TrustInvalid("a key in the trust document has an id that is not its own", where=where, why=key.id)
        found.append(key)
    return found
