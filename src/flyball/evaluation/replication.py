"""What as many new rows will show: a measured figure with the interval that its repetition falls into.

A confidence interval says where the figure of endless rows lies. People ask another question: how will the model do on
the next rows? Their figure has an error of its own, and in a world that moves, the next stretch of time is not like the
last. Spence & Stanley (2016), PLoS ONE 11(9), "Prediction interval: what to expect when you're expecting ... a
replication".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist

import numpy as np

from flyball.evaluation.interval import Interval
from flyball.evaluation.metrics import Metric

__all__ = ["replication_interval"]

_LEAST_BIAS = 0.25  # of the test's own variance: cross-validated models are not the tested one
_FEWEST_PERIODS = 3
_DEPENDS_ON_ROWS = ("calibration_error",)  # its value falls with the number of rows, so parts of other sizes say little


def replication_interval(
    metric: Metric,
    test: Interval,
    *,
    pooled: Interval | None = None,
    periods: Sequence[Interval] = (),
    level: float = 0.90,
) -> Interval:
    """The figure measured on the test rows, with the interval that holds the figure of as many new rows.

    test: the figure with its confidence interval at `level`. pooled: the same figure of all cross-validated rows, which
    narrows the interval where both agree; for rows or groups that are alike. periods: the figure in successive earlier
    stretches of time, oldest first; what moved from one to the next more than chance would is expected to move again.
    An infinite end of `test` stays infinite.

    >>> from flyball.evaluation.metrics import METRICS
    >>> found = replication_interval(METRICS["accuracy"], Interval(0.80, 0.77, 0.83))
    >>> round(found.low, 3), round(found.high, 3)
    (0.758, 0.842)
    """
    if not (math.isfinite(test.low) and math.isfinite(test.high)):
        return test
    down, up = test.value - test.low, test.high - test.value
    variance = _variance(test, level)
    if variance <= 0:
        return test
    centre, own = test.value, variance
    if pooled is not None and metric.name not in _DEPENDS_ON_ROWS:
        share = _trust(test.value, pooled, variance, level)
        centre, own = centre + share * (pooled.value - centre), (1 - share) * variance
    moved = _movement([*periods, test], level) if periods and metric.name not in _DEPENDS_ON_ROWS else 0.0
    stretch = math.sqrt((own + variance + moved) / variance)
    low, high = centre - stretch * down, centre + stretch * up
    return Interval(test.value, min(test.value, max(metric.low, low)), max(test.value, min(metric.high, high)))


def _variance(found: Interval, level: float) -> float:
    return float(((found.high - found.low) / 2 / NormalDist().inv_cdf(0.5 + level / 2)) ** 2)


def _trust(value: float, pooled: Interval, variance: float, level: float) -> float:
    """How much of the way to the cross-validated figure the best guess lies: inverse variances, with that figure's bias
    estimated from the distance between the two (DerSimonian & Laird 1986), and never taken as nothing."""
    spread = _variance(pooled, level)
    if not math.isfinite(spread):
        return 0.0
    bias = max(_LEAST_BIAS * variance, (value - pooled.value) ** 2 - variance - spread)
    return variance / (variance + spread + bias)


def _movement(stretches: Sequence[Interval], level: float) -> float:
    """Variance of the step from one stretch of time to the next, beyond what sampling explains; for a few steps larger,
    as Student's distribution is wider than the normal one."""
    known = [each for each in stretches if math.isfinite(each.low) and math.isfinite(each.high)]
    if len(known) < _FEWEST_PERIODS:
        return 0.0
    from scipy.special import stdtrit

    steps = np.array([(after.value - before.value) ** 2 for before, after in pairwise(known)])
    chance = np.array([_variance(before, level) + _variance(after, level) for before, after in pairwise(known)])
    wider = float(stdtrit(len(steps), 0.5 + level / 2)) / NormalDist().inv_cdf(0.5 + level / 2)
    return max(0.0, float(steps.mean() - chance.mean())) * wider**2
