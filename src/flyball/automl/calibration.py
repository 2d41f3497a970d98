"""Makes margins mean what they say: probabilities by a scaled logistic."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl.losses import Loss
from flyball.automl.pipeline import Calibration

__all__ = ["calibrate"]

_LEAST_ROWS = 30
_MOST_CELLS = 400_000  # of margins: beyond, a few numbers are not known better from more rows
_CAUTION = 4.0  # pseudo-rows that hold slope and bias near 1 and 0
Floats = NDArray[np.float64]


def calibrate(margin: Floats, target: Floats, weight: Floats, loss: Loss) -> Calibration:
    """Slope and bias that minimise the log loss of out-of-fold margins (rows, outputs); identity below 30 rows.

    Platt scaling for one output, temperature with a bias per class for several: Guo et al. (2017), "On calibration of
    modern neural networks". The slope stays positive, so the order of rows is never reversed.
    """
    outputs = loss.outputs
    if len(target) < _LEAST_ROWS:
        return Calibration(1.0, np.zeros(outputs))
    from scipy.optimize import minimize

    step = -(-margin.size // _MOST_CELLS)
    margin, target, weight = margin[::step], target[::step], weight[::step]
    share = weight / weight.sum()
    caution = _CAUTION / len(target)

    def objective(free: Floats) -> tuple[float, Floats]:
        slope, bias = math.exp(free[0]), free[1:]
        moved = slope * margin + bias
        pull = loss.gradient(moved, target) * share[:, None]
        value = float(share @ loss.rows(moved, target)) + 0.5 * caution * float(free @ free)
        return value, np.concatenate([[float((pull * margin).sum()) * slope], pull.sum(axis=0)]) + caution * free

    bounds: list[Any] = [(math.log(0.1), math.log(5.0)), *[(-5.0, 5.0)] * outputs]
    found = minimize(objective, np.zeros(1 + outputs), jac=True, method="L-BFGS-B", bounds=bounds)
    return Calibration(float(math.exp(found.x[0])), np.asarray(found.x[1:], dtype=np.float64))
