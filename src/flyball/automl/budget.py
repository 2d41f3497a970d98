"""The time that learning may take, and how it is shared out."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Budget"]

_RESERVE = 0.14  # of the budget: calibration, export and the parity check
_LEAST_RESERVE_S = 0.4
_INTERVAL = 0.08  # of the budget, and a bit: the widths of a regression's intervals
_LEAST_INTERVAL_S, _MOST_INTERVAL_S = 0.3, 5.0


class Budget:
    """A deadline counted from the moment of creation. `clock` gives seconds from any fixed moment.

    intervals: whether time is kept for the widths of intervals as well.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic, *, intervals: bool = False) -> None:
        self.seconds = float(seconds)
        share = min(_MOST_INTERVAL_S, _LEAST_INTERVAL_S + _INTERVAL * self.seconds)
        self.for_interval = share if intervals else 0.0
        self._clock = clock
        self._start = clock()

    @property
    def used(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._start

    @property
    def reserve(self) -> float:
        """Seconds kept back for what follows the search."""
        return self._finish + self.for_interval

    @property
    def _finish(self) -> float:
        return max(_LEAST_RESERVE_S, _RESERVE * self.seconds)

    @property
    def left(self) -> float:
        """Seconds that the search may still use; negative when it is late."""
        return self.seconds - self.reserve - self.used

    @property
    def last_moment(self) -> Callable[[], bool]:
        """A flag for work that the pipeline cannot do without: it may use a fifth of the reserve."""
        end = self.seconds - self.for_interval - 0.8 * self._finish
        return lambda: self.used >= end

    @property
    def interval_moment(self) -> Callable[[], bool]:
        """A flag for the widths of intervals, which may be done without."""
        end = self.seconds - 0.6 * self._finish
        return lambda: self.used >= end

    def within(self, seconds: float) -> Callable[[], bool]:
        """A flag that rises `seconds` from now, even if the search has no time left."""
        end = self.used + seconds
        return lambda: self.used >= end

    def until(self, seconds: float) -> Callable[[], bool]:
        """A flag that rises `seconds` from now, or when the search has no time left, whichever is earlier."""
        end = min(self.used + seconds, self.seconds - self.reserve)
        return lambda: self.used >= end
