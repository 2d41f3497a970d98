"""What a backup says of itself: the first file in it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from flyball.core.canonical import canonical_json
from flyball.ledger.entries import is_digest
from flyball_runtime.errors import BadInput

__all__ = ["MANIFEST", "MANIFEST_DIGEST", "PROJECT", "STORE", "BackupNewer", "Held", "Manifest"]

MANIFEST = "backup.json"
MANIFEST_DIGEST = "backup.json.sha256"
PROJECT = "flyball.toml"
HEAD = "head.json"
STORE = "store.db"
FORMAT = 1
# Names that a backup may hold. Nothing here leads out of a folder, whatever system reads it.
_NAME = re.compile(
    r"flyball\.toml|head\.json|store\.db|artifacts/[0-9a-f]{64}|keys/[0-9a-f]{64}\.pem"
    r"|reports/[A-Za-z0-9][A-Za-z0-9_-]{0,63}-[0-9]{1,9}\.html"
)
_TAKEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)


class BackupNewer(BadInput):
    """The backup was made by a newer Flyball, in a format that this one does not know."""

    code = "FB-BACKUP-002"


@dataclass(frozen=True, slots=True)
class Held:
    """One file of the backup: its name in it, bytes and SHA-256 of its content, the mode that it gets."""

    name: str
    size: int
    sha256: str
    mode: int = 0o644

    _FIELDS: ClassVar[Mapping[str, type]] = {"name": str, "size": int, "sha256": str, "mode": int}

    @classmethod
    def from_dict(cls, raw: object) -> Held:
        """Raises ValueError."""
        if not isinstance(raw, dict) or raw.keys() != cls._FIELDS.keys():
            raise ValueError("a file is not described as it should be")
        if any(type(raw[name]) is not kind for name, kind in cls._FIELDS.items()):
            raise ValueError("a file's description has a wrong type")
        if not _NAME.fullmatch(raw["name"]) or not is_digest(raw["sha256"]) or raw["size"] < 0:
            raise ValueError(f"a backup holds no file {raw['name']!a}")
        if raw["mode"] not in (0o600, 0o644, 0o444):
            raise ValueError(f"{raw['name']} has the mode {raw['mode']:o}")
        return cls(**raw)


@dataclass(frozen=True, slots=True)
class Manifest:
    """`taken` is the instant that the store was copied at, `checkpoint` the newest one in that copy."""

    project: str
    flyball: str
    taken: str
    checkpoint: Mapping[str, Any]
    keys: bool
    files: Sequence[Held]

    def to_bytes(self) -> bytes:
        return (
            canonical_json({"format": FORMAT, **asdict(self), "files": [asdict(held) for held in self.files]}) + b"\n"
        )

    @classmethod
    def parse(cls, data: bytes, where: str) -> Manifest:
        """Raises BackupNewer, or ValueError when it is not a manifest."""
        raw = json.loads(data)
        if not isinstance(raw, dict) or type(raw.get("format")) is not int:
            raise ValueError("it is not a manifest")
        if raw["format"] > FORMAT:
            raise BackupNewer(
                "this backup was made by a newer Flyball", where=where,
                why=f"its format is {raw['format']}; this version knows formats up to {FORMAT}",
                fix="upgrade flyball, then restore it",
            )  # fmt: skip
        texts = ("project", "flyball", "taken")
        right = raw["format"] == FORMAT and raw.keys() == {"format", *texts, "checkpoint", "keys", "files"}
        if not right or not all(isinstance(raw[name], str) for name in texts) or type(raw["keys"]) is not bool:
            raise ValueError("it is not a manifest of format 1")
        if not _TAKEN.fullmatch(raw["taken"]):
            raise ValueError("it does not state when it was taken")
        if not isinstance(raw["checkpoint"], dict) or not isinstance(raw["files"], list):
            raise ValueError("its checkpoint or its files are malformed")
        files = [Held.from_dict(item) for item in raw["files"]]
        names = [held.name for held in files]
        if len(set(names)) != len(names) or not {PROJECT, HEAD, STORE} <= set(names):
            raise ValueError("a file is named twice, or one that must be there is not")
        if any(held.name.startswith("artifacts/") and held.name[10:] != held.sha256 for held in files):
            raise ValueError("an artifact is named otherwise than its digest")
        return cls(raw["project"], raw["flyball"], raw["taken"], raw["checkpoint"], raw["keys"], files)
