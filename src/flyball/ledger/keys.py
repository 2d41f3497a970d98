"""The project's signing keys: private halves in files of mode 600, everything else in the ledger."""

from __future__ import annotations

import base64
import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from flyball.core.canonical import canonical_json
from flyball.core.failpoints import failpoint
from flyball.core.files import sync_directory, write_atomic
from flyball.ledger.checkpoints import envelope, signature_holds
from flyball.ledger.entries import Entry
from flyball.ledger.projection import Projection
from flyball.ledger.tables import signing_keys
from flyball.store import Reader, Transaction
from flyball_runtime.errors import BadInput, InternalError
from flyball_runtime.trust import key_id

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

__all__ = ["KEYS", "Key", "KeyFiles", "KeyMissing", "KeyUnknown", "endorse", "endorsed", "key_rows"]

_PENDING = ".pem.new"
_ENDORSEMENT_TYPE = b"application/vnd.flyball.key.v1+json"


class KeyMissing(InternalError):
    """The private half of the project's signing key is not where it belongs, or is not that key."""

    code = "FB-KEY-001"


class KeyUnknown(BadInput):
    """The project has no signing key of this id."""

    code = "FB-KEY-002"


@dataclass(frozen=True, slots=True)
class Key:
    """A public key of the project. `status` is "current" (signs), "retired" (its signatures count) or "revoked"."""

    id: str
    pem: bytes
    status: str
    created: str
    ended: str | None
    seq: int

    def to_dict(self) -> dict[str, Any]:
        return {"id": self.id, "status": self.status, "created": self.created, "ended": self.ended, "entry": self.seq}


class KeyFiles:
    """Private keys in a folder of mode 700: `ID.pem`, PKCS #8, unencrypted, mode 600. Safe to share between threads.

    A new key is first `ID.pem.new`; it becomes `ID.pem` once the ledger knows it. A crash in between leaves a file that
    signs all the same if the ledger took it, and that `clean` removes if not; no other file is ever removed unasked.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loaded: dict[str, EllipticCurvePrivateKey] = {}
        self._guard = threading.Lock()

    def create(self) -> tuple[str, bytes]:
        """Make a P-256 key; return its id and its public half as PEM. Durable when it returns."""
        from cryptography.hazmat.primitives import serialization as form
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        secret = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
        public = key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
        identity = key_id(public)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(self.folder / (identity + _PENDING), secret, label="ledger.key-file", mode=0o600)
        return identity, public

    def settle(self, identity: str) -> None:
        """Give the file of a key that the ledger now knows its final name."""
        pending = self.folder / (identity + _PENDING)
        failpoint("ledger.key-file:settle")
        if pending.exists():
            pending.rename(self.folder / f"{identity}.pem")
            sync_directory(self.folder)
        failpoint("ledger.key-file:settled")

    def clean(self, known: Collection[str]) -> None:
        """Settle or remove what a crash left. The caller holds the write lock, so that nobody is making a key now."""
        for path in self.folder.glob("*" + _PENDING):
            identity = path.name.removesuffix(_PENDING)
            if identity in known:
                self.settle(identity)
            else:
                path.unlink(missing_ok=True)

    def destroy(self, identity: str) -> None:
        """Remove a private key for ever."""
        with self._guard:
            self._loaded.pop(identity, None)
        failpoint("ledger.key-file:destroy")
        for path in self.paths(identity):
            path.unlink(missing_ok=True)
        failpoint("ledger.key-file:destroyed")

    def has(self, identity: str) -> bool:
        """Whether the private half of this key lies here."""
        return any(path.is_file() for path in self.paths(identity))

    def paths(self, identity: str) -> tuple[Path, Path]:
        """Where the private half of a key lies, or before the ledger knew it."""
        return self.folder / f"{identity}.pem", self.folder / (identity + _PENDING)

    def sign(self, identity: str, message: bytes) -> bytes:
        """ECDSA-P256-SHA256 over `message`, as DER. Raises KeyMissing."""
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.hashes import SHA256

        return self._load(identity).sign(message, ec.ECDSA(SHA256()))

    def _load(self, identity: str) -> EllipticCurvePrivateKey:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization as form
        from cryptography.hazmat.primitives.asymmetric import ec

        with self._guard:
            if identity in self._loaded:
                return self._loaded[identity]
            try:
                path = next(path for path in self.paths(identity) if path.exists())
                key = form.load_pem_private_key(path.read_bytes(), None)
            except (StopIteration, OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
                raise self._missing(identity, "it cannot be read" if str(error) else "no such file") from error
            public = key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
            if not isinstance(key, ec.EllipticCurvePrivateKey) or key_id(public) != identity:
                raise self._missing(identity, "the file holds another key")
            self._loaded[identity] = key
            return key

    def _missing(self, identity: str, why: str) -> KeyMissing:
        return KeyMissing(
            f"the project's signing key {identity[:12]} cannot be used",
            where=str(self.folder / f"{identity}.pem"),
            why=why,
            fix="put the file back from a backup; if it is lost, make a new key: flyball keys rotate",
        )


def key_rows(reader: Reader) -> list[Key]:
    """Every key of the project, oldest first."""
    query = select(signing_keys).order_by(signing_keys.c.seq, signing_keys.c.id)
    return [Key(row.id, row.pem.encode(), row.status, row.created, row.ended, row.seq) for row in reader.execute(query)]


def endorse(files: KeyFiles, previous: str, new: str) -> str | None:
    """The old key's word for the new one (base64), or None when the old key's private half is lost."""
    if not files.has(previous):
        return None
    return base64.b64encode(files.sign(previous, _endorsement(previous, new))).decode()


def endorsed(public_pem: bytes, previous: str, new: str, endorsement: object) -> bool:
    """Whether `endorsement` is the word of key `previous` (its public half: `public_pem`) for key `new`."""
    if not isinstance(endorsement, str):
        return False
    try:
        signature = base64.b64decode(endorsement, validate=True)
    except ValueError:
        return False
    return signature_holds(public_pem, signature, _endorsement(previous, new))


def _endorsement(previous: str, new: str) -> bytes:
    return envelope(_ENDORSEMENT_TYPE, canonical_json({"v": 1, "key": new, "previous": previous}))


def _created(tx: Transaction, entry: Entry, payload: Any) -> None:
    ended = update(signing_keys).where(signing_keys.c.status == "current")
    tx.execute(ended.values(status="retired", ended=entry.time))
    row = {
        "id": entry.binds["key"],
        "pem": payload["pem"],
        "status": "current",
        "created": entry.time,
        "ended": None,
        "seq": entry.seq,
    }
    tx.execute(insert(signing_keys), row)


def _revoked(tx: Transaction, entry: Entry, _payload: Any) -> None:
    found = update(signing_keys).where(signing_keys.c.id == entry.binds["key"])
    tx.execute(found.values(status="revoked", ended=entry.time))


KEYS = Projection(
    tables=(signing_keys,),
    handlers={"key.created": _created, "key.rotated": _created, "key.revoked": _revoked},
)
