"""How many false alarms a budget allows in a number of windows: both ends, since a watch that never alarms fails too."""

from __future__ import annotations

__all__ = ["alarm_range"]


def alarm_range(windows: int, level: float, *, share: float = 0.95) -> tuple[int, int]:
    """Within which the number of false alarms in `windows` lies with a probability of at least `share`: binomial.

    >>> alarm_range(200, 0.05)
    (4, 16)
    """
    from scipy.stats import binom

    low, high = binom.interval(share, windows, level)
    return int(low), int(high)
