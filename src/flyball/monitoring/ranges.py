"""How many false alarms a budget allows in a number of windows: both ends, since a watch that never alarms fails too."""

from __future__ import annotations

import math

__all__ = ["alarm_range"]


def alarm_range(windows: int, level: float, *, share: float = 0.95) -> tuple[int, int]:
    """Within which the number of false alarms in `windows` lies with a probability of at least `share`: binomial.

    Each end leaves at most half of the rest outside. 0 < level < 1. O(windows).

    >>> alarm_range(200, 0.05), alarm_range(3, 0.001)
    ((4, 16), (0, 0))
    """
    tail, below, low = (1 - share) / 2, 0.0, None
    for alarms in range(windows + 1):
        below += _probability(alarms, windows, level)
        if low is None and below >= tail:
            low = alarms
        if below >= 1 - tail:
            return low or 0, alarms
    return low or 0, windows


def _probability(alarms: int, windows: int, level: float) -> float:
    ways = math.lgamma(windows + 1) - math.lgamma(alarms + 1) - math.lgamma(windows - alarms + 1)
    return math.exp(ways + alarms * math.log(level) + (windows - alarms) * math.log1p(-level))
