"""What is carried from one row to the next, for each entity; and its form at rest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball_runtime.arrays import ArraysInvalid, pack_arrays, text_from_arrays, text_to_arrays, unpack_arrays
from flyball_runtime.errors import BadInput, Refused

__all__ = ["History", "Shape", "TooManyEntities", "WindowStateInvalid"]

_FORMAT = 1
_MOST_BYTES = 2**30
_ARRAYS = ("values", "order", "length", "newest", "known", "changed", "happened")
_FIX = "start without a state"


class TooManyEntities(Refused):
    """More entities came than the past of can be carried within a gibibyte."""

    code = "FB-WINDOW-002"


class WindowStateInvalid(BadInput):
    """A saved state of window features is damaged, of a later version, or of another specification."""

    code = "FB-WINDOW-003"


@dataclass(frozen=True, slots=True)
class Shape:
    """rows: carried for each entity; series; changes: series whose last change is kept; events."""

    rows: int
    series: int
    changes: int
    events: int

    @property
    def bytes_each(self) -> int:
        return 8 * (self.rows * (self.series + 1) + 2 * self.changes + self.events + 2)


@dataclass
class History:
    """By slot (slots,): `values` (slots, rows, series) and `order` (slots, rows), newest last, of which the last
    `length` hold something; `newest` order; `known` last value and `changed` the order at which it came, (slots, changes);
    `happened` the order of the last event, (slots, events). `counts`: rows, late, repeated, unplaced."""

    shape: Shape
    keys: dict[Any, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("rows", "late", "repeated", "unplaced"), 0))

    def __post_init__(self) -> None:
        self._allot(0)

    def _allot(self, slots: int) -> None:
        shape = self.shape
        self.values = np.full((slots, shape.rows, shape.series), np.nan)
        self.order = np.full((slots, shape.rows), np.nan)
        self.length = np.zeros(slots, dtype=np.intp)
        self.newest = np.full(slots, np.nan)
        self.known = np.full((slots, shape.changes), np.nan)
        self.changed = np.full((slots, shape.changes), np.nan)
        self.happened = np.full((slots, shape.events), np.nan)

    def slots_of(self, names: Sequence[Any] | None, rows: int) -> NDArray[np.intp]:
        """A slot for each row, new ones for entities not seen before; -1 for a row that names none. (rows,)

        names: one str or float each, None where missing; None: all rows are of one entity. Raises TooManyEntities.
        """
        keys, known = self.keys, len(self.keys)
        if names is None:
            keys.setdefault(None, 0)
            slots = np.zeros(rows, dtype=np.intp)
        else:
            found = [-1 if name is None else keys.setdefault(name, len(keys)) for name in names]
            slots = np.array(found, dtype=np.intp)
        if len(keys) > len(self.length):
            self._grow(known)
        return slots

    def _grow(self, known: int) -> None:
        wanted = len(self.keys)
        if wanted * self.shape.bytes_each > _MOST_BYTES:
            self.forget_after(known)
            raise TooManyEntities(
                f"the past of {wanted:,} entities is more than can be carried",
                why=f"each takes {self.shape.bytes_each:,} bytes, and together they may take {_MOST_BYTES:,}",
                fix="give the features shorter windows, or share the entities out over several sessions",
            )
        room = min(max(wanted, 2 * len(self.length)), max(wanted, _MOST_BYTES // self.shape.bytes_each))
        before = {name: getattr(self, name) for name in _ARRAYS}
        self._allot(room)
        for name, values in before.items():
            getattr(self, name)[: len(values)] = values

    def forget_after(self, known: int) -> None:
        """Take back the entities that came after the first `known` ones."""
        self.keys = {name: slot for name, slot in self.keys.items() if slot < known}
        for name in _ARRAYS:
            getattr(self, name)[known:] = 0 if name == "length" else np.nan

    def of(self, names: Sequence[Any]) -> History:
        """A history of these entities alone, in this order; it counts no rows."""
        slots = np.array([self.keys[name] for name in names], dtype=np.intp)
        made = History(self.shape, {name: slot for slot, name in enumerate(names)})
        for name, values in self.part(slots).items():
            setattr(made, name, values)
        return made

    def take_on(self, others: Sequence[History]) -> None:
        """Hold the entities of others too, in place of what was known of them. Raises TooManyEntities."""
        names = [name for other in others for name in other.keys]
        if not names:
            return
        known = len(self.keys)
        for name in names:
            self.keys.setdefault(name, len(self.keys))
        if len(self.keys) > len(self.length):
            self._grow(known)
        slots = np.array([self.keys[name] for name in names], dtype=np.intp)
        parts = [other.part(np.arange(len(other.keys))) for other in others]
        self.put_back(slots, {name: np.concatenate([part[name] for part in parts]) for name in _ARRAYS})

    def part(self, slots: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
        """A copy of what these slots hold, for `put_back`."""
        return {name: getattr(self, name)[slots] for name in _ARRAYS}

    def put_back(self, slots: NDArray[np.intp], part: dict[str, NDArray[Any]]) -> None:
        for name, values in part.items():
            getattr(self, name)[slots] = values

    def to_bytes(self, digest: str) -> bytes:
        """Everything as one npz without pickles; equal histories give equal bytes. `digest` names the specification."""
        used = len(self.keys)
        arrays: dict[str, NDArray[Any]] = {name: getattr(self, name)[:used] for name in _ARRAYS}
        arrays["length"] = arrays["length"].astype(np.int64)
        names = list(self.keys)
        kind = "one" if None in self.keys else "text" if any(isinstance(name, str) for name in names) else "number"
        if kind == "text":
            text = np.empty(used, dtype=object)
            text[:] = names
            arrays["text"], arrays["lengths"] = text_to_arrays(text)
        elif kind == "number":
            arrays["numbers"] = np.array(names, dtype=np.float64)
        header = {"format": _FORMAT, "windows": digest, "keys": kind, "counts": self.counts}
        arrays["header"] = np.frombuffer(json.dumps(header, sort_keys=True).encode(), dtype=np.uint8)
        return pack_arrays(arrays)

    @classmethod
    def from_bytes(cls, raw: bytes, shape: Shape, digest: str) -> History:
        """Raises WindowStateInvalid."""
        try:
            arrays = unpack_arrays(raw)
            header = json.loads(arrays["header"].tobytes())
            version, owner = header["format"], header["windows"]
            if version != _FORMAT:
                raise WindowStateInvalid(
                    f"the windows' state is of format {version!r}, this runtime reads {_FORMAT}", fix=_FIX
                )
            if owner != digest:
                raise WindowStateInvalid("the windows' state is of another specification", fix=_FIX)
            return cls._restored(arrays, header, shape)
        except (
            ArraysInvalid,
            KeyError,
            ValueError,
            TypeError,
            AttributeError,
            ArithmeticError,
            RecursionError,
        ) as error:
            raise WindowStateInvalid("the windows' state cannot be read", why=str(error)[:200], fix=_FIX) from error

    @classmethod
    def _restored(cls, arrays: dict[str, NDArray[Any]], header: dict[str, Any], shape: Shape) -> History:
        made = cls(shape)
        names: list[Any] = [None]
        if header["keys"] == "text":
            names = text_from_arrays(arrays["text"], arrays["lengths"]).tolist()
        elif header["keys"] == "number":
            names = arrays["numbers"].tolist()
        made.keys = {name: slot for slot, name in enumerate(names)}
        made.counts = {name: int(header["counts"][name]) for name in made.counts}
        if len(made.keys) != len(names) or min(made.counts.values()) < 0:
            raise ValueError("an entity stands in it twice, or a count is below 0")
        if len(names) * shape.bytes_each > _MOST_BYTES:
            raise ValueError(f"{len(names):,} entities are more than can be carried")
        made._allot(len(names))
        for name in _ARRAYS:
            wanted, found = getattr(made, name), arrays[name]
            if found.shape != wanted.shape or found.dtype.kind != wanted.dtype.kind:
                raise ValueError(f"{name} has the shape {found.shape}, not {wanted.shape}")
            setattr(made, name, np.array(found, dtype=wanted.dtype))
        if (made.length < 0).any() or (made.length > shape.rows).any():
            raise ValueError("its lengths do not fit")
        held = np.arange(shape.rows) >= shape.rows - made.length[:, None]
        rising = np.diff(made.order, axis=1) > 0
        if not (rising | ~held[:, :-1]).all() or not np.isfinite(made.order[held]).all():
            raise ValueError("the rows of an entity are not in their order")
        last = np.where(made.length > 0, made.order[:, -1], np.nan)
        if not np.array_equal(last, made.newest, equal_nan=True):
            raise ValueError("the newest row of an entity is not its last")
        return made
