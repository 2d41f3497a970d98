"""How much a search may do: a length of time, or a number of candidates that is the same work on any machine."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flyball.config.duration import DurationInvalid, parse_duration

__all__ = ["Effort", "parse_effort"]

_TRIALS = re.compile(r"\s*(\d+)\s*trials?\s*", re.IGNORECASE | re.ASCII)
_MOST_TRIALS = 10_000
_NOMINAL_S = 60.0


@dataclass(frozen=True, slots=True)
class Effort:
    """`seconds` of a wall-clock budget; with `trials` that many candidates are tried instead, however long it takes."""

    seconds: float
    trials: int | None = None

    def __str__(self) -> str:
        if self.trials is None:
            return f"{self.seconds:g} s"
        return f"{self.trials} trial{'' if self.trials == 1 else 's'}"


def parse_effort(text: object) -> Effort:
    """The effort that a text states, "90s" or "40 trials"; a bare number is seconds. Raises DurationInvalid.

    >>> parse_effort("2m"), parse_effort("40 trials").trials
    (Effort(seconds=120.0, trials=None), 40)
    """
    if isinstance(text, Effort):
        return text
    found = _TRIALS.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return Effort(parse_duration(text))
    trials = int(found[1])
    if not 1 <= trials <= _MOST_TRIALS:
        raise DurationInvalid(
            f"{text!r} is no budget", why=f"trials are 1 to {_MOST_TRIALS:,}", fix='write it like "40 trials"'
        )
    return Effort(_NOMINAL_S, trials)
