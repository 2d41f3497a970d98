"""Which artifacts a store speaks of: whatever it names, anywhere, is kept and backed up."""

from __future__ import annotations

from collections.abc import Iterable

from flyball.ledger import Ledger
from flyball.store import ArtifactStore
from flyball.store.contents import digests_in
from flyball_runtime.errors import FlyballError

__all__ = ["bound_artifacts", "reachable"]

_LARGEST_DOCUMENT = 64 << 20


def bound_artifacts(ledger: Ledger) -> dict[str, str]:
    """Digests of the artifacts that entries bind, each with what it is bound as: these must be there."""
    return {
        digest: f"{name.partition(':')[2]} of {entry.subject}"
        for entry in ledger.entries()
        for name, digest in entry.binds.items()
        if name.startswith(("artifact:", "file:"))
    }


def reachable(
    artifacts: ArtifactStore, named: Iterable[str], known: dict[str, frozenset[str]] | None = None
) -> set[str]:
    """Those of the `named` artifacts that are there, and those that documents among them name in their turn.

    known: what was found before in artifacts that are there still, and is added to; content never changes, so that a
    second look asks the store about new ones alone.
    """
    known = {} if known is None else known
    found: set[str] = set()
    pending = set(named)
    while pending:
        digest = pending.pop()
        if digest in found or (digest not in known and not artifacts.has(digest)):
            continue
        found.add(digest)
        if digest not in known:
            known[digest] = frozenset(_inside(artifacts, digest))
        pending |= known[digest] - found
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
