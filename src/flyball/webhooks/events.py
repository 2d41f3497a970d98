"""An entry of the ledger as a message: what happened, to what, by whom; never the payload, which may hold personal data."""

from __future__ import annotations

from typing import Any

from flyball.config import WebhookConfig
from flyball.core.canonical import canonical_json, sha256_hex
from flyball.ledger import Entry

__all__ = ["body_of", "identity_of", "is_wanted"]

_OF_VERSIONS = ("version.", "gate.", "alert.", "stage.")


def is_wanted(hook: WebhookConfig, entry: Entry) -> bool:
    """Whether a webhook tells of an entry."""
    return entry.what in hook.events and (not hook.models or entry.subject.partition("@")[0] in hook.models)


def identity_of(hook: str, entry_hash: str) -> str:
    """The id of a message: the same however often it is sent, another one for each webhook."""
    return "msg_" + sha256_hex(f"{hook}:{entry_hash}".encode())[:32]


def body_of(entry: Entry, *, project: str, number: int | None) -> bytes:
    """The message, canonical JSON: `type`, `timestamp` and `data`. number: the version that an alias was moved to."""
    model, _, rest = entry.subject.partition("@")
    data: dict[str, Any] = {
        "project": project,
        "entry": {"seq": entry.seq, "hash": entry.hash},
        "subject": entry.subject,
        "model": model,
        "by": entry.actor.to_dict(),
        "reason": entry.why,
    }
    if entry.what.startswith("alias."):
        data |= {"alias": rest, "version": number}
    elif entry.what.startswith(_OF_VERSIONS) and rest.isdigit():
        data["version"] = int(rest)
    return canonical_json({"type": entry.what, "timestamp": entry.time, "data": data})
