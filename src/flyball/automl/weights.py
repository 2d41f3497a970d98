"""Which candidates the ensemble holds, and how much each weighs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from flyball.automl.losses import Loss

__all__ = ["choose_weights"]

_STEPS = 24
_LEAST_WEIGHT = 0.06
_LEAST_GAIN = 1e-4  # relative; below it, the smaller ensemble is kept


def choose_weights(
    margins: Mapping[str, NDArray[np.float64]], target: NDArray[np.float64], weight: NDArray[np.float64], loss: Loss
) -> dict[str, float]:
    """Weights that sum to one, by greedy selection with replacement on out-of-fold margins (rows, outputs).

    Starts from the best single candidate; one is added only while the loss falls. Caruana et al. (2004), "Ensemble
    selection from libraries of models". Margins of classes are judged at the slope that suits their sum best, as they
    are calibrated later: a member that knows nothing must not be let in for damping the others.
    """
    if len(margins) == 1:
        return dict.fromkeys(margins, 1.0)
    counts = dict.fromkeys(margins, 0)
    total: NDArray[np.float64] | None = None
    reached, kept, slope = np.inf, dict(counts), 1.0
    for step in range(1, _STEPS + 1):
        sums = {name: margin if total is None else total + margin for name, margin in margins.items()}
        scores = {name: loss.value(slope / step * summed, target, weight) for name, summed in sums.items()}
        best = min(scores, key=lambda name: scores[name])
        counts[best] += 1
        total = sums[best]
        if loss.name == "log loss":
            slope, scores[best] = _slope(total / step, slope, target, weight, loss)
        if scores[best] < reached - _LEAST_GAIN * abs(reached if np.isfinite(reached) else 1.0):
            reached, kept = scores[best], dict(counts)
    return _normalised(kept)


def _slope(
    margin: NDArray[np.float64], near: float, target: NDArray[np.float64], weight: NDArray[np.float64], loss: Loss
) -> tuple[float, float]:
    """The slope about `near` under which the margins lose least, and that loss; a few steps, downhill."""
    slope, least = near, loss.value(near * margin, target, weight)
    for factor in (0.85, 1 / 0.85, 0.95, 1 / 0.95):
        while 0.05 < slope * factor < 5.0 and (tried := loss.value(slope * factor * margin, target, weight)) < least:
            slope, least = slope * factor, tried
    return slope, least


def _normalised(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    heavy = {name: count for name, count in counts.items() if count >= _LEAST_WEIGHT * total}
    total = sum(heavy.values())
    return {name: count / total for name, count in heavy.items()}
