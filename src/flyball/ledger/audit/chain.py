"""Entries and payloads: is every one there, unedited, in its place, and holding on to the one before?"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from flyball.core.canonical import sha256_hex
from flyball.ledger.audit.findings import Findings
from flyball.ledger.audit.rows import read_rows
from flyball.ledger.entries import GENESIS, Entry, payload_hash
from flyball.ledger.merkle import Frontier

__all__ = ["History", "check_payloads", "read_history"]

_ERASED = re.compile(r"entry:([1-9][0-9]*)")


@dataclass(slots=True)
class History:
    """The entries that could be read, by seq; the Merkle roots (hex) at the sizes asked for; the end."""

    entries: dict[int, Entry] = field(default_factory=dict)
    roots: dict[int, str] = field(default_factory=dict)
    frontier: Frontier = field(default_factory=Frontier)
    tip: str = GENESIS
    payloads: dict[int, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return self.frontier.size


@dataclass(slots=True)
class _Place:
    """Where the walk stands: the row before, with the hash it claims and the hash it has."""

    seq: int = 0
    claimed: str = GENESIS
    actual: str = GENESIS


def read_history(connection: Connection, findings: Findings, sizes: Collection[int]) -> History:
    """Walk the chain, with the Merkle roots after `sizes` entries."""
    history, place, waiting = History(), _Place(), list[bytes]()
    wanted = frozenset(sizes)
    rows = read_rows(connection, findings, "ledger_entries", ("seq", "body", "hash"), "seq")
    for count, (seq, body, claimed) in enumerate(rows, 1):
        entry, actual = _read_entry(findings, seq, body, claimed)
        _check_place(findings, place, seq, entry)
        if entry is not None:
            history.entries[seq] = entry
        place = _Place(seq, claimed if isinstance(claimed, str) else "", actual)
        waiting.append(bytes.fromhex(actual))
        if count in wanted:
            history.frontier, waiting = history.frontier.grow(waiting), []
            history.roots[count] = history.frontier.root().hex()
    history.frontier, history.tip = history.frontier.grow(waiting), place.actual
    return history


def _read_entry(findings: Findings, seq: int, body: object, claimed: object) -> tuple[Entry | None, str]:
    where = f"entry {seq}"
    if not isinstance(body, bytes):
        findings.add("FB-AUDIT-002", where, f"its body is stored as {type(body).__name__}, not as bytes")
        body = str(body).encode("utf-8", "surrogateescape")
    actual = sha256_hex(body)
    if claimed != actual:
        findings.add(
            "FB-AUDIT-003", where, f"its body hashes to {actual[:16]}…, but its hash says {str(claimed)[:16]!a}…"
        )
    try:
        return Entry.parse(body), actual
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        findings.add("FB-AUDIT-002", where, f"its body is not an entry: {type(error).__name__}")
        return None, actual


def _check_place(findings: Findings, place: _Place, seq: int, entry: Entry | None) -> None:
    where = f"entry {seq}"
    if seq > place.seq + 1:
        missing = f"{place.seq + 1}" if seq == place.seq + 2 else f"{place.seq + 1} to {seq - 1}"
        findings.add("FB-AUDIT-005", f"before entry {seq}", f"missing: {missing}")
    elif seq != place.seq + 1:
        findings.add("FB-AUDIT-004", where, "no entry has this number")
    if entry is None:
        return
    if entry.seq != seq:
        findings.add("FB-AUDIT-004", where, f"it says that it is entry {entry.seq}")
    if seq == place.seq + 1 and entry.prev != place.actual:
        # When the row before was edited but this one still holds its old hash, the edit is named already.
        if entry.prev == place.claimed and place.seq:
            return
        findings.add(
            "FB-AUDIT-004", where, f"it follows {entry.prev[:16]}…, but the entry before is {place.actual[:16]}…"
        )


def check_payloads(connection: Connection, findings: Findings, history: History) -> int:
    """Hold each payload against its entry, and read it; return how many there are."""
    erased = _erased(findings, history)
    seen: set[int] = set()
    rows = read_rows(connection, findings, "ledger_payloads", ("seq", "salt", "body"), "seq")
    for seq, salt, body in rows:
        seen.add(seq)
        where, entry = f"payload of entry {seq}", history.entries.get(seq)
        if entry is None or entry.payload is None or seq in erased:
            why = "its entry was erased of it" if seq in erased else "its entry holds no hash of a payload"
            findings.add("FB-AUDIT-008", where, why if entry else "there is no such entry")
        elif not isinstance(salt, bytes) or not isinstance(body, bytes) or payload_hash(salt, body) != entry.payload:
            findings.add("FB-AUDIT-006", where, "salt and body do not give the hash that the entry holds")
        elif len(salt) != 32:
            # Bytes moved across the border between salt and body would leave the hash as it is.
            findings.add("FB-AUDIT-006", where, f"the salt has {len(salt)} bytes, not 32")
        else:
            try:
                history.payloads[seq] = json.loads(body)
            except (ValueError, RecursionError):
                findings.add("FB-AUDIT-006", where, "the body is not JSON")
    for seq, entry in history.entries.items():
        if entry.payload is not None and seq not in seen and seq not in erased:
            findings.add("FB-AUDIT-007", f"payload of entry {seq}", f"{entry.what} of {entry.subject} has lost it")
    return len(rows)


def _erased(findings: Findings, history: History) -> set[int]:
    """Numbers of the entries whose payload a later entry erased."""
    erased: set[int] = set()
    for seq, entry in history.entries.items():
        if entry.what != "payload.erased":
            continue
        named = _ERASED.fullmatch(entry.subject)
        target = history.entries.get(int(named[1])) if named and len(named[1]) < 16 else None
        if target is None or target.seq >= seq or target.payload != entry.binds.get("payload"):
            findings.add("FB-AUDIT-008", f"entry {seq}", f"it erases {entry.subject}, which held no such payload")
        else:
            erased.add(target.seq)
    return erased
