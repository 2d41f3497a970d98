"""Signed checkpoints: one hash over the whole history at one size, for whoever wants to hold us to it later.

A checkpoint is the JSON object `{"v":1,"size","root","time","key","signature"}`. `root` is the RFC 6962 Merkle tree hash
(hex) whose leaves are the 32 raw bytes of each entry's hash, in order. `signature` is base64 of a DER ECDSA-P256-SHA256
signature by the key of id `key` over the DSSE pre-authentication encoding of type
`application/vnd.flyball.checkpoint.v1+json` of the object's RFC 8785 form without `signature`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flyball.core.canonical import canonical_json
from flyball.ledger.entries import is_digest
from flyball_runtime.trust import TrustInvalid, load_public_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

__all__ = ["Checkpoint", "envelope", "signature_holds"]

CHECKPOINT_TYPE = b"application/vnd.flyball.checkpoint.v1+json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The Merkle `root` (hex) over the first `size` entries, as of `time`, signed by the key of id `key`."""

    size: int
    root: str
    time: str
    key: str
    signature: bytes

    @classmethod
    def sign(cls, size: int, root: bytes, time: str, key: str, sign: Callable[[bytes], bytes]) -> Checkpoint:
        """`sign` makes a DER ECDSA-SHA256 signature with the private key of id `key`."""
        unsigned = cls(size, root.hex(), time, key, b"")
        return cls(size, root.hex(), time, key, sign(envelope(CHECKPOINT_TYPE, unsigned.body())))

    def body(self) -> bytes:
        """The canonical JSON that is signed."""
        return canonical_json({"v": 1, "size": self.size, "root": self.root, "time": self.time, "key": self.key})

    def to_dict(self) -> dict[str, Any]:
        """The form that travels: in `head.json`, in every bundle, on paper."""
        return {**json.loads(self.body()), "signature": base64.b64encode(self.signature).decode()}

    @classmethod
    def from_dict(cls, raw: object) -> Checkpoint:
        """Raises ValueError when `raw` is not a checkpoint of version 1; the signature is not judged here."""
        if not isinstance(raw, Mapping) or not isinstance(raw.get("signature"), str):
            raise ValueError("not a checkpoint")
        fields = {name: value for name, value in raw.items() if name != "signature"}
        signature = base64.b64decode(raw["signature"], validate=True)
        if base64.b64encode(signature).decode() != raw["signature"]:
            raise ValueError("the signature is not canonical base64")
        return cls._build(fields, signature)

    @classmethod
    def from_row(cls, body: bytes, signature: bytes) -> Checkpoint:
        """Raises ValueError when `body` is not the canonical JSON of a checkpoint of version 1."""
        built = cls._build(json.loads(body), signature)
        if built.body() != body:
            raise ValueError("the checkpoint is not in canonical form")
        return built

    @classmethod
    def _build(cls, fields: object, signature: bytes) -> Checkpoint:
        if not isinstance(fields, dict) or fields.keys() != {"v", "size", "root", "time", "key"} or fields["v"] != 1:
            raise ValueError("not a checkpoint of version 1")
        size, root, time, key = fields["size"], fields["root"], fields["time"], fields["key"]
        if type(size) is not int or not 0 < size < 2**53 or not is_digest(root) or not is_digest(key):
            raise ValueError("a field of the checkpoint is malformed")
        if not isinstance(time, str):
            raise ValueError("the checkpoint's time is malformed")
        return cls(size, root, time, key, signature)

    def signed_by(self, public_pem: bytes) -> bool:
        """Whether the signature is this key's."""
        return signature_holds(public_pem, self.signature, envelope(CHECKPOINT_TYPE, self.body()))


def envelope(kind: bytes, body: bytes) -> bytes:
    """DSSE's pre-authentication encoding: a signature made for one kind of document can never pass for another."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)


@lru_cache(maxsize=64)
def _public_key(pem: bytes) -> EllipticCurvePublicKey:
    return load_public_key(pem)


def signature_holds(public_pem: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` (DER) is ECDSA-P256-SHA256 of `message` by this key; False for a key that is none."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        _public_key(public_pem).verify(signature, message, ec.ECDSA(SHA256()))
    except (InvalidSignature, TrustInvalid, ValueError):
        return False
    return True
