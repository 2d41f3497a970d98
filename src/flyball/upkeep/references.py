"""Which artifacts a store speaks of: whatever it names, anywhere, is kept and backed up."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, inspect, literal_column, select, table

from flyball.ledger import Ledger
from flyball.store import ArtifactStore, Reader, Transaction
from flyball.store.tables import steps
from flyball_runtime.errors import FlyballError

__all__ = ["bound_artifacts", "digests_in", "named_digests", "reachable"]

_DIGEST = re.compile(rb"[0-9a-f]{64}")
# Their rows hold what was asked, answered and true, never the digest of an artifact; they are by far the largest tables.
_NAME_NONE = frozenset(("predictions", "outcomes"))
_LARGEST_DOCUMENT = 64 << 20
_ROWS = 500


def digests_in(data: bytes) -> set[str]:
    """Everything in `data` that looks like a digest.

    >>> digests_in(b'{"pipeline": "' + b"ab" * 32 + b'", "rows": 12}') == {"ab" * 32}
    True
    """
    return {found.decode() for found in _DIGEST.findall(data)}


def named_digests(reader: Reader, *, steps_since: str = "") -> set[str]:
    """Every digest that stands in any table but those of the prediction log, whatever part of Flyball wrote it.

    steps_since: leave out the steps remembered before this moment (RFC 3339), to see what would be named without them.
    """
    connection = reader.connection if isinstance(reader, Transaction) else reader
    named: set[str] = set()
    for name in inspect(connection).get_table_names():
        if name in _NAME_NONE:
            continue
        query: Select[Any] = select(literal_column("*")).select_from(table(name))
        if name == steps.name:
            query = select(steps).where(steps.c.created >= steps_since)
        rows = connection.execute(query)
        for part in rows.partitions(_ROWS):
            for row in part:
                for value in row:
                    if isinstance(value, str | bytes):
                        named |= digests_in(value if isinstance(value, bytes) else value.encode("utf-8", "replace"))
    return named


def bound_artifacts(ledger: Ledger) -> dict[str, str]:
    """Digests of the artifacts that entries bind, each with what it is bound as: these must be there."""
    return {
        digest: f"{name.partition(':')[2]} of {entry.subject}"
        for entry in ledger.entries()
        for name, digest in entry.binds.items()
        if name.startswith(("artifact:", "file:"))
    }


def reachable(artifacts: ArtifactStore, named: Iterable[str]) -> set[str]:
    """Those of the `named` artifacts that are there, and those that documents among them name in their turn."""
    found: set[str] = set()
    pending = set(named)
    while pending:
        digest = pending.pop()
        if digest in found or not artifacts.has(digest):
            continue
        found.add(digest)
        pending |= _inside(artifacts, digest) - found
    return found


def _inside(artifacts: ArtifactStore, digest: str) -> set[str]:
    """What a JSON document names; nothing for other blobs, nor for a damaged one, which others will complain of."""
    try:
        if artifacts.size(digest) > _LARGEST_DOCUMENT:
            return set()
        with artifacts.open(digest) as stream:
            if stream.read(1) not in (b"{", b"["):
                return set()
        return digests_in(artifacts.read(digest)) - {digest}
    except FlyballError:
        return set()
