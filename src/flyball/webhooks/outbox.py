"""What is to be told, to whom, and how far that went: in the store, so that no crash forgets it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from flyball.config import WebhookConfig
from flyball.core.canonical import canonical_json
from flyball.core.clock import Clock, rfc3339
from flyball.core.failpoints import failpoint
from flyball.ledger import Actor, Draft, Entry, Ledger
from flyball.ledger.tables import entries
from flyball.registry.tables import alias_history
from flyball.store import Reader, Transaction
from flyball.webhooks.events import body_of, identity_of, is_wanted
from flyball.webhooks.sending import AddressRefused, Answered, Resolve, post
from flyball.webhooks.signing import SecretUnfit, secret_in, signed_headers
from flyball.webhooks.tables import cursors, deliveries
from flyball_runtime.errors import BadInput, near_miss

__all__ = ["STATES", "Delivery", "Outbox", "Round", "WebhookUnknown"]

STATES = ("waiting", "delivered", "dead")
_PAGE, _ROUND = 1000, 20
_LEASE_MS = 60_000  # a try that was begun and never ended is taken up again after so long
_KEPT = timedelta(days=30)
# Seconds until the next try, after the first, the second, …; the last holds from then on.
_PAUSES = (5, 30, 120, 600, 3600, 3 * 3600, 8 * 3600)
_LONGEST_WAIT = 24 * 3600
_GONE = 410
_ACTOR = Actor("system", "flyball webhooks", "os")


class WebhookUnknown(BadInput):
    """The project file has no webhook of this name."""

    code = "FB-HOOK-003"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message to one webhook: of which entry (`seq`), in which state ("waiting", "delivered", "dead"), after how many
    tries, when it is tried next (RFC 3339; None: never), and what the last try ended with."""

    id: str
    hook: str
    seq: int
    event: str
    subject: str
    state: str
    tries: int
    due: str | None
    answer: str
    changed: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of sending did. `unfit` are webhooks whose secret this process does not have."""

    delivered: int = 0
    failed: int = 0
    dead: int = 0
    unfit: Mapping[str, str] | None = None


class Outbox:
    """The webhooks of a project. Threads and processes may call every method at once.

    What is told follows from the ledger: each webhook remembers up to which entry it has read, so an event is lost by no
    crash, whoever wrote it. A message is delivered at least once, under an id that stays the same. A try is noted before
    it is made; messages of one webhook may overtake each other.

    resolve: looks a host's addresses up, in place of the system's way.
    """

    def __init__(
        self,
        hooks: Mapping[str, WebhookConfig],
        ledger: Ledger,
        clock: Clock,
        *,
        project: str,
        resolve: Resolve | None = None,
    ) -> None:
        self.hooks = hooks
        self._ledger, self._database = ledger, ledger.database
        self._clock, self._project, self._resolve = clock, project, resolve
        self._read_to: dict[str, int] = {}  # beyond the store's own cursor, where nothing was to be told

    def begin(self) -> None:
        """Let webhooks that are new in the project file begin with the next entry."""
        with self._database.read() as connection:
            new = set(self.hooks) - self._cursors(connection).keys()
        if not new:
            return
        with self._database.write("webhooks.begin") as tx:
            known, head = self._cursors(tx), self._head(tx)
            rows = [{"name": name, "seq": head} for name in sorted(new) if name not in known]
            if rows:
                tx.execute(insert(cursors), rows)

    def standing(self) -> list[dict[str, Any]]:
        """The webhooks of the project file, without their secrets, each with its messages by state."""
        query = select(deliveries.c.hook, deliveries.c.state, func.count()).group_by(
            deliveries.c.hook, deliveries.c.state
        )
        with self._database.read() as connection:
            counted = {(hook, state): int(count) for hook, state, count in connection.execute(query)}
        return [
            {
                "name": name,
                "url": hook.place,
                "events": list(hook.events),
                "models": list(hook.models),
                "networks": list(hook.networks),
                "tries": hook.tries,
                "secret_from": hook.secret_from,
                "secret": _secret_state(hook),
                **{state: counted.get((name, state), 0) for state in STATES},
            }
            for name, hook in self.hooks.items()
        ]

    def deliveries(self, hook: str | None = None, *, state: str | None = None, limit: int = 100) -> list[Delivery]:
        """Messages, the newest entry's first. Raises WebhookUnknown."""
        query = select(deliveries).order_by(deliveries.c.seq.desc(), deliveries.c.hook).limit(limit)
        if hook is not None:
            self._hook(hook)
            query = query.where(deliveries.c.hook == hook)
        if state is not None:
            query = query.where(deliveries.c.state == state)
        with self._database.read() as connection:
            return [_delivery(row) for row in connection.execute(query)]

    def test(self, name: str) -> Answered:
        """Send a signed message of the type "webhook.test" now, and say what came back; nothing is remembered.

        Raises WebhookUnknown, SecretUnfit, AddressRefused.
        """
        hook, now = self._hook(name), self._clock.now()
        content = {
            "type": "webhook.test",
            "timestamp": rfc3339(now),
            "data": {"project": self._project, "webhook": name},
        }
        identity = identity_of(name, f"test {rfc3339(now)}")
        return self._send(hook, identity, canonical_json(content), secret_in(hook.secret_from))

    def deliver(self) -> Round:
        """Read what is new in the ledger, and make every try that is due; several webhooks at a time."""
        if not self.hooks:
            return Round()
        self.begin()
        self._collect()
        secrets, unfit = {}, {}
        for name, hook in self.hooks.items():
            try:
                secrets[name] = secret_in(hook.secret_from)
            except SecretUnfit as error:
                unfit[name] = error.what
        due = self._due(secrets)
        if not due:
            return Round(unfit=unfit)
        by_hook: dict[str, list[Row[Any]]] = {}
        for row in due:
            by_hook.setdefault(row.hook, []).append(row)
        with ThreadPoolExecutor(min(4, len(by_hook)), "flyball-webhook") as pool:
            works = [pool.submit(self._try_all, name, secrets[name], rows) for name, rows in by_hook.items()]
            ended = [state for work in works for state in work.result()]
        return Round(ended.count("delivered"), ended.count("waiting"), ended.count("dead"), unfit)

    # -- inside

    def _hook(self, name: str) -> WebhookConfig:
        if name not in self.hooks:
            fix = near_miss(name, self.hooks) or f"add a section [webhooks.{name}] to the project file"
            raise WebhookUnknown(f"there is no webhook {name!r}", fix=fix)
        return self.hooks[name]

    def _cursors(self, reader: Reader) -> dict[str, int]:
        return {row.name: row.seq for row in reader.execute(select(cursors))}

    def _head(self, reader: Reader) -> int:
        return int(reader.execute(select(func.max(entries.c.seq))).scalar() or 0)

    def _collect(self) -> None:
        """Make messages of the entries that are new. A webhook that wants none of many of them just moves on."""
        while True:
            with self._database.read() as connection:
                known, head = self._cursors(connection), self._head(connection)
                read_to = {name: max(known[name], self._read_to.get(name, 0)) for name in self.hooks if name in known}
                behind = {name: seq for name, seq in read_to.items() if seq < head}
                if not behind:
                    return
                first = min(behind.values())
                query = select(entries.c.seq, entries.c.body).where(entries.c.seq > first).order_by(entries.c.seq)
                read = [Entry.parse(row.body) for row in connection.execute(query.limit(_PAGE))]
            wanted = [
                (name, entry)
                for name in behind
                for entry in read
                if entry.seq > behind[name] and is_wanted(self.hooks[name], entry)
            ]
            if wanted or len(read) == _PAGE:
                self._keep(wanted, read[-1].seq, behind)
            self._read_to |= dict.fromkeys(behind, read[-1].seq)
            if len(read) < _PAGE:
                return

    def _keep(self, wanted: Iterable[tuple[str, Entry]], last: int, behind: Mapping[str, int]) -> None:
        now = self._clock.now()
        with self._database.write("webhooks.collect") as tx:
            known = self._cursors(tx)
            rows = [
                {
                    "id": identity_of(name, entry.hash), "hook": name, "seq": entry.seq, "event": entry.what,
                    "subject": entry.subject, "state": "waiting", "tries": 0, "due": _ms(now.timestamp()),
                    "answer": "", "changed": rfc3339(now),
                }
                for name, entry in wanted
                if entry.seq > known.get(name, last)  # another process may have been here meanwhile
            ]  # fmt: skip
            if rows:
                tx.execute(insert(deliveries), rows)
            for name in behind:
                moved = update(cursors).where(cursors.c.name == name, cursors.c.seq < last)
                tx.execute(moved.values(seq=last))
            stale = deliveries.c.changed < rfc3339(now - _KEPT)
            tx.execute(delete(deliveries).where(stale, deliveries.c.state != "waiting"))

    def _due(self, names: Iterable[str]) -> Sequence[Row[Any]]:
        now = _ms(self._clock.now().timestamp())
        waiting = (deliveries.c.state == "waiting", deliveries.c.due <= now, deliveries.c.hook.in_(list(names)))
        query = select(deliveries).where(*waiting).order_by(deliveries.c.due, deliveries.c.seq)
        with self._database.read() as connection:
            return connection.execute(query.limit(_ROUND)).all()

    def _try_all(self, name: str, secret: bytes, rows: Iterable[Row[Any]]) -> list[str]:
        """Tries of one webhook, one after another; the first that fails is the last: the receiver has trouble."""
        ended = []
        for row in rows:
            state = self._try(self.hooks[name], secret, row)
            ended += [state] if state else []
            if state in ("waiting", "dead"):
                break
        return ended

    def _try(self, hook: WebhookConfig, secret: bytes, row: Row[Any]) -> str | None:
        """One try; the state after it, None when another process makes it."""
        body = self._claimed(row)
        if body is None:
            return None
        failpoint("webhooks.try:before")
        try:
            answer = self._send(hook, row.id, body, secret)
        except AddressRefused as error:
            answer = Answered(None, f"{error.code}: {error.what}; {error.why}")
        failpoint("webhooks.try:sent")
        return self._noted(hook, row, answer)

    def _claimed(self, row: Row[Any]) -> bytes | None:
        now = self._clock.now()
        mine = (deliveries.c.id == row.id, deliveries.c.state == "waiting", deliveries.c.due == row.due)
        with self._database.write("webhooks.claim") as tx:
            values = {"due": _ms(now.timestamp()) + _LEASE_MS, "tries": row.tries + 1, "changed": rfc3339(now)}
            if tx.execute(update(deliveries).where(*mine).values(**values)).rowcount != 1:
                return None
            entry = Entry.parse(tx.execute(select(entries.c.body).where(entries.c.seq == row.seq)).scalar_one())
            query = select(alias_history.c.number).where(alias_history.c.seq == row.seq)
            return body_of(entry, project=self._project, number=tx.execute(query).scalar())

    def _send(self, hook: WebhookConfig, identity: str, body: bytes, secret: bytes) -> Answered:
        headers = signed_headers(identity, int(self._clock.now().timestamp()), body, secret)
        return post(hook.url, body, headers, networks=hook.networks, resolve=self._resolve)

    def _noted(self, hook: WebhookConfig, row: Row[Any], answer: Answered) -> str:
        now, tries = self._clock.now(), row.tries + 1
        state = "delivered" if answer.ok else "waiting"
        if not answer.ok and (tries >= hook.tries or answer.status == _GONE):
            state = "dead"
        due = _ms(now.timestamp() + _pause(row.id, tries, answer.retry_after)) if state == "waiting" else 0
        values = {"state": state, "due": due, "answer": answer.said[:500], "changed": rfc3339(now)}
        with self._database.write("webhooks.note") as tx:
            tx.execute(update(deliveries).where(deliveries.c.id == row.id).values(**values))
            if state == "dead":
                self._give_up(tx, row, tries, answer)
        return state

    def _give_up(self, tx: Transaction, row: Row[Any], tries: int, answer: Answered) -> None:
        body = tx.execute(select(entries.c.hash).where(entries.c.seq == row.seq)).scalar_one()
        why = f"{row.event} of {row.subject} was not delivered in {tries} tries; at last: {answer.said[:200]}"
        self._ledger.append(tx, Draft("webhook.dead", f"webhook:{row.hook}", _ACTOR, why, {"entry": body}))


def _delivery(row: Row[Any]) -> Delivery:
    due = rfc3339(datetime.fromtimestamp(row.due / 1000, UTC)) if row.state == "waiting" else None
    return Delivery(
        row.id, row.hook, row.seq, row.event, row.subject, row.state, row.tries, due, row.answer, row.changed
    )


def _secret_state(hook: WebhookConfig) -> str:
    try:
        secret_in(hook.secret_from)
    except SecretUnfit as error:
        return error.what
    return "set"


def _pause(identity: str, tries: int, asked: float | None) -> float:
    """Seconds until the next try: longer each time, and spread by up to a fifth so that not all come back at once."""
    pause = float(_PAUSES[min(tries, len(_PAUSES)) - 1])
    spread = int.from_bytes(hashlib.sha256(f"{identity}{tries}".encode()).digest()[:4], "big") / 2**32
    return max(pause * (1 + 0.2 * spread), min(asked or 0.0, _LONGEST_WAIT))


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
