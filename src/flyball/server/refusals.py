"""Requests that were refused at the door, counted by source and minute: one entry of the ledger each, not one a request."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import json
import os
import secrets
import threading
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from flyball.core.canonical import sha256_hex
from flyball.core.clock import Clock
from flyball.core.failpoints import failpoint
from flyball.ledger import Actor, Draft, Ledger
from flyball.serving.asgi import Scope
from flyball_runtime.errors import FlyballError

__all__ = ["ENTRY", "OTHERS", "SOURCES", "Refusals"]

ENTRY = "requests.refused"
SOURCES = 16  # told apart in one minute; what comes from more of them is counted together
OTHERS = "others"
_SLOT = 512  # divides a page, so that a process that is killed writes one whole or not at all
_ACTOR = Actor("system", "flyball server", "os")
Slot = tuple[str, str]  # the minute (RFC 3339), the source


class Refusals:
    """Counts of refused requests of one server. `count` is quick and never raises; threads may share it.

    Each count stands in a file before the refusal is answered, in place: one write of 512 bytes into the page cache,
    which outlives the process however it ends. `settle` moves the minutes that ended into the ledger. What a server
    that was killed counted is settled by the next one over the same folder, once.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock
        self._lock = threading.Lock()
        self._counts: dict[Slot, Counter[str]] = {}
        self._places: dict[Slot, int] = {}
        self._file: int | None = None
        self._path = folder / f"{secrets.token_hex(8)}.counts"

    def count(self, scope: Scope, error: FlyballError) -> None:
        """Take note of a request that is about to be refused."""
        minute = _minute(self._clock.now())
        source = _network((scope.get("client") or ("unknown", 0))[0])
        with self._lock, contextlib.suppress(OSError):  # a full disk must not turn a refusal into a failure
            slot = self._slot(minute, source)
            self._counts[slot][error.code] += 1
            self._write(slot)

    def settle(self, ledger: Ledger, *, whole: bool = False) -> int:
        """Bring the minutes that ended (whole: every one) into the ledger; how many entries that made.

        Raises the errors of the ledger and its store; nothing is lost then.
        """
        made = self._settle_dead(ledger)
        now = _minute(self._clock.now())
        with self._lock:
            ended = {slot: Counter(counts) for slot, counts in self._counts.items() if whole or slot[0] < now}
            if not ended:
                return made
            # Under the lock, because a count that came between would be lost with its slot.
            _append(ledger, [self._record(slot, counts) for slot, counts in sorted(ended.items())])
            failpoint("server.refusals:settled")
            for slot in ended:
                self._clear(slot)
        return made + len(ended)

    def close(self) -> None:
        """Let go of the file; it is removed when nothing stands in it."""
        with self._lock:
            if self._file is not None:
                if not self._counts:
                    self._path.unlink(missing_ok=True)
                os.close(self._file)
                self._file = None

    def _slot(self, minute: str, source: str) -> Slot:
        known = [slot for slot in self._counts if slot[0] == minute]
        if (minute, source) not in known and len(known) >= SOURCES:
            source = OTHERS
        self._counts.setdefault((minute, source), Counter())
        return minute, source

    def _write(self, slot: Slot) -> None:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)  # says that its server lives
        taken = set(self._places.values())
        place = self._places.setdefault(slot, next(number for number in range(len(taken) + 1) if number not in taken))
        text = json.dumps(self._record(slot, self._counts[slot])).encode()
        os.pwrite(self._file, text.ljust(_SLOT - 1) + b"\n", place * _SLOT)

    def _clear(self, slot: Slot) -> None:
        del self._counts[slot]
        if self._file is not None:
            os.pwrite(self._file, b" " * (_SLOT - 1) + b"\n", self._places.pop(slot) * _SLOT)

    def _record(self, slot: Slot, counts: Counter[str]) -> dict[str, object]:
        minute, source = slot
        refused = dict(sorted(counts.items())[:8])
        return {"minute": minute, "source": source, "refused": refused, "by": self._path.stem}

    def _settle_dead(self, ledger: Ledger) -> int:
        made = 0
        for path in sorted(self._folder.glob("*.counts")) if self._folder.is_dir() else []:
            if path == self._path:
                continue
            with contextlib.suppress(OSError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises while its server lives
                fresh = _unsettled(ledger, _records(file.read()))
                if fresh:
                    _append(ledger, fresh)
                made += len(fresh)
                path.unlink()
        return made


def _records(text: bytes) -> list[dict[str, object]]:
    found = []
    for line in text.split(b"\n"):
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            record = json.loads(line)
            if sum(record["refused"].values()) > 0 and record["minute"] and record["source"]:
                found.append(record)
    return found


def _append(ledger: Ledger, records: Iterable[dict[str, object]]) -> None:
    drafts = []
    for record in records:
        counts = record["refused"]
        assert isinstance(counts, dict)
        total = sum(counts.values())
        why = f"{total} request{'s' if total > 1 else ''} from one source in the minute of {record['minute']}"
        if record["source"] == OTHERS:
            why = why.replace("one source", "further sources")
        # The address is personal data in some places: it stands in the payload, which can be erased.
        payload = {"minute": record["minute"], "source": record["source"], "refused": counts, "total": total}
        drafts.append(Draft(ENTRY, "server", _ACTOR, why, {"refusals": _digest(record)}, payload))
    with ledger.database.write("server.refusals") as tx:
        ledger.append(tx, *drafts)


def _unsettled(ledger: Ledger, records: list[dict[str, object]]) -> list[dict[str, object]]:
    """Those that a server did not bring into the ledger before it died between that and forgetting them."""
    if not records:
        return []
    oldest, settled = min(str(record["minute"])[:-1] for record in records), set()
    with ledger.database.read() as connection:
        for entry, _ in ledger.walk(connection, newest=True, payloads=False):
            if entry.time < oldest:
                break
            if entry.what == ENTRY:
                settled.add(entry.binds["refusals"])
    return [record for record in records if _digest(record) not in settled]


def _digest(record: dict[str, object]) -> str:
    return sha256_hex(json.dumps(record, sort_keys=True).encode())


def _network(address: object) -> str:
    """What stands for the source: an IPv4 address, or the network of 64 bits of an IPv6 one, all of which is one line's.

    >>> _network("203.0.113.7"), _network("2001:db8:1:2:3:4:5:6"), _network("::ffff:203.0.113.7")
    ('203.0.113.7', '2001:db8:1:2::/64', '203.0.113.7')
    """
    try:
        found = ipaddress.ip_address(str(address))
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def _minute(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")
