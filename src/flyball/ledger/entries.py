"""What one entry of the ledger is: who did what to which subject, why, and the hashes that it binds."""

from __future__ import annotations

import getpass
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flyball.core.canonical import canonical_json, sha256_hex
from flyball_runtime.errors import InternalError

__all__ = ["GENESIS", "Actor", "Draft", "Entry", "NotRecordable", "is_digest", "payload_hash", "record_json"]

GENESIS = "0" * 64
_DIGEST = re.compile(r"[0-9a-f]{64}")
_WHAT = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_KEYS = frozenset(("v", "seq", "time", "what", "subject", "why", "actor", "binds", "payload", "prev"))


class NotRecordable(InternalError):
    """Something handed to the ledger has no place in it: not JSON (NaN, an integer beyond 2^53), or not a hash."""

    code = "FB-LEDGER-001"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: `kind` ("user", "service", "system"), `id` within that kind, and how that was established (`auth`)."""

    kind: str
    id: str
    auth: str

    @classmethod
    def local(cls) -> Actor:
        """The account that runs this process, believed because the operating system says so."""
        try:
            name = getpass.getuser()
        except (KeyError, OSError):  # a container may run as a number without a name
            name = "unknown"
        return cls("user", name, "os")

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Actor:
        return cls(str(raw["kind"]), str(raw["id"]), str(raw["auth"]))

    def to_dict(self) -> dict[str, str]:
        return {"kind": self.kind, "id": self.id, "auth": self.auth}


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry before the ledger gives it a place.

    `what` is a dotted verb ("alias.moved"); `binds` maps names to SHA-256 digests; `payload` (JSON) is kept apart, may
    hold personal data and can be erased later. `why` and `subject` stay for ever: nothing personal belongs there.
    """

    what: str
    subject: str
    actor: Actor
    why: str = ""
    binds: Mapping[str, str] = field(default_factory=dict)
    payload: Any = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, version 1: its place, its content, the hash of the entry before, and its own."""

    seq: int
    time: str
    what: str
    subject: str
    why: str
    actor: Actor
    binds: Mapping[str, str]
    payload: str | None
    prev: str
    hash: str

    @classmethod
    def parse(cls, body: bytes) -> Entry:
        """Read an entry's canonical JSON. Raises ValueError when it is not one of version 1."""
        raw = json.loads(body)
        if not isinstance(raw, dict) or raw.keys() != _KEYS or raw["v"] != 1:
            raise ValueError("not an entry of version 1")
        texts = (raw["time"], raw["what"], raw["subject"], raw["why"], raw["prev"])
        if type(raw["seq"]) is not int or not all(isinstance(text, str) for text in texts):
            raise ValueError("a field has the wrong type")
        binds, actor, payload = raw["binds"], raw["actor"], raw["payload"]
        if not isinstance(binds, dict) or not all(is_digest(value) for value in binds.values()):
            raise ValueError("binds must map names to digests")
        if not isinstance(actor, dict) or actor.keys() != {"kind", "id", "auth"}:
            raise ValueError("the actor is malformed")
        if payload is not None and not is_digest(payload):
            raise ValueError("the payload's hash is malformed")
        time, what, subject, why, prev = texts
        hashed = sha256_hex(body)
        return cls(raw["seq"], time, what, subject, why, Actor.from_dict(actor), binds, payload, prev, hashed)

    def to_dict(self) -> dict[str, Any]:
        """The entry as JSON, its hash included."""
        return {**self.content(), "hash": self.hash}

    def content(self) -> dict[str, Any]:
        """What is hashed."""
        return {
            "v": 1,
            "seq": self.seq,
            "time": self.time,
            "what": self.what,
            "subject": self.subject,
            "why": self.why,
            "actor": self.actor.to_dict(),
            "binds": dict(self.binds),
            "payload": self.payload,
            "prev": self.prev,
        }


def seal(draft: Draft, *, seq: int, prev: str, time: str, payload: str | None) -> tuple[Entry, bytes]:
    """Give a draft its place in the chain; return the entry and the bytes that its hash is taken of.

    Raises NotRecordable.
    """
    if not _WHAT.fullmatch(draft.what) or not draft.subject:
        raise NotRecordable(f"an entry needs a dotted verb and a subject, not {draft.what!r} and {draft.subject!r}")
    for name, digest in draft.binds.items():
        if not is_digest(digest):
            raise NotRecordable(f"{draft.what} binds {name!r} to {digest!r}, which is not a SHA-256 digest")
    open_entry = Entry(
        seq, time, draft.what, draft.subject, draft.why, draft.actor, dict(draft.binds), payload, prev, ""
    )
    body = record_json(open_entry.content(), draft.what)
    return Entry.parse(body), body


def payload_hash(salt: bytes, body: bytes) -> str:
    """SHA-256 over salt and body: without the salt, nobody can test guesses of an erased payload against it."""
    return sha256_hex(salt + body)


def record_json(value: Any, of: str) -> bytes:
    """Canonical JSON of a value that enters the ledger; `of` names it in the error. Raises NotRecordable."""
    try:
        return canonical_json(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise NotRecordable(
            f"{of} cannot be recorded",
            why=str(error),
            fix="pass plain JSON: finite numbers, integers within 2^53, text keys; a missing number is null",
        ) from error


def is_digest(value: object) -> bool:
    """Whether `value` is a lower-case hexadecimal SHA-256."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None
