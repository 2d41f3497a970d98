"""Where a model is weak: segments of the test rows in which it errs more than overall, searched without crying wolf."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import Literal as OneOf

import numpy as np
from numpy.typing import NDArray

from flyball.evaluation.evaluate import class_codes
from flyball.evaluation.interval import Interval
from flyball.evaluation.metrics import Task
from flyball.evaluation.resampling import label_codes
from flyball.evaluation.segments import Literal, joined, literals
from flyball_runtime.schema import Field

__all__ = ["RowLoss", "Search", "Segment", "row_loss", "search_slices"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]
_LEAST_ROWS, _LEAST_UNITS = 100, 20  # below either, nothing can be told of parts of them
_LEAST_IN_SEGMENT = 20
_UNITS_IN_SEGMENT = 5
_MOST_ROWS = 50_000
_MOST_UNITS = 1500
_MOST_SEGMENTS = 5000
_MOST_FOUND = 10
_FLIPS = 1000
_CERTAIN = 1e-3  # a probability nearer to 0 counts as this, so that one confident error does not make a segment
_MATERIAL = 0.10


@dataclass(frozen=True, slots=True)
class RowLoss:
    """What each row cost the model, (rows,): log loss in nats, or the distance in target units.

    `stated`: the loss that its own probabilities lead one to expect, (rows,); zeros for a number. `name`: in words.
    """

    name: str
    value: Floats
    stated: Floats


@dataclass(frozen=True, slots=True)
class Segment:
    """A weak segment. `excess`: how much more a row of it costs than a row overall, with an interval that holds for
    every segment searched at once; `p_value` is adjusted for all of them."""

    parts: tuple[Literal, ...]
    rows: Mask
    count: int
    share: float
    excess: Interval
    p_value: float

    @property
    def text(self) -> str:
        return joined(self.parts)


@dataclass(frozen=True, slots=True)
class Search:
    """What a search found. `rate`: the chance that it names any segment on data that has no weak one.

    `findable`: the excess that a segment of about a tenth of the rows must have to be found four times in five.
    `kept`: positions of the rows that were searched (all, or a random part of very many).
    """

    status: OneOf["found", "none found", "not enough data"]
    why: str
    found: tuple[Segment, ...]
    searched: int
    rows: int
    units: int
    rate: float
    overall: float | None
    findable: float | None
    kept: NDArray[np.intp]


def row_loss(
    task: Task, target: NDArray[Any], outputs: Any, *, classes: NDArray[Any] | list[Any] | None = None
) -> RowLoss:
    """Each row's loss, from outputs as `bundle.score` gives them."""
    if task == "regression" or classes is None:
        distance = np.abs(np.asarray(target, np.float64) - np.asarray(outputs["prediction"], np.float64))
        return RowLoss("absolute error", distance, np.zeros(len(distance)))
    probability = np.asarray(outputs["probability"], dtype=np.float64)
    truth = class_codes(target, classes)
    stated = np.zeros(len(truth))
    known = truth < len(classes)
    stated[known] = probability[known, truth[known]]
    held = np.clip(probability, _CERTAIN, 1.0)
    entropy = -(probability * np.log(held)).sum(axis=1)
    return RowLoss("log loss", -np.log(np.clip(stated, _CERTAIN, 1.0)), entropy)


def search_slices(
    columns: Sequence[tuple[Field, NDArray[Any]]],
    loss: Floats,
    *,
    stated: Floats | None = None,
    weights: Floats | None = None,
    groups: NDArray[Any] | None = None,
    rate: float = 0.05,
    seed: int = 0,
) -> Search:
    """Segments of one or two conditions whose rows cost at least a tenth more than rows overall.

    columns: field and values (rows,) of each, the most telling first: where there are too many pairs, those of the
    first columns are searched. loss: (rows,); with `stated` (rows,) the excess is counted beyond what the model itself
    expects, so that rows which are hard, and known to be, make no segment. groups: (rows,) labels of dependent rows.

    Every condition is chosen before the losses are looked at. A segment's excess is divided by its spread over the
    honest units, and compared with the largest such ratio over all segments when the signs of the units are drawn at
    random: at most `rate` of the tables without a weak segment name any, which bounds the share of false discoveries too.

    Westfall & Young (1993), Resampling-Based Multiple Testing; Chernozhukov, Chetverikov & Kato (2013), Annals of
    Statistics 41(6), for the multiplier bootstrap of a maximum. Chung et al. (2019), "Slice Finder", for the idea.
    """
    rng = np.random.default_rng(seed)
    rows = len(loss)
    units = np.arange(rows) if groups is None else label_codes(np.asarray(groups))
    kept = _sample(units, rng)
    codes = label_codes(units[kept])
    count = int(codes.max(initial=-1)) + 1
    if rows < _LEAST_ROWS or count < _LEAST_UNITS:
        why = f"{rows:,} rows in {count:,} independent units; {_LEAST_ROWS} rows in {_LEAST_UNITS} units are needed"
        return Search("not enough data", why, (), 0, rows, count, rate, None, None, kept)
    weight = np.ones(len(kept)) if weights is None else np.asarray(weights, dtype=np.float64)[kept]
    counted = loss[kept] if stated is None else loss[kept] - stated[kept]
    margin = _MATERIAL * float(np.average(loss[kept], weights=weight))
    segments = _segments(columns, kept, max(_LEAST_IN_SEGMENT, round(0.01 * len(kept))))
    test = _Test(counted, weight, codes, margin, rng)
    scored = [(parts, mask, score) for parts, mask in segments if (score := test.score(mask)) is not None]
    overall = float(np.average(loss[kept], weights=weight))
    if not scored:
        why = "no condition on a column holds for enough rows, and not for nearly all"
        return Search("not enough data", why, (), 0, rows, count, rate, overall, None, kept)
    largest = test.largest([score for *_, score in scored])
    critical = float(np.quantile(largest, 1 - rate, method="higher"))
    found = tuple(_greedy(scored, test, largest, critical))
    why = f"{len(scored):,} segments searched; a tenth worse than overall is what counts as weak"
    status: OneOf["found", "none found"] = "found" if found else "none found"
    findable = _findable(scored, test, critical, margin)
    return Search(status, why, found, len(scored), rows, count, rate, overall, findable, kept)


class _Test:
    """The excess of segments over the whole, by sums within units."""

    def __init__(self, loss: Floats, weight: Floats, codes: Codes, margin: float, rng: np.random.Generator) -> None:
        count = int(codes.max()) + 1
        if count > _MOST_UNITS:
            codes, count = (rng.permutation(count) % _MOST_UNITS)[codes], _MOST_UNITS
        self.codes, self.count, self.margin, self.weight = codes, count, margin, weight
        self.total = float(weight.sum())
        self.centred = loss - float(np.average(loss, weights=weight))
        self.moved = weight * self.centred
        self.all_units = np.bincount(codes, self.moved, minlength=count)
        self.rng = rng

    def score(self, mask: Mask) -> Floats | None:
        """(units,): what each unit adds to the segment's excess beyond the margin; None where too few units hold it."""
        rows = np.flatnonzero(mask)
        codes = self.codes[rows]
        weight = np.bincount(codes, self.weight[rows], minlength=self.count)
        if np.count_nonzero(weight) < _UNITS_IN_SEGMENT:
            return None
        inside = np.bincount(codes, self.moved[rows], minlength=self.count)
        share = float(weight.sum()) / self.total
        score: Floats = inside - share * self.all_units - self.margin * weight
        return score if score.any() else None

    def largest(self, scores: Sequence[Floats]) -> Floats:
        """(flips,): the largest ratio of any segment when each unit's sign is a coin's."""
        signs = self.rng.integers(0, 2, (_FLIPS, self.count)).astype(np.float32) * 2 - 1
        largest = np.full(_FLIPS, -np.inf, dtype=np.float32)
        for begin in range(0, len(scores), 500):
            part = np.stack(scores[begin : begin + 500])
            part /= np.linalg.norm(part, axis=1, keepdims=True)
            largest = np.maximum(largest, (signs @ part.T.astype(np.float32)).max(axis=1))
        return largest.astype(np.float64)

    def excess(self, mask: Mask, score: Floats, critical: float) -> Interval:
        weight = float(self.weight[mask].sum())
        value = float(self.moved[mask].sum()) / weight
        return Interval(value, value - critical * (error := self.error(mask, score)), value + critical * error)

    def error(self, mask: Mask, score: Floats) -> float:
        """Standard error of a segment's excess."""
        inside = np.bincount(self.codes[mask], self.weight[mask], minlength=self.count)
        spread = score - score.sum() * inside / inside.sum()
        return float(np.linalg.norm(spread)) / float(inside.sum())


Scored = tuple[tuple[Literal, ...], Mask, Floats]


def ratio(score: Floats) -> float:
    """A segment's excess in standard errors; never above the root of the number of units that hold it."""
    return float(score.sum() / np.linalg.norm(score))


def _greedy(scored: Sequence[Scored], test: _Test, largest: Floats, critical: float) -> list[Segment]:
    """The clearest segment first; another only if it is weak without the rows that were named before."""
    clear = [(ratio(score), place) for place, (*_, score) in enumerate(scored)]
    clear = sorted(((value, place) for value, place in clear if value > critical), key=lambda one: (-one[0], one[1]))
    taken = np.zeros(len(test.codes), dtype=bool)
    found: list[Segment] = []
    for value, place in clear:
        parts, mask, score = scored[place]
        if found:
            alone = mask & ~taken
            rest = test.score(alone) if alone.sum() >= _LEAST_IN_SEGMENT else None
            if rest is None or ratio(rest) <= critical:
                continue
        p_value = (1 + int((largest >= value).sum())) / (len(largest) + 1)
        share = float(test.weight[mask].sum()) / test.total
        found.append(Segment(parts, mask, int(mask.sum()), share, test.excess(mask, score, critical), p_value))
        taken |= mask
        if len(found) == _MOST_FOUND:
            break
    return found


def _segments(
    columns: Sequence[tuple[Field, NDArray[Any]]], kept: NDArray[np.intp], fewest: int
) -> list[tuple[tuple[Literal, ...], Mask]]:
    """Single conditions on every column, then pairs of broad ones on two columns, up to a number of all together."""
    single = [literals(field, values[kept], fewest=fewest) for field, values in columns]
    made: list[tuple[tuple[Literal, ...], Mask]] = [((one,), one.rows) for group in single for one in group]
    made = made[:_MOST_SEGMENTS]
    broad = [[one for one in group if one.broad] for group in single]
    places = ((first, second) for second in range(len(broad)) for first in range(second))
    for first, second in places:
        for one in broad[first]:
            for other in broad[second]:
                both = one.rows & other.rows
                size = int(both.sum())
                if fewest <= size < 0.95 * min(int(one.rows.sum()), int(other.rows.sum())):
                    made.append(((one, other), both))
        if len(made) >= _MOST_SEGMENTS:
            break
    return made[:_MOST_SEGMENTS]


def _findable(scored: Sequence[Scored], test: _Test, critical: float, margin: float) -> float | None:
    """The excess that a segment of 5 to 15 % of the rows needs for a power of 80 %, in the median over such segments."""
    rows = len(test.codes)
    errors = [test.error(mask, score) for _, mask, score in scored[:400] if 0.05 * rows <= mask.sum() <= 0.15 * rows]
    if not errors:
        return None
    return margin + (critical + 0.84) * float(np.median(errors)) if math.isfinite(critical) else None


def _sample(units: Codes, rng: np.random.Generator) -> NDArray[np.intp]:
    """Positions of all rows, or of whole units at random up to about 50,000 rows."""
    if len(units) <= _MOST_ROWS:
        return np.arange(len(units))
    count = int(units.max()) + 1
    order = rng.permutation(count)
    sizes = np.bincount(units, minlength=count)[order]
    chosen = np.zeros(count, dtype=bool)
    chosen[order[: max(_LEAST_UNITS, int(np.searchsorted(np.cumsum(sizes), _MOST_ROWS)))]] = True
    return np.flatnonzero(chosen[units])
