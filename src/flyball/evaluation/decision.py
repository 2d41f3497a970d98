"""From a probability to a decision: the threshold that costs least, and what each threshold costs and finds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.evaluation.classification import mean
from flyball.evaluation.degenerate import FEWEST_UNITS, is_degenerate
from flyball.evaluation.interval import Interval, from_replicates
from flyball.evaluation.resampling import Statistic, label_codes, resample
from flyball_runtime.errors import BadInput

__all__ = ["Choice", "Costs", "CostsInvalid", "choose_threshold", "decision", "threshold_curve"]

Floats = NDArray[np.float64]
Truth = NDArray[np.bool_]
_PARTS = 5  # of the rows, to ask whether a threshold found on four of them is cheaper on the fifth
_LEAST_UNITS, _LEAST_POSITIVES = 30, 10
_POINTS = 100
_REPLICATES = 1000


class CostsInvalid(BadInput):
    """The costs of decisions do not say which is better: an error must cost more than the right answer it replaces."""

    code = "FB-METRIC-010"


@dataclass(frozen=True, slots=True)
class Costs:
    """What a decision about one row costs, in any one unit; negative numbers are gains.

    `false_positive`: called positive and is not; `false_negative`: missed. Raises CostsInvalid unless each error costs
    more than the right answer for the same row.

    >>> Costs(false_positive=1, false_negative=19).break_even
    0.05
    """

    false_positive: float
    false_negative: float
    true_positive: float = 0.0
    true_negative: float = 0.0

    def __post_init__(self) -> None:
        values = asdict(self)
        for name, value in values.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise CostsInvalid(f"the cost {name} = {value!r} is not a number", fix="give a finite number")
        for wrong, right in (("false_positive", "true_negative"), ("false_negative", "true_positive")):
            if values[wrong] <= values[right]:
                raise CostsInvalid(
                    f"{wrong} = {values[wrong]:g} does not cost more than {right} = {values[right]:g}",
                    why="then one answer would be cheapest for every row, and no threshold is needed",
                    fix=f"give {wrong} a higher cost than {right}",
                )

    @property
    def break_even(self) -> float:
        """The probability at which calling a row positive costs as much as not calling it.

        Elkan (2001), "The foundations of cost-sensitive learning", IJCAI.
        """
        alarm = self.false_positive - self.true_negative
        return alarm / (alarm + self.false_negative - self.true_positive)

    def of(self, positive: Truth, called: Truth) -> Floats:
        """Cost of each row's decision: (rows,) twice -> (rows,)."""
        right = np.where(positive, self.true_positive, self.true_negative)
        wrong = np.where(positive, self.false_negative, self.false_positive)
        return np.where(positive == called, right, wrong).astype(np.float64)

    def to_dict(self) -> dict[str, float]:
        return {name: float(value) for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Costs:
        return cls(**raw)


@dataclass(frozen=True, slots=True)
class Choice:
    """A threshold, why it was chosen, and on how many rows."""

    threshold: float
    why: str
    rows: int


def choose_threshold(
    probability: Floats,
    positive: Truth,
    costs: Costs,
    *,
    weights: Floats | None = None,
    groups: NDArray[Any] | None = None,
    level: float = 0.90,
    seed: int = 0,
) -> Choice:
    """The threshold that costs least, from calibrated probabilities of rows that the models did not see.

    probability, positive, weights: (rows,); groups: (rows,) labels of dependent rows. It is the break-even probability,
    unless a threshold found on four fifths of the rows is clearly cheaper on the fifth that is left: then it is the
    cheapest on all of them. The cheapest alone would follow the noise of the few rows near it.
    """
    rows = len(positive)
    expected = costs.break_even
    known = f"costs break even at a probability of {expected:.3g}"
    units = np.arange(rows) if groups is None else label_codes(np.asarray(groups))
    count = int(units.max(initial=-1)) + 1
    rarer = min(int(positive.sum()), int((~positive).sum()))
    if count < _LEAST_UNITS or rarer < _LEAST_POSITIVES:
        return Choice(expected, f"{known}; too few validated rows to look for a better one", rows)
    row_weights = np.ones(rows) if weights is None else np.asarray(weights, dtype=np.float64)
    cost = _cost_elsewhere(probability, positive, costs, row_weights, _parts(units, seed))
    saved = costs.of(positive, probability >= expected) - cost
    saving = _means({"saved": saved}, row_weights, units, level, seed)["saved"]
    if saving.low > 0:
        found = _cheapest(probability, positive, costs, row_weights)
        return Choice(
            found,
            f"the cheapest on validated rows: {saving.value:.3g} [{saving.low:.3g}, {saving.high:.3g}] a row less than "
            f"at {expected:.3g}, where {known}",
            rows,
        )
    return Choice(expected, f"{known}, and validated rows show no clearly cheaper threshold", rows)


def decision(
    probability: Floats,
    positive: Truth,
    *,
    threshold: float,
    costs: Costs | None,
    weights: Floats | None = None,
    groups: NDArray[Any] | None = None,
    level: float = 0.90,
    seed: int = 0,
) -> dict[str, Any]:
    """What deciding by a threshold means on rows that the model never saw; `cost` is None without costs.

    Returns `{"threshold", "rows", "costs", "cost", "saved", "curve"}`: `cost` a row at the threshold ("chosen"), at 0.5
    ("half"), and of calling no row ("never") or every row ("always"), `saved` what the threshold saves against each of
    the others, both as intervals over the honest units.
    """
    rows = len(positive)
    row_weights = np.ones(rows) if weights is None else np.asarray(weights, dtype=np.float64)
    found: dict[str, Any] = {
        "threshold": threshold, "rows": rows, "costs": None, "cost": None, "saved": None,
        "curve": threshold_curve(probability, positive, costs=costs, weights=row_weights, marks=(threshold, 0.5)),
    }  # fmt: skip
    if costs is None:
        return found
    each = {
        "chosen": costs.of(positive, probability >= threshold),
        "half": costs.of(positive, probability >= 0.5),
        "never": costs.of(positive, np.zeros(rows, dtype=bool)),
        "always": costs.of(positive, np.ones(rows, dtype=bool)),
    }
    others = {name: values - each["chosen"] for name, values in each.items() if name != "chosen"}
    units = None if groups is None else label_codes(np.asarray(groups))
    wanted = {**{("cost", name): values for name, values in each.items()},
              **{("saved", name): values for name, values in others.items()}}  # fmt: skip
    measured = _means(wanted, row_weights, units, level, seed)
    found["costs"] = costs.to_dict()
    for part in ("cost", "saved"):
        found[part] = {name: measured[part, name].to_dict() for name in each if (part, name) in measured}
    return found


def threshold_curve(
    probability: Floats,
    positive: Truth,
    *,
    costs: Costs | None = None,
    weights: Floats | None = None,
    marks: tuple[float, ...] = (),
    points: int = _POINTS,
) -> list[dict[str, float | None]]:
    """Precision, recall, F1, share called and cost a row over about `points` thresholds, rising, `marks` among them.

    probability, positive, weights: (rows,). Precision is None where no row is called, recall where none is positive.
    """
    row_weights = np.ones(len(positive)) if weights is None else weights
    distinct = np.unique(probability)
    if len(distinct) > points:
        distinct = np.unique(np.quantile(distinct, np.linspace(0, 1, points), method="nearest"))
    thresholds = np.unique(np.concatenate([np.round(np.linspace(0, 1, 21), 2), marks, distinct]))
    order = np.argsort(-probability, kind="stable")
    called = np.searchsorted(-probability[order], -thresholds, side="right")
    running = np.concatenate([[0.0], np.cumsum(row_weights[order])])
    found = np.concatenate([[0.0], np.cumsum((row_weights * positive)[order])])
    total, yes = float(running[-1]), float(found[-1])
    curve = []
    for threshold, place in zip(thresholds, called, strict=True):
        hits, said = float(found[place]), float(running[place])
        curve.append(
            {
                "threshold": float(threshold),
                "called": said / total if total else None,
                "precision": hits / said if said else None,
                "recall": hits / yes if yes else None,
                "f1": 2 * hits / (said + yes) if said + yes else None,
                "cost": None if costs is None or not total else _cost(costs, hits, said, yes, total),
            }
        )
    return curve


def _cost(costs: Costs, hits: float, said: float, yes: float, total: float) -> float:
    errors = (said - hits) * costs.false_positive + (yes - hits) * costs.false_negative
    right = hits * costs.true_positive + (total - yes - said + hits) * costs.true_negative
    return (errors + right) / total


def _cheapest(probability: Floats, positive: Truth, costs: Costs, weights: Floats) -> float:
    """The threshold with the least cost on these rows; among equals the nearest to break-even."""
    order = np.argsort(-probability, kind="stable")
    ranked = probability[order]
    called = costs.of(positive, np.ones(len(positive), dtype=bool))
    spared = costs.of(positive, np.zeros(len(positive), dtype=bool))
    total = np.concatenate([[0.0], np.cumsum((weights * (called - spared))[order])])
    ends = np.concatenate([[0], np.flatnonzero(ranked[1:] != ranked[:-1]) + 1, [len(ranked)]])
    bounds = np.concatenate([[1.0], ranked, [0.0]])
    between = (bounds[ends] + bounds[ends + 1]) / 2  # halfway, so that rounding never moves a row across
    least = total[ends].min()
    equal = between[total[ends] <= least + 1e-12 * max(1.0, abs(least))]
    return float(equal[np.abs(equal - costs.break_even).argmin()])


def _parts(units: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """A fifth, 0 to 4, for each row: (rows,); rows of one unit share it."""
    parts: NDArray[np.int64] = np.random.default_rng(seed).permutation(int(units.max()) + 1) % _PARTS
    return parts[units]


def _cost_elsewhere(
    probability: Floats, positive: Truth, costs: Costs, weights: Floats, part: NDArray[np.int64]
) -> Floats:
    """Cost of each row, (rows,), at the threshold that was cheapest on the rows of the other parts."""
    cost = np.empty(len(positive))
    for number in range(_PARTS):
        held = part == number
        threshold = _cheapest(probability[~held], positive[~held], costs, weights[~held])
        cost[held] = costs.of(positive[held], probability[held] >= threshold)
    return cost


def _means(
    values: Mapping[Any, Floats], weights: Floats, units: NDArray[np.int64] | None, level: float, seed: int
) -> dict[Any, Interval]:
    """Weighted means with intervals, all over the same resamples of units."""
    statistics: dict[Any, Statistic] = {name: mean(item) for name, item in values.items()}
    rng = np.random.default_rng(seed)
    drawn = resample(statistics, weights, units, replicates=_REPLICATES, rng=rng)
    count = len(weights) if units is None else int(units.max()) + 1
    found = {name: from_replicates(item.of(weights), drawn[name], count, level) for name, item in statistics.items()}
    few = count < FEWEST_UNITS  # what does not vary on so few may well do so on others
    return {
        name: Interval(one.value, -math.inf, math.inf) if few and is_degenerate(one) else one
        for name, one in found.items()
    }
