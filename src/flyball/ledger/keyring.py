"""The signing keys as their users see them: sign, hand out public halves, rotate, revoke."""

from __future__ import annotations

from typing import Any

from flyball.ledger.entries import Actor, Draft
from flyball.ledger.keys import Key, KeyUnknown, endorse, key_rows
from flyball.ledger.ledger import Ledger
from flyball_runtime.errors import near_miss

__all__ = ["KeyRing"]


class KeyRing:
    """The keys of one project; every change is an entry of its ledger. Safe to share between threads.

    `rotate` retires the current key, whose earlier signatures go on counting; `revoke` says that a key's signatures
    count no more. A rotation is endorsed by the old key, so that nobody can slip in a key of their own.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def list(self) -> list[Key]:
        """Every key, oldest first."""
        with self._ledger.database.read() as connection:
            return key_rows(connection)

    def get(self, identity: str) -> Key:
        """A key by its id, or by eight or more of its first digits. Raises KeyUnknown."""
        keys = self.list()
        found = [key for key in keys if key.id == identity or (len(identity) >= 8 and key.id.startswith(identity))]
        if len(found) != 1:
            if len(identity) < 8 and any(key.id.startswith(identity) for key in keys):
                raise KeyUnknown(
                    f"{identity!r} is too short to name a signing key",
                    why="a key is named by at least 8 digits of its id",
                    fix="keys of this project: " + ", ".join(f"{key.id[:12]} ({key.status})" for key in keys),
                )
            raise KeyUnknown(
                f"no signing key {identity}",
                why=near_miss(identity, [key.id for key in keys] + [key.id[:12] for key in keys]),
                fix="keys of this project: " + ", ".join(f"{key.id[:12]} ({key.status})" for key in keys),
            )
        return found[0]

    @property
    def current_id(self) -> str:
        """Id of the key that signs now."""
        with self._ledger.database.read() as connection:
            return self._ledger.signer(connection)

    def public_pem(self, identity: str | None = None) -> bytes:
        """The public half of a key (of the current one) as PEM. Raises KeyUnknown."""
        return self.get(identity or self.current_id).pem

    def sign(self, message: bytes) -> bytes:
        """ECDSA-P256-SHA256 over `message` by the current key, as DER. Raises KeyMissing."""
        return self._ledger.keys.sign(self.current_id, message)

    def trust(self) -> dict[str, Any]:
        """The trust document (format 1) that `open_bundle(..., trust=...)` takes: every key, revoked ones marked."""
        return {
            "format": 1,
            "keys": [
                {"id": key.id, "pem": key.pem.decode(), "revoked": key.status == "revoked"} for key in self.list()
            ],
        }

    def rotate(self, actor: Actor, reason: str) -> Key:
        """Make a new current key; the old one is retired."""
        return self._replace(actor, reason, revoked=None)

    def revoke(self, identity: str, actor: Actor, reason: str) -> Key:
        """Declare a key's signatures void and destroy its private half; return the key that signs now.

        Revoking the current key makes a new one first. Revoking twice changes nothing. Raises KeyUnknown.
        """
        key = self.get(identity)
        if key.status == "revoked":
            self._ledger.keys.destroy(key.id)  # a crash may have kept it from happening the first time
            return self.get(self.current_id)
        return self._replace(actor, reason, revoked=key.id)

    def _replace(self, actor: Actor, reason: str, *, revoked: str | None) -> Key:
        ledger, files = self._ledger, self._ledger.keys
        with ledger.database.write("ledger.key") as tx:
            known = {key.id for key in key_rows(tx)}
            files.clean(known)
            old, drafts = ledger.signer(tx), []
            if revoked is None or revoked == old:
                new, pem = files.create()
                payload = {"pem": pem.decode(), "endorsement": endorse(files, old, new)}
                drafts.append(Draft("key.rotated", new, actor, reason, {"key": new, "previous": old}, payload))
                tx.after_commit(lambda: files.settle(new))
            if revoked is not None:
                drafts.append(Draft("key.revoked", revoked, actor, reason, {"key": revoked}))
                tx.after_commit(lambda: files.destroy(revoked))
            ledger.append(tx, *drafts)
        return self.get(self.current_id)
