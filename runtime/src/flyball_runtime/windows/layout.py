"""Rows laid out entity after entity, each behind what is carried of its past."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flyball_runtime.windows.history import History

__all__ = ["LATE", "NEW", "REPEATED", "UNPLACED", "Arrivals", "Layout", "Status", "lay_out"]

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]
Status = NDArray[np.int8]
NEW, LATE, REPEATED, UNPLACED = range(4)  # what became of a row that came


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Rows in the order they came, but entity after entity: `slots` ascend. values (rows, series); order (rows,).

    `order` None: rows count. `events` (rows, events) tells which rows are one.
    """

    slots: Positions
    values: Floats
    order: Floats | None
    events: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Layout:
    """values (positions, series), order and start (positions,): an entity's carried rows, then its new ones.

    `start` is where what is known of a position's entity begins. `slots` (entities,); `last` (entities,) the position of
    an entity's newest row. `at` (rows,) where each row that came is answered from, -1 where nothing is known; `rows`
    (new,) which rows went in, `new` (new,) their positions; `newest` (entities,) the carried row before the new ones.
    `status` (rows,) is NEW, LATE, REPEATED or UNPLACED.
    """

    slots: Positions
    values: Floats
    order: Floats
    start: Positions
    first: Positions
    newest: Positions
    last: Positions
    at: Positions
    rows: Positions
    new: Positions
    status: Status


def lay_out(came: Arrivals, history: History) -> Layout:
    """Place the rows that come after their entity's newest one; the others are counted, and answered from that one."""
    begins = np.append(True, came.slots[1:] != came.slots[:-1])
    entity = np.cumsum(begins) - 1
    slots = came.slots[begins]
    length = history.length[slots]
    carried = max(1, int(length.max()))
    status = _status(came.order, entity, begins, history.newest[slots])
    accepted = status == NEW
    rows = np.flatnonzero(accepted)
    own = entity[rows]
    many = np.bincount(own, minlength=len(slots))
    first = np.arange(len(slots)) * carried + np.concatenate([[0], np.cumsum(many)[:-1]])
    new = np.arange(len(rows)) + (own + 1) * carried
    positions = len(slots) * carried + len(rows)
    context = first[:, None] + np.arange(carried)
    values = np.full((positions, came.values.shape[1]), np.nan)
    values[context] = history.values[slots][:, -carried:]
    values[new] = came.values[rows]
    order = np.full(positions, np.nan)
    order[context] = history.order[slots][:, -carried:]
    order[new] = _counted(history, slots, first + carried, own, new) if came.order is None else came.order[rows]
    start = np.repeat(first + carried - length, carried + many)
    at = (entity + 1) * carried + np.cumsum(accepted) - 1
    at = np.where(at >= start[at], at, -1)
    return Layout(
        slots, values, order, start, first, first + carried - 1, first + carried + many - 1, at, rows, new, status
    )


def _counted(history: History, slots: Positions, begin: Positions, own: Positions, new: Positions) -> Floats:
    """Without an order rows are numbered: 0, 1, 2 … within each entity."""
    newest = history.newest[slots]
    before = np.where(np.isnan(newest), -1.0, newest)
    return np.asarray(before[own] + (new - begin[own] + 1))


def _status(order: Floats | None, entity: Positions, begins: NDArray[np.bool_], newest: Floats) -> Status:
    """Which rows come after all before them of their entity, and what the others are: (rows,)."""
    rows = len(entity)
    if order is None:
        return np.full(rows, NEW, dtype=np.int8)
    known = np.isfinite(order)
    before = np.where(np.isnan(newest), -np.inf, newest)
    moment = np.where(known, order, -np.inf)
    previous = np.where(begins, before[entity], np.concatenate([[-np.inf], moment[:-1]]))
    if bool((moment > previous).all()):
        return np.full(rows, NEW, dtype=np.int8)
    # the largest moment so far of each entity, by one accumulation over whole numbers that grow from entity to entity
    place = np.arange(rows) + entity + 1
    joined = np.empty(rows + len(newest))
    joined[place] = moment
    joined[place[begins] - 1] = before
    rank = np.unique(joined, return_inverse=True)[1]
    key = np.empty(len(joined), dtype=np.int64)
    key[place] = entity
    key[place[begins] - 1] = np.arange(len(newest))
    key = key * (int(rank.max()) + 1) + rank
    latest = np.maximum.accumulate(key)[place - 1]
    status = np.where(key[place] > latest, NEW, np.where(key[place] < latest, LATE, REPEATED))
    return np.where(known, status, UNPLACED).astype(np.int8)
