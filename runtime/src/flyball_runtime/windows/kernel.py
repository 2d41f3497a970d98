"""The one kernel of window features, for whole tables, for rows as they come, and on devices."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball_runtime.schema import MISSING_TIME
from flyball_runtime.windows.history import History, Shape
from flyball_runtime.windows.layout import LATE, REPEATED, UNPLACED, Arrivals, Layout, Status, lay_out
from flyball_runtime.windows.reductions import Decayed, Extreme, Moments, Reduction, Slopes, Spans, over_spans
from flyball_runtime.windows.specification import Condition, WindowFeature, WindowSpec

__all__ = ["Standing", "WindowKernel", "entity_names", "window_features"]

_CELLS = 250_000  # laid out at a time: what lies in the processor's cache is joined fastest
_BATCH = 50_000  # rows of a table at a time
_LARGEST = 1e150  # numbers beyond it count as missing, as infinities do: their squares have no place in float64
_KIND = {"mean": "moments", "std": "moments", "count": "moments"}
Floats = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]
Window = tuple[int, float | None, int]


@dataclass(frozen=True, slots=True)
class Standing:
    """What became of the rows of one push, and what their answers stand on; (rows,) each.

    `status` is NEW, LATE, REPEATED or UNPLACED of `flyball_runtime.windows`. `past` is how many earlier rows of its entity
    a row is answered from, as far back as any feature looks; `full` whether every window and lag reached back to its end.
    """

    status: Status
    past: NDArray[np.intp]
    full: NDArray[np.bool_]


class WindowKernel:
    """Window features of rows as they come, by what it carries of each entity's past. One thread at a time.

    A row that comes after its entity's newest one (by the order) goes into its past and is answered from it, itself
    included. A row that comes late, repeats the newest moment or names no moment changes nothing: it is answered as the
    newest row is, and counted. A row that names no entity is answered with NaN. Results are equal bit for bit however
    rows are divided into pushes, and across `state()`.
    """

    def __init__(self, spec: WindowSpec, state: bytes | None = None) -> None:
        """state: what `state()` gave for an equal specification. Raises WindowStateInvalid."""
        self.spec = spec
        self._plan = _Plan(spec)
        self._hashes: dict[str, float] = {}
        self._undo: tuple[int, dict[str, int], NDArray[np.intp], dict[str, NDArray[Any]]] | None = None
        shape = self._plan.shape
        self._history = History(shape) if state is None else History.from_bytes(state, shape, spec.digest)
        self.standing = _nothing_came(0)

    @property
    def bytes_each(self) -> int:
        """How many bytes one entity's past takes."""
        return self._plan.shape.bytes_each

    def __len__(self) -> int:
        """How many entities' pasts are carried."""
        return len(self._history.keys)

    @property
    def counts(self) -> dict[str, int]:
        """How many rows came, and of these were late, repeated, or unplaced: without a moment or an entity."""
        return dict(self._history.counts)

    def state(self, only: Sequence[Any] | None = None) -> bytes:
        """Everything that a later kernel needs to go on from here: an npz without pickles.

        only: names of entities, as str or float (None where rows have no entity column); the state is then of these alone,
        and counts no rows.
        """
        history = self._history if only is None else self._history.of(only)
        return history.to_bytes(self.spec.digest)

    def take_on(self, states: Sequence[bytes]) -> None:
        """Carry on the entities of other kernels' states too; one that is known already takes the past that is given.

        Raises WindowStateInvalid, TooManyEntities, and has then changed nothing.
        """
        shape, digest = self._plan.shape, self.spec.digest
        self._history.take_on([History.from_bytes(state, shape, digest) for state in states])
        self._undo = None

    def keep(self, names: Sequence[Any]) -> None:
        """Forget every entity but these."""
        counts = self._history.counts
        self._history = self._history.of([name for name in names if name in self._history.keys])
        self._history.counts = counts
        self._undo = None

    def push(self, columns: Columns) -> Floats:
        """The features of these rows, (rows, features), and their place in the past of those to come.

        columns: the specification's, normalised (see `flyball_runtime.table.normalise`). `standing` then tells what became
        of each row. Raises TooManyEntities, and has then changed nothing.
        """
        history, plan = self._history, self._plan
        rows = len(next(iter(columns.values())))
        known, counts = len(history.keys), dict(history.counts)
        names = None if self.spec.entity is None else entity_names(columns[self.spec.entity])
        slots = history.slots_of(names, rows)
        touched = np.unique(slots[(slots >= 0) & (slots < known)])
        self._undo = (known, counts, touched, history.part(touched))
        values, events = self._series(columns), self._events(columns)
        order = None if self.spec.order is None else _moments(columns[self.spec.order])
        found = np.full((rows, len(self.spec.features)), np.nan)
        self.standing = _nothing_came(rows)
        placed = np.flatnonzero(slots >= 0)
        placed = placed[np.argsort(slots[placed], kind="stable")]
        for piece in _pieces(slots[placed], plan.shape):
            chosen = placed[piece]
            came = Arrivals(slots[chosen], values[chosen], None if order is None else order[chosen], events[chosen])
            found[chosen] = self._answer(came, chosen)
        history.counts["rows"] += rows
        many = np.bincount(self.standing.status, minlength=4)
        for name, status in (("late", LATE), ("repeated", REPEATED), ("unplaced", UNPLACED)):
            history.counts[name] += int(many[status])
        return found

    def undo(self) -> None:
        """Take the last push back, once: its rows were refused further on."""
        if self._undo is not None:
            known, counts, touched, part = self._undo
            self._history.put_back(touched, part)
            self._history.forget_after(known)
            self._history.counts = counts
            self._undo = None

    def _series(self, columns: Columns) -> Floats:
        """(rows, series): what windows go over, NaN where missing."""
        rows = len(next(iter(columns.values())))
        matrix = np.empty((rows, len(self._plan.series)))
        masks: dict[Condition, NDArray[np.bool_]] = {}
        for position, (column, where) in enumerate(self._plan.series):
            matrix[:, position] = self._numbers(columns[column])
            if where is not None:
                if where not in masks:
                    masks[where] = _holds(where, columns)
                matrix[~masks[where], position] = np.nan
        with np.errstate(invalid="ignore"):
            matrix[~(np.abs(matrix) <= _LARGEST)] = np.nan
        matrix += 0.0  # -0.0 becomes 0.0: which of the two is the least is nowhere laid down
        return matrix

    def _numbers(self, values: NDArray[Any]) -> Floats:
        """A column as numbers that are equal where its values are."""
        if values.dtype.kind == "f":
            return np.asarray(values, dtype=np.float64)
        if values.dtype.kind == "i":
            return _moments(values)
        known = self._hashes
        if len(known) > 100_000:
            known.clear()
        for name in set(values.tolist()) - known.keys() - {None}:
            known[name] = float(int(hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:13], 16))
        return np.array([np.nan if name is None else known[name] for name in values.tolist()], dtype=np.float64)

    def _events(self, columns: Columns) -> NDArray[np.bool_]:
        rows = len(next(iter(columns.values())))
        happened = np.zeros((rows, len(self._plan.events)), dtype=np.bool_)
        for position, where in enumerate(self._plan.events):
            happened[:, position] = _holds(where, columns)
        return happened

    def _answer(self, came: Arrivals, chosen: NDArray[np.intp]) -> Floats:
        """The features of rows of a few entities, (rows, features); the history then holds these rows too."""
        history, plan = self._history, self._plan
        laid = lay_out(came, history)
        self.standing.status[chosen] = laid.status
        known = np.flatnonzero(laid.at >= 0)
        at = laid.at[known]
        past = at - laid.start[at]
        self.standing.past[chosen[known]] = np.minimum(past, plan.shape.rows - 1)
        found = np.full((len(came.slots), len(self.spec.features)), np.nan)
        answers = np.empty((len(at), len(self.spec.features)))
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            full = self._over_windows(laid, at, answers)
            self._back(laid, at, answers)
            self._since(came, laid, at, answers)
        found[known] = answers
        self.standing.full[chosen[known]] = full & (past >= plan.least)
        _carry(laid, history, plan.shape.rows)
        return found

    def _over_windows(self, laid: Layout, at: NDArray[np.intp], answers: Floats) -> NDArray[np.bool_]:
        """Fills in the features over windows; tells at which rows every duration is covered by what is known."""
        per_second = self.spec.per_second
        spans = {window: _span(window, laid, at, per_second) for window in self._plan.windows}
        for job in self._plan.jobs:
            columns = laid.values if job.all_series else laid.values[:, job.series]
            parts = over_spans(
                job.reduction, columns, laid.order, laid.start, [spans[window] for window in job.windows]
            )
            for window, part in zip(job.windows, parts, strict=True):
                for feature, column in job.wanted[window]:
                    value = _value(self.spec.features[feature].aggregate, part, column, per_second)
                    answers[:, feature] = np.where(np.isnan(value), np.nan, value)
        full = np.ones(len(at), dtype=np.bool_)
        for (rows, duration, _), span in spans.items():
            if duration is not None:  # it ends at its last row, or where an older row of the entity is known
                full &= (span.width == rows) | (span.end - span.width >= laid.start[at])
        return full

    def _back(self, laid: Layout, at: NDArray[np.intp], answers: Floats) -> None:
        for feature, series in self._plan.back:
            asked = self.spec.features[feature]
            source = at - asked.lag
            there = source >= laid.start[at]
            value = np.where(there, laid.values[np.where(there, source, 0), series], np.nan)
            if asked.aggregate == "difference":
                value = laid.values[at, series] - value
            answers[:, feature] = np.where(np.isnan(value), np.nan, value)

    def _since(self, came: Arrivals, laid: Layout, at: NDArray[np.intp], answers: Floats) -> None:
        history, plan = self._history, self._plan
        slots, scale = laid.slots, self.spec.per_second
        if plan.changes:
            values = np.full((len(laid.order), len(plan.changes)), np.nan)
            values[laid.newest] = history.known[slots]
            values[laid.new] = laid.values[laid.new][:, plan.changes]
            last_known = _last(~np.isnan(values))
            before = np.concatenate([np.full((1, len(plan.changes)), -1, dtype=np.intp), last_known[:-1]])
            began = np.repeat(laid.first, np.diff(np.append(laid.first, len(laid.order))))[:, None]
            previous = np.take_along_axis(values, np.maximum(before, 0), axis=0)
            turned = ~np.isnan(values) & ((before < began) | (previous != values))
            turned[laid.newest] = False
            changed = _moment_of(turned, laid, history.changed[slots])
            history.known[slots] = _at_last(values, last_known, laid)
            history.changed[slots] = changed[laid.last]
            for feature, column in plan.since_change:
                answers[:, feature] = (laid.order[at] - changed[at, column]) / scale
        if plan.events:
            turned = np.zeros((len(laid.order), len(plan.events)), dtype=np.bool_)
            turned[laid.new] = came.events[laid.rows]
            happened = _moment_of(turned, laid, history.happened[slots])
            history.happened[slots] = happened[laid.last]
            for feature, column in plan.since_event:
                answers[:, feature] = (laid.order[at] - happened[at, column]) / scale


def window_features(spec: WindowSpec, columns: Columns) -> Floats:
    """The features of a whole table, (rows, features): what a kernel answers when its rows come in order.

    The table's rows may stand in any order; those of one entity and one moment come as they stand. Memory stays within
    bounds however many entities there are.
    """
    rows = len(next(iter(columns.values())))
    order = np.arange(rows) if spec.order is None else np.argsort(_moments(columns[spec.order]), kind="stable")
    if spec.entity is not None:
        order = order[np.argsort(_codes(columns[spec.entity])[order], kind="stable")]
        codes = _codes(columns[spec.entity])[order]
        borders = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    else:
        borders = np.empty(0, dtype=np.intp)
    found = np.empty((rows, len(spec.features)))
    kernel = WindowKernel(spec)
    begin = 0
    while begin < rows:
        inside = borders[(borders > begin) & (borders <= begin + _BATCH)]
        end = min(rows, begin + _BATCH)
        whole = len(inside) > 0 and end < rows
        end = int(inside[-1]) if whole else end
        chosen = order[begin:end]
        found[chosen] = kernel.push({name: columns[name][chosen] for name in spec.schema.names})
        if end in borders:
            kernel = WindowKernel(spec)
        begin = end
    return found


@dataclass(frozen=True)
class _Job:
    """One reduction over several windows: `series` by number; `wanted`: features and their columns, by window."""

    reduction: Reduction
    series: list[int]
    all_series: bool
    windows: list[Window]
    wanted: dict[Window, list[tuple[int, int]]]


class _Plan:
    """The features sorted by what computes them."""

    def __init__(self, spec: WindowSpec) -> None:
        self.series: list[tuple[str, Condition | None]] = []
        self.events: list[Condition] = []
        self.changes: list[int] = []
        self.back: list[tuple[int, int]] = []
        self.since_change: list[tuple[int, int]] = []
        self.since_event: list[tuple[int, int]] = []
        groups: dict[str, list[tuple[int, int]]] = {}
        for number, feature in enumerate(spec.features):
            if feature.over_window:
                kind = _KIND.get(feature.aggregate, feature.aggregate)
                groups.setdefault(kind, []).append((number, self._series_of(feature)))
            elif feature.aggregate in ("lag", "difference"):
                self.back.append((number, self._series_of(feature)))
            elif feature.where is not None and feature.aggregate == "since_event":
                if feature.where not in self.events:
                    self.events.append(feature.where)
                self.since_event.append((number, self.events.index(feature.where)))
            else:
                series = self._series_of(feature)
                if series not in self.changes:
                    self.changes.append(series)
                self.since_change.append((number, self.changes.index(series)))
        self.jobs = [self._job(kind, wanted, spec) for kind, wanted in groups.items()]
        self.windows = list(dict.fromkeys(window for job in self.jobs for window in job.windows))
        self.shape = Shape(spec.reach, len(self.series), len(self.changes), len(self.events))
        self.least = max((feature.reach for feature in spec.features if feature.duration is None), default=0)

    def _series_of(self, feature: WindowFeature) -> int:
        key = (feature.column or "", feature.where)
        if key not in self.series:
            self.series.append(key)
        return self.series.index(key)

    def _job(self, kind: str, asked: list[tuple[int, int]], spec: WindowSpec) -> _Job:
        columns: list[tuple[int, float | None]] = []
        wanted: dict[Window, list[tuple[int, int]]] = {}
        for number, series in asked:
            feature = spec.features[number]
            column = (series, feature.decay)
            if column not in columns:
                columns.append(column)
            window = (feature.rows, feature.duration, feature.lag)
            wanted.setdefault(window, []).append((number, columns.index(column)))
        reductions: dict[str, Reduction] = {
            "moments": Moments(), "slope": Slopes(), "min": Extreme(largest=False), "max": Extreme(largest=True),
            "ewm": Decayed(np.array([decay or 0.0 for _, decay in columns])),
        }  # fmt: skip
        chosen = [number for number, _ in columns]
        every = chosen == list(range(len(self.series)))
        return _Job(reductions[kind], chosen, every, list(wanted), wanted)


def _nothing_came(rows: int) -> Standing:
    return Standing(
        np.full(rows, UNPLACED, dtype=np.int8), np.zeros(rows, dtype=np.intp), np.zeros(rows, dtype=np.bool_)
    )


def _span(window: Window, laid: Layout, at: NDArray[np.intp], per_second: float) -> Spans:
    rows, duration, lag = window
    end = at - lag
    start = laid.start[at]
    width = np.clip(end - start + 1, 0, rows)
    if duration is not None:
        width = np.minimum(width, _within(duration * per_second, laid.order, end, width))
    return Spans(end, width)


def _within(duration: float, order: Floats, end: NDArray[np.intp], width: NDArray[np.intp]) -> NDArray[np.intp]:
    """How many of the last `width` rows lie less than the duration before the last one: (rows,), by bisection."""
    moment = order[np.maximum(end, 0)]
    low, high = np.zeros(len(end), dtype=np.intp), width.copy()  # the oldest `high` rows are surely not too old
    while True:
        open_ = low < high
        if not open_.any():
            return low
        middle = (low + high + 1) // 2
        fresh = moment - order[np.where(open_, end - middle + 1, 0)] < duration
        low = np.where(open_ & fresh, middle, low)
        high = np.where(open_ & ~fresh, middle - 1, high)


def _value(aggregate: str, parts: tuple[Floats, ...], column: int, per_second: float) -> Floats:
    """(rows,): a feature from its window's parts."""
    if aggregate in ("min", "max"):
        return parts[0][:, column]
    if aggregate == "ewm":
        return parts[0][:, column] / parts[1][:, column]
    count = parts[0][:, column]
    if aggregate == "count":
        return count
    if aggregate == "mean":
        return np.where(count > 0, parts[1][:, column], np.nan)
    if aggregate == "std":
        return np.where(count > 1, np.sqrt(parts[2][:, column] / (count - 1)), np.nan)
    spread = parts[4][:, column]
    return np.where((count > 1) & (spread > 0), parts[5][:, column] / spread * per_second, np.nan)


def _last(flags: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The position of the last true flag at or before each, -1 before the first: (positions, columns)."""
    positions = np.arange(len(flags), dtype=np.intp)[:, None]
    return np.maximum.accumulate(np.where(flags, positions, -1), axis=0)


def _moment_of(turned: NDArray[np.bool_], laid: Layout, carried: Floats) -> Floats:
    """The order of the last true flag within each entity, else what is `carried` (entities, columns)."""
    last = _last(turned)
    sizes = np.diff(np.append(laid.first, len(laid.order)))
    began = np.repeat(laid.first, sizes)[:, None]
    return np.where(last >= began, laid.order[np.maximum(last, 0)], np.repeat(carried, sizes, axis=0))


def _at_last(values: Floats, last_known: NDArray[np.intp], laid: Layout) -> Floats:
    """The last known value of each entity: (entities, columns)."""
    position = last_known[laid.last]
    there = position >= laid.first[:, None]
    found = np.take_along_axis(values, np.where(there, position, 0), axis=0)
    return np.where(there, found, np.nan)


def _carry(laid: Layout, history: History, rows: int) -> None:
    """Keep each entity's newest rows."""
    slots = laid.slots
    wanted = laid.last[:, None] - np.arange(rows - 1, -1, -1)
    there = wanted >= laid.first[:, None]
    source = np.where(there, wanted, 0)
    history.values[slots] = np.where(there[:, :, None], laid.values[source], np.nan)
    history.order[slots] = np.where(there, laid.order[source], np.nan)
    history.newest[slots] = laid.order[laid.last]
    history.length[slots] = np.minimum(rows, history.length[slots] + (laid.last - laid.newest))


def _pieces(slots: NDArray[np.intp], shape: Shape) -> Iterator[slice]:
    """Runs of rows that take few enough cells when they are laid out behind what is carried. `slots` ascend."""
    if not len(slots):
        return
    begins = np.append(True, slots[1:] != slots[:-1])
    cells = np.cumsum((1 + begins * shape.rows) * max(1, shape.series))
    begin, end = 0, 0
    while begin < len(slots):
        base = cells[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(cells, base + _CELLS, side="right")))
        yield slice(begin, end)
        begin = end


def _holds(where: Condition, columns: Columns) -> NDArray[np.bool_]:
    values, other = columns[where.column], where.value
    if values.dtype.kind == "O":
        known = np.array([value is not None for value in values], dtype=np.bool_)
        same = np.array([value == other for value in values.tolist()], dtype=np.bool_)
        return known & (same if where.operator == "==" else ~same)
    numbers = _moments(values)
    compare = {
        "==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater,
        ">=": np.greater_equal,
    }[where.operator]  # fmt: skip
    return np.asarray(~np.isnan(numbers) & compare(numbers, other), dtype=np.bool_)


def _moments(values: NDArray[Any]) -> Floats:
    """A number or time column as float64, NaN where missing or beyond what is counted with."""
    if values.dtype.kind == "i":
        return np.where(values == MISSING_TIME, np.nan, values.astype(np.float64))
    return np.where(np.abs(values) <= _LARGEST, values + 0.0, np.nan)


def _codes(values: NDArray[Any]) -> NDArray[np.intp]:
    """Equal numbers for equal names, in the order in which they first come: (rows,)."""
    known: dict[Any, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in entity_names(values)], dtype=np.intp)


def entity_names(values: NDArray[Any]) -> list[Any]:
    """A normalised column's values as they name entities: one str or float each, None where missing."""
    names: list[Any] = values.tolist() if values.dtype.kind == "O" else (values + 0.0).tolist()
    return [None if name != name else name for name in names]  # noqa: PLR0124 - NaN
