"""The rows of one version as they come: each is answered from its entity's past, and written before the answer leaves."""

from __future__ import annotations

import hashlib
import json
import threading
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flyball.core.clock import Clock
from flyball.predictions.log import Beside, microseconds
from flyball.predictions.records import cells_of
from flyball.predictions.stretch import column_of
from flyball.sessions.errors import PastLost, PastPersonal, TooManyPasts
from flyball.sessions.store import Change, Kept, Past, StoredStream
from flyball.store import StoreDamaged
from flyball_runtime.schema import Schema
from flyball_runtime.windows import NEW, Standing, WindowKernel, WindowSpec, WindowStateInvalid, entity_names

if TYPE_CHECKING:
    from flyball.store import Database, Transaction
    from flyball_runtime.bundle import Bundle

__all__ = ["MOST_ENTITIES", "Stream", "Taken"]

MOST_ENTITIES = 100_000
_MEMORY = 256 * 2**20  # bytes of pasts in memory
_BESIDE = 1_000  # bytes of an entity's name and place, beside its past
_LEAST_KEPT = 64  # rows of an entity, for versions to come whose windows are longer
_LONGEST_KEY = 200  # characters; an index of PostgreSQL takes 2,700 bytes
_NEVER = -(2**60)
_TO_JSON = json.JSONEncoder(separators=(",", ":"))
_CELLS = 4_000_000  # of rows that are read again at a time

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Taken:
    """Rows that went into a stream: their window features (rows, features), what these stand on, and what is to be
    written beside the log of their answers."""

    features: NDArray[np.float64]
    standing: Standing
    beside: Beside


@dataclass(frozen=True, slots=True)
class _Held:
    """An entity in memory: its name in the store, and how many rows it has had, of the first `saved` of which its state
    at rest tells."""

    key: str
    number: int
    saved: int
    stored: bool


class Stream:
    """One version's sessions: one past per entity. Threads may share it; pushes happen one after the other.

    A push is `with stream.turn(): taken = stream.push(columns); ...; log.submit([..., taken.beside])`: what is raised
    inside takes it back. Rows are written in the transaction that logs their answers, so that no acknowledged row is lost
    however a server ends, and a past is never ahead of what is at rest for longer than that takes: when a transaction
    fails, everything that went on from it fails too, and the pasts are read again.

    Pasts are held in memory up to `memory` bytes, those used last; the others are read from the store when their entity
    comes again. `most` entities have a past; a row of one more is refused.
    """

    def __init__(
        self, bundle: Bundle, stored: StoredStream, clock: Clock, *, most: int = MOST_ENTITIES, memory: int = _MEMORY
    ) -> None:
        assert bundle.windowed is not None
        self._windowed = bundle.windowed
        self.spec: WindowSpec = bundle.windowed.spec
        self._stored = stored
        self._clock = clock
        self._most = most
        self._kernel: WindowKernel = self._windowed.kernel()
        self._room = max(2, memory // (self._kernel.bytes_each + _BESIDE))
        self._kept_rows = max(_LEAST_KEPT, self.spec.reach)
        self._held: dict[Any, _Held] = {}
        self._entities = stored.count()
        self._lock = threading.Lock()
        self._settled = threading.Condition()
        self._pending = 0
        self._epoch = 0
        self._ours = 0
        self._whole = True
        self._undo: tuple[dict[Any, _Held], int] | None = None
        self._counts = dict.fromkeys(("rows", "late", "repeated", "unplaced", "evicted", "loaded"), 0)

    @classmethod
    def open(
        cls,
        database: Database,
        bundle: Bundle,
        model: str,
        version: int | None,
        *,
        personal: Collection[str] = (),
        most: int = MOST_ENTITIES,
        memory: int = _MEMORY,
        wait_s: float = 0.0,
        on_wait: Callable[[], None] | None = None,
    ) -> Stream:
        """The sessions of a version, as they were left.

        wait_s: for how many seconds another server that holds them is waited for; `on_wait` is called when it comes to
        that. Raises PastPersonal, SessionsHeld.
        """
        assert bundle.windowed is not None
        read = [name for name in bundle.windowed.spec.schema.names if name in personal]
        if read:
            ref = f"{model}@{version}" if version else model
            raise PastPersonal(
                f'{ref} looks at earlier values of "{read[0]}", which is personal',
                why="a server would have to keep them, and values of personal columns are not kept",
                fix=f"score whole tables with flyball predict {ref}; or leave the column out of the windows",
            )
        columns = Schema(tuple(field for field in bundle.inputs if field.name not in personal))
        entity = bundle.windowed.spec.entity
        stored = StoredStream.open(
            database, model, version, bundle.content_hash, columns, entity=entity, wait_s=wait_s, on_wait=on_wait
        )
        return cls(bundle, stored, database.clock, most=most, memory=memory)

    def close(self) -> None:
        """Let another server go on. Close the log first."""
        self._stored.close()

    @property
    def counts(self) -> dict[str, int]:
        """Since the server began: `rows`, and of these `late`, `repeated` and `unplaced`; `evicted` and `loaded` pasts.

        And now: `entities` with a past, and of these `held` in memory, at most about `room`, and the `most` there may be.
        """
        now = {"entities": self._entities, "held": len(self._held), "room": self._room, "most": self._most}
        return now | self._counts

    def describe(self) -> dict[str, Any]:
        """What a server says of its sessions: the columns of entity and order, how far rows look back, and `counts`."""
        spec = self.spec
        return {"entity": spec.entity, "order": spec.order, "looks_back": spec.reach - 1, **self.counts}

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The time in which rows are taken in, answered and handed to the log, last of all. Only one turn at a time."""
        with self._lock:
            self._settle()
            self._undo = None
            try:
                yield
            except BaseException:
                self._take_back()
                raise

    def push(self, columns: Columns, *, remember: bool = True) -> Taken:
        """Take rows in, normalised, in the order in which they came. Only inside a turn, once.

        Without `remember` they are answered as if they had come, and leave the pasts as they were.
        Raises TooManyPasts, and the store's and the kernel's errors; the pasts are then as they were.
        """
        names = self.names(columns)
        touched = list(dict.fromkeys(name for name in names if name is not None or self.spec.entity is None))
        self._load([name for name in touched if name not in self._held])
        features = self._kernel.push(columns)
        standing = self._kernel.standing
        self._undo = ({name: self._held[name] for name in touched}, self._entities)
        with self._settled:
            self._pending += 1
        if remember:
            change = self._change(columns, names, touched, standing)
        else:  # it is written all the same, to learn whether what the answers stand on is
            change = Change(self._ours)
            self._kernel.undo()
        many = np.bincount(standing.status, minlength=4).tolist()
        for place, name in enumerate(("late", "repeated", "unplaced"), start=1):
            self._counts[name] += many[place]
        self._counts["rows"] += len(names)
        return Taken(features, standing, Beside(self, change))

    def joined(self, columns: Columns, taken: Taken) -> dict[str, NDArray[Any]]:
        """The columns that the model's graph takes."""
        return self._windowed.joined(columns, taken.features)

    def unknown(self, names: Sequence[Any]) -> set[Any]:
        """Those of these entities that have no past. Only inside a turn."""
        self._load([name for name in dict.fromkeys(names) if name not in self._held])
        return {name for name in names if not self._held[name].number}

    def write(self, transaction: Transaction, parts: Sequence[Change]) -> None:
        """For the log's thread. Raises PastLost when rows before these were lost."""
        if any(part.epoch != self._epoch for part in parts):
            raise PastLost(
                "rows before these could not be written", why="an answer would stand on a past that nobody keeps",
                fix="send the rows again",
            )  # fmt: skip
        self._stored.write(transaction, parts)

    def written(self, parts: Sequence[Change]) -> None:
        """For the log's thread."""
        with self._settled:
            self._pending -= len(parts)
            self._settled.notify_all()

    def lost(self, parts: Sequence[Change]) -> None:
        """For the log's thread: what goes on from these is refused, until the pasts are read again."""
        with self._settled:
            self._epoch += 1
            self._pending -= len(parts)
            self._settled.notify_all()

    def _settle(self) -> None:
        """Between two turns: begin anew after a loss, and make room."""
        if self._ours != self._epoch or not self._whole:
            self._all_written()
            self._ours, self._whole = self._epoch, True
            self._kernel, self._held = self._windowed.kernel(), {}
            self._entities = self._stored.count()
        if len(self._held) > self._room:
            self._all_written()  # a past that is not at rest yet could not be read again
            newest = list(self._held)[-max(1, self._room // 2) :]
            self._counts["evicted"] += len(self._held) - len(newest)
            self._held = {name: self._held[name] for name in newest}
            self._kernel.keep(newest)

    def _all_written(self) -> None:
        with self._settled:
            self._settled.wait_for(lambda: self._pending == 0)

    def _take_back(self) -> None:
        if self._undo is None:
            return
        held, self._entities = self._undo
        self._kernel.undo()
        self._held |= held
        with self._settled:
            self._pending -= 1
            self._settled.notify_all()

    def names(self, columns: Columns) -> list[Any]:
        """Whose past each row is of; None for one that names no entity, and for all where they share one past."""
        if self.spec.entity is None:
            return [None] * len(next(iter(columns.values())))
        return entity_names(columns[self.spec.entity])

    def _load(self, names: list[Any]) -> None:
        """Bring entities into memory, with what the store holds of them."""
        if not names:
            return
        keys = {_key(name): name for name in names}
        pasts = self._stored.load(list(keys))
        if self._entities + len(names) - len(pasts) > self._most:
            raise TooManyPasts(
                f"the server keeps the pasts of {self._most:,} entities, and {self._entities:,} have one",
                why=f"{len(names) - len(pasts):,} in this request have not been seen before",
                fix="start it with a larger --entities; or see that the column that names entities holds their names",
            )
        elsewhere = self._stored.elsewhere(list(keys))
        self._whole = False  # what fails from here on leaves pasts that are none
        try:
            self._kernel.take_on([past.state for past in pasts.values() if past.state is not None])
        except WindowStateInvalid as error:
            raise StoreDamaged(
                "the state of a session is damaged", where="session_entities", why=error.what,
                fix="restore a backup; `flyball doctor` tells whether the database file is whole",
            ) from error  # fmt: skip
        again = [self._again(pasts.get(key), elsewhere.get(key, [])) for key in keys]
        new = self._replay([row for rows in again for row in rows])
        begin = 0
        for (key, name), rows in zip(keys.items(), again, strict=True):
            past = pasts.get(key)
            own = len(past.rows) if past else 0
            foreign = int(new[begin + own : begin + len(rows)].sum())
            begin += len(rows)
            number = (past.rows[-1].number if past.rows else past.number) if past else 0
            saved = _NEVER if foreign else past.number if past else 0
            self._held[name] = _Held(key, number + foreign, saved, past is not None)
        self._counts["loaded"] += len(pasts)
        self._whole = True

    def _again(self, past: Past | None, elsewhere: list[Kept]) -> list[Kept]:
        """The rows to read again of one entity: its own since its state, then what other versions saw of it later."""
        order = self.spec.order
        if order is None:  # nothing but the time tells which of them came later
            later = [row for row in elsewhere if past is None or row.time > past.time]
        else:
            later = [row for row in elsewhere if isinstance(row.values.get(order), int | float)]
            later.sort(key=lambda row: row.values[order])
        return [*(past.rows if past else ()), *later]

    def _replay(self, rows: list[Kept]) -> NDArray[np.bool_]:
        """Take rows in that were answered before; which of them were new, (rows,)."""
        new = np.zeros(len(rows), dtype=np.bool_)
        schema = self.spec.schema
        step = max(1, _CELLS // max(1, len(schema)))
        for begin in range(0, len(rows), step):
            some = rows[begin : begin + step]
            columns = {
                field.name: column_of([row.values.get(field.name) for row in some], field.kind) for field in schema
            }
            self._kernel.push(columns)
            new[begin : begin + step] = self._kernel.standing.status == NEW
        return new

    def _change(self, columns: Columns, names: list[Any], touched: list[Any], standing: Standing) -> Change:
        """What is to be written of a push, and the entities' places after it."""
        now = microseconds(self._clock.now())
        numbers = {name: self._held[name].number for name in touched}
        came: list[tuple[int, Any, int]] = []
        for row in np.flatnonzero(standing.status == NEW).tolist():
            name = names[row]
            numbers[name] += 1
            came.append((row, name, numbers[name]))
        change = Change(self._ours)
        for name in touched:
            before = self._held.pop(name)
            after = self._moved(change, name, before, number=numbers[name], now=now)
            self._held[name] = after  # as the last: it was used last
        kept = self._stored.columns
        cells = [cells_of(columns[field.name], field.kind) for field in kept]
        for row, name, number in came:
            if number > numbers[name] - self._kept_rows or number > self._held[name].saved:
                text = _TO_JSON.encode([column[row] for column in cells])
                change.rows.append({"entity": self._held[name].key, "number": number, "time": now, "row": text})
        return change

    def _moved(self, change: Change, name: Any, before: _Held, *, number: int, now: int) -> _Held:
        """Where an entity stands after a push; its state goes to rest now and then, so that few rows are read again."""
        if number == before.number:
            return before
        key = before.key
        if not before.stored:
            change.entities.append({"entity": key, "number": 0, "state": None, "time": now})
            self._entities += 1
        # Entities that come together need not save their states together.
        due = before.saved + self._kept_rows + zlib.crc32(key.encode()) % self._kept_rows
        if number < due:
            return _Held(key, number, before.saved, stored=True)
        state = self._kernel.state([name])
        change.states.append({"of": key, "to": number, "is": state, "at": now})
        change.dropped.append({"of": key, "to": number - self._kept_rows})
        return _Held(key, number, number, stored=True)


def _key(name: Any) -> str:
    """An entity's name as the store knows it."""
    text = "" if name is None else json.dumps(name)
    return text if len(text) <= _LONGEST_KEY else "sha256:" + hashlib.sha256(text.encode()).hexdigest()
