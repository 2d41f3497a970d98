"""The time that learning may take, and how it is shared out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

__all__ = ["Budget", "WorkBudget"]

_RESERVE = 0.14  # of the budget: calibration, export and the parity check
_LEAST_RESERVE_S = 0.4
_NOMINAL_S = 60.0  # what the sizes of a work budget's models are chosen for
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

    trials: int | None = None  # how many candidates are tried; None: as many as there is time for

    @property
    def used(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._start

    def charge(self, seconds: float) -> None:
        """Count what an earlier, interrupted search spent on results that are taken over."""
        self._start -= seconds

    def done(self, tried: int) -> float:
        """The fraction of the budget that is spent, after so many candidates."""
        return min(1.0, self.used / max(self.seconds, 1e-9)) if self.trials is None else min(1.0, tried / self.trials)

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


class WorkBudget(Budget):
    """So many candidates, each to its own end, however long that takes: the same work on any machine."""

    def __init__(self, trials: int, clock: Callable[[], float] = time.monotonic, *, intervals: bool = False) -> None:
        super().__init__(_NOMINAL_S, clock, intervals=intervals)
        self.trials = trials

    @property
    def left(self) -> float:
        return math.inf

    @property
    def last_moment(self) -> Callable[[], bool]:
        return _never

    @property
    def interval_moment(self) -> Callable[[], bool]:
        return _never

    def within(self, seconds: float) -> Callable[[], bool]:  # noqa: ARG002 - the base's
        return _never

    def until(self, seconds: float) -> Callable[[], bool]:  # noqa: ARG002 - the base's
        return _never


def _never() -> bool:
    return False
