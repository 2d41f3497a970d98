"""Keys and checkpoints: was this history signed as it stands, by keys that were entitled to?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection

from flyball.ledger.audit.chain import History
from flyball.ledger.audit.findings import Findings
from flyball.ledger.audit.rows import read_rows, shown
from flyball.ledger.checkpoints import Checkpoint
from flyball.ledger.keys import endorsed
from flyball_runtime.trust import TrustInvalid, key_id

__all__ = ["KeyLife", "SealRow", "check_head", "check_outside", "check_seals", "read_keys", "read_seals"]


@dataclass(frozen=True, slots=True)
class KeyLife:
    """A key's public half, the entry that brought it and the one that revoked it (0: none did)."""

    pem: bytes
    since: int
    revoked: int


@dataclass(frozen=True, slots=True)
class SealRow:
    """A row of the table of checkpoints, and the checkpoint in it if there is one."""

    size: int
    checkpoint: Checkpoint | None


def read_seals(connection: Connection, findings: Findings) -> list[SealRow]:
    """The table of checkpoints; malformed rows are named."""
    found = []
    for size, body, signature in read_rows(
        connection, findings, "ledger_checkpoints", ("size", "body", "signature"), "size"
    ):
        checkpoint = None
        try:
            if not isinstance(body, bytes) or not isinstance(signature, bytes):
                raise ValueError("it is not stored as bytes")
            checkpoint = Checkpoint.from_row(body, signature)
            if checkpoint.size != size:
                findings.add("FB-AUDIT-009", f"checkpoint {size}", f"it says that its size is {checkpoint.size}")
        except (ValueError, TypeError, RecursionError) as error:
            findings.add("FB-AUDIT-009", f"checkpoint {size}", f"malformed: {shown(str(error))}")
        found.append(SealRow(size, checkpoint))
    return found


def read_keys(findings: Findings, history: History, accepted: Collection[str]) -> dict[str, KeyLife]:
    """The keys that the entries introduce, in order; `accepted` are ids that need no endorsement."""
    keys: dict[str, KeyLife] = {}
    current = ""
    for seq in sorted(history.entries):
        entry = history.entries[seq]
        if entry.what not in ("key.created", "key.rotated", "key.revoked"):
            continue
        identity = entry.binds.get("key", "")
        if entry.what == "key.revoked":
            if identity in keys:
                keys[identity] = KeyLife(keys[identity].pem, keys[identity].since, seq)
            continue
        payload = history.payloads.get(seq)
        pem = payload.get("pem") if isinstance(payload, dict) else None
        if not isinstance(payload, dict) or not isinstance(pem, str) or not _is_key(pem, identity):
            findings.add("FB-AUDIT-015", f"entry {seq}", f"it holds no public key of id {identity[:16]}…")
            continue
        if current and identity not in accepted:
            held = entry.binds.get("previous") == current and endorsed(
                keys[current].pem, current, identity, payload.get("endorsement")
            )
            if not held:
                findings.add(
                    "FB-AUDIT-015",
                    f"entry {seq}",
                    f"key {identity[:16]}… came without the word of key {current[:16]}… before it; if that key was lost "
                    "and you know the new one, accept it by its id",
                )
        keys[identity], current = KeyLife(pem.encode(), seq, 0), identity
    return keys


def _is_key(pem: str, identity: str) -> bool:
    try:
        return key_id(pem.encode("utf-8", "replace")) == identity
    except TrustInvalid:
        return False


def check_seals(findings: Findings, rows: list[SealRow], history: History, keys: dict[str, KeyLife]) -> None:
    """Hold every checkpoint of the table against the history and the keys."""
    differing = []
    for row in rows:
        if row.checkpoint is None:
            continue
        where = f"checkpoint {row.size}"
        _check_signature(findings, where, row.checkpoint, keys)
        if row.checkpoint.size > history.size:
            findings.add("FB-AUDIT-012", where, f"it was signed over more entries than the {history.size} there are")
        elif history.roots.get(row.checkpoint.size) != row.checkpoint.root:
            differing.append(row.checkpoint.size)
    if differing:
        rest = f", nor are {len(differing) - 1} later ones" if len(differing) > 1 else ""
        findings.add(
            "FB-AUDIT-011",
            f"checkpoint {differing[0]}",
            f"the first {differing[0]} entries are not those it signed{rest}",
        )
    newest = max((row.size for row in rows), default=0)
    if newest < history.size:
        findings.add(
            "FB-AUDIT-014", f"entry {history.size}", f"no checkpoint reaches it: the newest is over {newest} entries"
        )


def check_outside(
    findings: Findings, outside: list[tuple[str, object]], history: History, keys: dict[str, KeyLife]
) -> None:
    """Hold checkpoints that were kept elsewhere against this history."""
    for where, raw in outside:
        try:
            checkpoint = Checkpoint.from_dict(raw)
        except (ValueError, TypeError, RecursionError) as error:
            findings.add("FB-AUDIT-009", where, f"malformed: {shown(str(error))}")
            continue
        if checkpoint.size > history.size:
            known = f"it was signed over {checkpoint.size} entries on {shown(checkpoint.time)}"
            findings.add("FB-AUDIT-012", where, f"{known}; the ledger has {history.size}")
            continue
        _check_signature(findings, where, checkpoint, keys)
        if history.roots.get(checkpoint.size) != checkpoint.root:
            findings.add("FB-AUDIT-011", where, f"the first {checkpoint.size} entries are not those it signed")


def _check_signature(findings: Findings, where: str, checkpoint: Checkpoint, keys: dict[str, KeyLife]) -> None:
    key = keys.get(checkpoint.key)
    if key is None or key.since > checkpoint.size:
        findings.add("FB-AUDIT-010", where, f"key {checkpoint.key[:16]}… was not the project's then")
        return
    if key.revoked and key.revoked <= checkpoint.size:
        findings.add("FB-AUDIT-010", where, f"key {checkpoint.key[:16]}… had been revoked by entry {key.revoked}")
    if not checkpoint.signed_by(key.pem):
        findings.add("FB-AUDIT-009", where, "its signature does not hold: the checkpoint or the signature was edited")


def check_head(connection: Connection, findings: Findings, history: History, seals: list[SealRow]) -> None:
    """Hold the recorded end, where the next entry would be added, against the real one."""
    columns = ("id", "size", "tip", "frontier", "checkpoints")
    rows = read_rows(connection, findings, "ledger_head", columns, "id")
    if not rows and not history.size:
        return
    if len(rows) != 1:
        findings.add("FB-AUDIT-013", "ledger_head", f"it has {len(rows)} rows, not one")
        return
    right = (1, history.size, history.tip, history.frontier.to_bytes(), len(seals))
    for name, stored, wanted in zip(columns, rows[0], right, strict=True):
        if stored == wanted and type(stored) is type(wanted):
            continue
        if name == "checkpoints":
            findings.add("FB-AUDIT-014", "ledger_head", f"it counts {shown(stored)} checkpoints; there are {wanted}")
        else:
            findings.add("FB-AUDIT-013", "ledger_head", f"{name} is {shown(stored)}; it should be {shown(wanted)}")
