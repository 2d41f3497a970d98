"""A false-alarm budget as people state it, and what follows from it: the level of each window's test."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flyball.config.duration import parse_duration
from flyball_runtime.errors import BadInput

__all__ = ["Budget", "BudgetInvalid"]

_FORM = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:per|in|/)\s*(.+?)\s*")
_LOWEST, _HIGHEST = 1e-6, 0.5
_WINDOWS = re.compile(r"(\d+)?\s*windows?")


class BudgetInvalid(BadInput):
    """A false-alarm budget is not of the form "1 per 30d" or "1 per 1000 windows", or does not fit the windows."""

    code = "FB-CONFIG-020"


@dataclass(frozen=True, slots=True)
class Budget:
    """So many false alarms in so many windows, when nothing changes. `text` is how it was stated.

    >>> Budget.parse("1 per 1000 windows").level
    0.001
    >>> Budget.parse("1 per 30d", every_seconds=3600).level == 1 / 720
    True
    """

    alarms: float
    windows: float
    text: str

    @property
    def level(self) -> float:
        """How likely each window may raise a false alarm."""
        return self.alarms / self.windows

    @classmethod
    def parse(cls, text: str, *, every_seconds: float | None = None) -> Budget:
        """Read a budget; one per time needs the time that a window spans. Raises BudgetInvalid."""
        found = _FORM.fullmatch(text)
        if not found:
            raise _invalid(text, "it is not of the form NUMBER per PERIOD")
        alarms, period = float(found[1]), found[2]
        counted = _WINDOWS.fullmatch(period)
        if counted:
            windows = float(counted[1] or 1)
        elif every_seconds is None:
            why = "windows of so many rows come as fast as the requests do"
            raise _invalid(text, why, 'say "1 per 1000 windows", or give `every` instead of `window`')
        else:
            try:
                windows = parse_duration(period) / every_seconds
            except BadInput as error:
                raise _invalid(text, f"{period!r} is neither a length of time nor a number of windows") from error
        if alarms <= 0 or windows <= 0:
            raise _invalid(text, "a test without false alarms never alarms")
        if alarms / windows > _HIGHEST:
            raise _invalid(text, "that is more than one false alarm in two windows")
        if alarms / windows < _LOWEST:
            raise _invalid(text, "that is less than one false alarm in a million windows")
        return cls(alarms, windows, text)


def _invalid(
    text: str, why: str, fix: str = 'write "1 per 1000 windows" or, with `every`, "1 per 30d"'
) -> BudgetInvalid:
    return BudgetInvalid(f"{text!r} is no false-alarm budget", why=why, fix=fix)
