"""The memory of a project: append-only, hash-chained, checkpointed; the governed tables follow from it."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, delete, insert, select, update

from flyball.core.canonical import canonical_json, sha256_hex
from flyball.core.clock import Clock, rfc3339
from flyball.core.files import CannotWrite, StoreFull, write_atomic
from flyball.ledger import merkle, tables
from flyball.ledger.checkpoints import Checkpoint
from flyball.ledger.entries import GENESIS, Actor, Draft, Entry, payload_hash, record_json, seal
from flyball.ledger.keys import KEYS, KeyFiles, key_rows
from flyball.ledger.merkle import Frontier
from flyball.ledger.projection import Handler, Projection
from flyball.store import Database, Reader, StoreDamaged, Transaction, file_lock
from flyball_runtime.errors import BadInput, InternalError, Refused

if TYPE_CHECKING:
    from flyball.ledger.audit import Verification
    from flyball.store import ArtifactStore

__all__ = ["CannotErase", "EntryUnknown", "Ledger", "LedgerDamaged"]

_CHUNK = 2000


class LedgerDamaged(InternalError):
    """The ledger contradicts itself, so nothing is added to it and nothing rebuilt from it."""

    code = "FB-LEDGER-002"


class EntryUnknown(BadInput):
    """The ledger has no entry of this number, or the entry has no payload."""

    code = "FB-LEDGER-003"


class CannotErase(Refused):
    """This payload must stay: without it the ledger's signatures could no longer be checked."""

    code = "FB-LEDGER-004"


@dataclass(frozen=True, slots=True)
class _Head:
    """Where the next entry goes."""

    tip: str
    frontier: Frontier
    checkpoints: int


class Ledger:
    """Entries, their payloads and checkpoints, in the tables of `database`. Safe to share between threads.

    `append` works inside the caller's transaction: entries, the governed tables that follow from them and a signed
    checkpoint become durable together or not at all. A copy of the newest checkpoint is then written to the file
    `head` beside the store, where a store that was rolled back does not take it along.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        keys: KeyFiles,
        *,
        projections: Sequence[Projection] = (),
        head: Path | None = None,
    ) -> None:
        self.database = database
        self.keys = keys
        self.head = head or database.folder / "head.json"
        self.projections: tuple[Projection, ...] = (KEYS, *projections)
        self._clock = clock
        self.handlers: dict[str, Handler] = {}
        for projection in self.projections:
            self.handlers.update(projection.handlers)

    # -- writing

    def begin(self, project: str, actor: Actor) -> None:
        """Write the first entries of a new ledger, with the project's first key.

        An older ledger is left as it is; only what a crash left behind is made good: head.json is brought up to date,
        and the private halves of revoked keys are removed. One that is damaged, or emptied (head.json still knows it),
        is left for the audit to name: `append` refuses it.
        """
        try:
            with self.database.read() as connection:
                newest = self.newest_checkpoint(connection)
                begun = connection.execute(select(tables.entries.c.seq).limit(1)).first() is not None
                revoked = [key.id for key in key_rows(connection) if key.status == "revoked"]
            if newest is not None:
                self._publish(newest)
            self._destroy_revoked([identity for identity in revoked if self.keys.has(identity)])
        except (LedgerDamaged, StoreDamaged):
            return
        if begun or newest is not None or self._kept() is not None:
            return
        with self.database.write("ledger.begin") as tx:
            if self._head(tx).frontier.size:
                return
            self.keys.clean(())
            identity, pem = self.keys.create()
            tx.after_commit(lambda: self.keys.settle(identity))
            self.append(
                tx,
                Draft("project.created", project, actor),
                Draft("key.created", identity, actor, binds={"key": identity}, payload={"pem": pem.decode()}),
            )

    def append(self, tx: Transaction, *drafts: Draft) -> list[Entry]:
        """Add entries at the end, apply their projections and sign a checkpoint; all in the caller's transaction.

        Raises NotRecordable, LedgerDamaged when the ledger's end contradicts itself, KeyMissing.
        """
        if not drafts:
            return []
        head, time = self._head(tx), rfc3339(self._clock.now())
        made: list[Entry] = []
        rows: list[dict[str, Any]] = []
        salted: list[dict[str, Any]] = []
        for seq, draft in enumerate(drafts, head.frontier.size + 1):
            payload = None
            if draft.payload is not None:
                salt, content = secrets.token_bytes(32), record_json(draft.payload, draft.what)
                salted.append({"seq": seq, "salt": salt, "body": content})
                payload = payload_hash(salt, content)
            entry, body = seal(draft, seq=seq, prev=made[-1].hash if made else head.tip, time=time, payload=payload)
            rows.append({"seq": seq, "body": body, "hash": entry.hash})
            made.append(entry)
        tx.execute(insert(tables.entries), rows)
        if salted:
            tx.execute(insert(tables.payloads), salted)
        payloads = {row["seq"]: json.loads(row["body"]) for row in salted}
        for entry in made:
            self.project(tx, entry, payloads.get(entry.seq))
        self._checkpoint(tx, head, made, time)
        return made

    def erase(self, seq: int, reason: str, actor: Actor) -> Entry:
        """Delete the payload of an entry for ever, also from the governed tables; return the entry that says so.

        The chain stays valid. Raises EntryUnknown, or CannotErase for a public key.
        """
        with self.database.write("ledger.erase") as tx:
            entry, content = self._row(tx, seq)
            if entry.payload is None or content is None:
                raise EntryUnknown(
                    f"entry {seq} has no payload",
                    why="it never had one" if entry.payload is None else "it was erased before",
                )
            if entry.what in KEYS.handlers:
                raise CannotErase(f"the payload of entry {seq} is a public key", why="signatures are checked with it")
            tx.execute(delete(tables.payloads).where(tables.payloads.c.seq == seq))
            draft = Draft("payload.erased", f"entry:{seq}", actor, reason, {"payload": entry.payload})
            erased = self.append(tx, draft)[0]
            self.replay(tx)
        self.database.scrub()
        return erased

    # -- reading

    def entries(
        self, *, subject: str | None = None, what: str | None = None, limit: int | None = None, newest: bool = False
    ) -> list[Entry]:
        """Entries in order (`newest`: from the end), at most `limit`.

        `subject` also takes in what belongs to it: "machines" finds "machines@3" and "machines@production". `what` is a
        verb ("alias.moved") or its first part ("alias").
        """
        found: list[Entry] = []
        with self.database.read() as connection:
            for entry, _ in self.walk(connection, newest=newest, payloads=False):
                if limit is not None and len(found) >= limit:
                    break
                if _within(entry.subject, subject, "@") and _within(entry.what, what, "."):
                    found.append(entry)
        return found

    def entry(self, seq: int) -> Entry:
        """One entry. Raises EntryUnknown."""
        with self.database.read() as connection:
            return self._row(connection, seq)[0]

    def payload(self, seq: int) -> Any:
        """What an entry's payload says; None when it never had one or it was erased. Raises EntryUnknown."""
        with self.database.read() as connection:
            return self._row(connection, seq)[1]

    def newest_checkpoint(self, reader: Reader | None = None) -> Checkpoint | None:
        """The newest checkpoint, None while the ledger is empty. `reader`: inside a transaction that is under way."""
        if reader is None:
            with self.database.read() as connection:
                return self.newest_checkpoint(connection)
        query = select(tables.checkpoints).order_by(tables.checkpoints.c.size.desc()).limit(1)
        row = reader.execute(query).first()
        try:
            return Checkpoint.from_row(row.body, row.signature) if row else None
        except (ValueError, TypeError) as error:
            raise _damaged("the newest checkpoint is malformed") from error

    def anchor(self) -> dict[str, Any]:
        """The newest checkpoint in the form to keep elsewhere. Raises LedgerDamaged when there is none."""
        newest = self.newest_checkpoint()
        if newest is None:
            raise _damaged("the ledger has no checkpoint")
        return newest.to_dict()

    def prove_inclusion(self, seq: int, size: int | None = None) -> list[bytes]:
        """The Merkle path of entry `seq` in the tree of the first `size` entries. Raises EntryUnknown."""
        leaves = self._leaves()[:size]
        if not 0 < seq <= len(leaves):
            raise EntryUnknown(f"no entry {seq} among the first {len(leaves)}")
        return merkle.inclusion_proof(leaves, seq - 1)

    def prove_consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """The Merkle proof that the ledger of `new` entries grew from that of `old`. Raises EntryUnknown."""
        leaves = self._leaves()[:new]
        if not 0 <= old <= len(leaves):
            raise EntryUnknown(f"no checkpoint of {old} entries among {len(leaves)}")
        return merkle.consistency_proof(leaves, old)

    def verify(
        self,
        *,
        checkpoints: Iterable[object] = (),
        artifacts: ArtifactStore | None = None,
        bundles: Path | None = None,
        accepted_keys: Collection[str] = (),
    ) -> Verification:
        """Hold everything against everything; see `flyball.ledger.audit.verify`. Never raises because of damage."""
        from flyball.ledger.audit import verify

        return verify(self, checkpoints=checkpoints, artifacts=artifacts, bundles=bundles, accepted_keys=accepted_keys)

    # -- governed tables

    @property
    def governed(self) -> list[Table]:
        """The tables that follow from the ledger, a table after those it refers to."""
        return [table for projection in self.projections for table in projection.tables]

    def project(self, tx: Transaction, entry: Entry, payload: Any) -> None:
        """Write what follows from one entry into the governed tables."""
        handler = self.handlers.get(entry.what)
        if handler is not None:
            handler(tx, entry, payload)

    def replay(self, tx: Transaction) -> None:
        """Empty the governed tables and write them anew from the ledger, in the caller's transaction."""
        for table in reversed(self.governed):
            tx.execute(delete(table))
        for entry, payload in self.walk(tx):
            self.project(tx, entry, payload)

    def rebuild(self, *, accepted_keys: Collection[str] = ()) -> dict[str, int]:
        """Restore the governed tables from the ledger alone, missing tables too; return rows by table.

        `accepted_keys`: ids of signing keys to take without the word of the key before them, as in `verify`.
        Raises LedgerDamaged when entries, payloads or checkpoints are damaged: a replay would pass that on.
        """
        from flyball.ledger.audit import rebuild

        return rebuild(self, accepted_keys=accepted_keys)

    def walk(self, reader: Reader, *, newest: bool = False, payloads: bool = True) -> Iterator[tuple[Entry, Any]]:
        """Every entry with its payload (or None), in pages, so that the reader may be used meanwhile."""
        entries, apart, last = tables.entries, tables.payloads, None
        order = entries.c.seq.desc() if newest else entries.c.seq.asc()
        columns = [entries.c.seq, entries.c.body, *([apart.c.body.label("payload")] if payloads else [])]
        source = entries.outerjoin(apart, apart.c.seq == entries.c.seq) if payloads else entries
        while True:
            query = select(*columns).select_from(source).order_by(order).limit(_CHUNK)
            if last is not None:
                query = query.where(entries.c.seq < last if newest else entries.c.seq > last)
            rows = reader.execute(query).all()
            for row in rows:
                content = row.payload if payloads else None
                yield _parse(row.seq, row.body), _content(row.seq, content)
            if len(rows) < _CHUNK:
                return
            last = rows[-1].seq

    def signer(self, reader: Reader) -> str:
        """Id of the key that signs now. Raises LedgerDamaged when the table of keys names none."""
        keys = tables.signing_keys
        found = reader.execute(select(keys.c.id).where(keys.c.status == "current")).scalars().all()
        if len(found) != 1:
            raise _damaged(f"the table of signing keys names {len(found)} current keys")
        return str(found[0])

    def rolled_back(self, reader: Reader) -> bool:
        """Whether head.json holds a checkpoint that this ledger does not: the store is an older copy, or a fork."""
        kept = self._kept()
        return kept is not None and not self._knows(reader, kept)

    def knows(self, checkpoint: Checkpoint) -> bool:
        """Whether this ledger made that checkpoint."""
        with self.database.read() as reader:
            return self._knows(reader, checkpoint)

    # -- inside

    def _destroy_revoked(self, doomed: Collection[str]) -> None:
        """Finish what a crash kept a revocation from; the table of keys alone is not believed, as it can be edited."""
        said = {entry.binds.get("key", "") for entry in self.entries(what="key.revoked")} if doomed else set()
        for identity in said.intersection(doomed):
            with contextlib.suppress(OSError):  # opening a project must not depend on it
                self.keys.destroy(identity)

    def _head(self, tx: Transaction) -> _Head:
        row = tx.execute(select(tables.head)).first()
        last = tx.execute(select(tables.entries).order_by(tables.entries.c.seq.desc()).limit(1)).first()
        if row is None and last is None:
            return _Head(GENESIS, Frontier(), 0)
        sealed = self.newest_checkpoint(tx)
        if row is None or last is None or sealed is None:
            raise _damaged("its end is missing")
        try:
            frontier = Frontier.from_bytes(row.size, row.frontier)
        except (ValueError, TypeError) as error:
            raise _damaged("its end is malformed") from error
        whole = last.seq == row.size == sealed.size and last.hash == row.tip == sha256_hex(last.body)
        if not whole or frontier.root().hex() != sealed.root:
            raise _damaged("the newest entry, the newest checkpoint and the recorded end differ")
        return _Head(row.tip, frontier, row.checkpoints)

    def _checkpoint(self, tx: Transaction, head: _Head, made: list[Entry], time: str) -> None:
        frontier = head.frontier.grow(bytes.fromhex(entry.hash) for entry in made)
        key = self.signer(tx)
        sealed = Checkpoint.sign(
            frontier.size, frontier.root(), time, key, lambda message: self.keys.sign(key, message)
        )
        row = {"size": sealed.size, "body": sealed.body(), "signature": sealed.signature}
        tx.execute(insert(tables.checkpoints), row)
        state = {
            "size": frontier.size,
            "tip": made[-1].hash,
            "frontier": frontier.to_bytes(),
            "checkpoints": head.checkpoints + 1,
        }
        if head.frontier.size:
            tx.execute(update(tables.head).where(tables.head.c.id == 1).values(**state))
        else:
            tx.execute(insert(tables.head), {"id": 1, **state})
        tx.after_commit(lambda: self._publish(sealed))

    def _publish(self, sealed: Checkpoint) -> None:
        try:
            with file_lock(self.database.beside("lock")):
                if self._outgrown(sealed.size):
                    data = canonical_json(sealed.to_dict()) + b"\n"
                    write_atomic(self.head, data, label="ledger.head")
        except (CannotWrite, StoreFull):
            # The transaction is done and its checkpoint stands in the table; the next append writes the copy again.
            return

    def _outgrown(self, size: int) -> bool:
        """Whether head.json may be replaced: one that this ledger never signed is evidence of a roll-back, and stays."""
        with self.database.read() as connection:
            kept = self._kept()
            return kept is None or (kept.size < size and self._knows(connection, kept))

    def _kept(self) -> Checkpoint | None:
        try:
            return Checkpoint.from_dict(json.loads(self.head.read_bytes()))
        except (OSError, ValueError):
            return None

    def _knows(self, reader: Reader, checkpoint: Checkpoint) -> bool:
        query = select(tables.checkpoints.c.body).where(tables.checkpoints.c.size == checkpoint.size)
        return reader.execute(query).scalar_one_or_none() == checkpoint.body()

    def _row(self, reader: Reader, seq: int) -> tuple[Entry, Any]:
        entries, apart = tables.entries, tables.payloads
        body = reader.execute(select(entries.c.body).where(entries.c.seq == seq)).scalar_one_or_none()
        if body is None:
            raise EntryUnknown(f"the ledger has no entry {seq}", fix="flyball audit log lists the entries")
        content = reader.execute(select(apart.c.body).where(apart.c.seq == seq)).scalar_one_or_none()
        return _parse(seq, body), _content(seq, content)

    def _leaves(self) -> list[bytes]:
        with self.database.read() as connection:
            hashes = connection.execute(select(tables.entries.c.hash).order_by(tables.entries.c.seq)).scalars()
            return [bytes.fromhex(value) for value in hashes]


def _parse(seq: int, body: bytes) -> Entry:
    try:
        return Entry.parse(body)
    except (ValueError, TypeError) as error:
        raise _damaged(f"entry {seq} is malformed") from error


def _content(seq: int, raw: bytes | None) -> Any:
    try:
        return None if raw is None else json.loads(raw)
    except (ValueError, TypeError) as error:
        raise _damaged(f"the payload of entry {seq} is malformed") from error


def _within(value: str, wanted: str | None, separator: str) -> bool:
    return wanted is None or value == wanted or value.startswith(wanted + separator)


def _damaged(why: str) -> LedgerDamaged:
    return LedgerDamaged(
        "the ledger is damaged, so nothing was changed",
        why=why,
        fix="`flyball audit verify` names what is damaged; `flyball audit rebuild` restores what follows from the "
        "entries; otherwise put back a backup of the store",
    )
