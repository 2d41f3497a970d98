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
    selection from libraries of models".
    """
    if len(margins) == 1:
        return dict.fromkeys(margins, 1.0)
    counts = dict.fromkeys(margins, 0)
    total: NDArray[np.float64] | None = None
    reached, kept = np.inf, dict(counts)
    for step in range(1, _STEPS + 1):
        scores = {
            name: loss.value((margin if total is None else total + margin) / step, target, weight)
            for name, margin in margins.items()
        }
        best = min(scores, key=lambda name: scores[name])
        counts[best] += 1
        total = margins[best] if total is None else total + margins[best]
        if scores[best] < reached - _LEAST_GAIN * abs(reached if np.isfinite(reached) else 1.0):
            reached, kept = scores[best], dict(counts)
    return _normalised(kept)


def _normalised(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    heavy = {name: count for name, count in counts.items() if count >= _LEAST_WEIGHT * total}
    total = sum(heavy.values())
    return {name: count / total for name, count in heavy.items()}
