"""A statistic with its confidence interval, and the two ways in which the intervals here are made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Interval", "from_replicates", "wilson"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A statistic with its confidence interval; `low <= value <= high`. An infinite end: the data cannot tell."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """As JSON; an end that the data cannot tell is null."""
        return {name: _finite(getattr(self, name)) for name in ("value", "low", "high")}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Interval:
        low, high = raw.get("low"), raw.get("high")
        return cls(float(raw["value"]), -math.inf if low is None else float(low), math.inf if high is None else high)


def wilson(share: float, count: float, level: float) -> Interval:
    """Interval of a proportion seen in `count` independent trials (real-valued: an effective number may be given).

    Unlike a bootstrap it does not shrink to nothing at 0 or 1.

    >>> wilson(1.0, 20, 0.90)  # doctest: +ELLIPSIS
    Interval(value=1.0, low=0.88..., high=1.0)

    Wilson (1927), JASA 22.
    """
    if count <= 0:
        return Interval(share, 0.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + level / 2)
    spread = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    return Interval(share, max(0.0, min(share, centre - spread)), min(1.0, max(share, centre + spread)))


def from_replicates(value: float, replicates: NDArray[np.float64], units: int, level: float) -> Interval:
    """Bootstrap percentile interval, widened for few units (the "expanded" form).

    replicates: (replicates,), NaN where a resample left the statistic undefined; units: how many independent units
    were resampled. Below two units both ends are infinite: the data cannot tell.

    Hesterberg (2015), The American Statistician 69(4), section 4.
    """
    known = replicates[np.isfinite(replicates)]
    if units < 2 or len(known) < 20:
        return Interval(value, -math.inf, math.inf)
    from scipy.special import ndtr, stdtrit

    tail = float(ndtr(math.sqrt(units / (units - 1)) * stdtrit(units - 1, (1 - level) / 2)))
    low, high = np.quantile(known, [tail, 1 - tail])
    return Interval(value, min(value, float(low)), max(value, float(high)))


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
