"""How far a prediction may be off, row by row: a small model of the out-of-fold errors' size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from flyball.trees import TreeEnsemble

__all__ = ["SPREAD", "CrossFit", "Spread", "cross_fit", "fit_spread"]

SPREAD = "spread"  # its name among LightGBM's own texts
_FEWEST_SAMPLED = 2_000
_BINS, _BIN_ROWS = 10, 100
_TREES = (0, 20, 60)
_POWERS = (0.5, 0.75, 1.0)  # dyadic, so that scaled leaves still add up exactly in float32
_MOST_PARTS = 3
_PARAMETERS: dict[str, Any] = {
    "objective": "gamma",
    "learning_rate": 0.08,
    "num_leaves": 8,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "max_bin": 63,
    "feature_pre_filter": False,
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
}
Floats = NDArray[np.float64]
Stop = Callable[[], bool]


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """A row's typical error: exp(curve(prediction) + trees(matrix)), > 0 and in target units.

    The curve runs straight between the points (knots, levels), (points,) each, and level beyond them. `trees` has one
    output and holds `power` times what was grown, as the levels do: below 1 it draws the rows' spreads together.
    """

    knots: Floats
    levels: Floats
    trees: TreeEnsemble
    power: float = 1.0

    def scale(self, prediction: Floats, matrix: NDArray[np.float32]) -> Floats:
        """(rows,) predictions in target units, (rows, features) of the frame -> (rows,)."""
        return self.combined(prediction, self.trees.predict(matrix)[:, 0])

    def combined(self, prediction: Floats, margin: Floats) -> Floats:
        """The same from the trees' answer (rows,)."""
        return np.asarray(np.exp(np.interp(prediction, self.knots, self.levels) + margin))


@dataclass(frozen=True, slots=True)
class CrossFit:
    """Spreads of rows by models that saw other parts alone: (trees, power) -> (rows,).

    knots, levels: the curve, see Spread; ratio: (rows,) the errors' size relative to it; sampled: rows to fit trees on.
    """

    knots: Floats
    levels: Floats
    ratio: Floats
    scales: dict[tuple[int, float], Floats]
    sampled: NDArray[np.intp]


def cross_fit(
    matrix: NDArray[np.float32],
    prediction: Floats,
    error: Floats,
    weight: Floats,
    part: NDArray[np.int64],
    *,
    stop: Stop,
    threads: int,
    seed: int,
    cells: int = 1_000_000,
) -> CrossFit | None:
    """Candidates for a spread, each row's by models that did not see its part; None without errors.

    Without parts or without time for trees they follow the prediction alone.

    matrix: (rows, features); prediction, error (truth minus prediction), weight: (rows,); part: (rows,) codes of rows
    that belong together, such as validation folds. `stop` turns true when the time is used up; `cells` bounds the
    matrix that trees are fitted on: beyond, a sample of rows will do.
    """
    size = np.abs(error)
    typical = float(np.average(size, weights=weight))
    if not np.isfinite(typical) or typical <= 0:
        return None
    size = np.clip(size, 1e-3 * typical, np.quantile(size, 0.995))
    knots, levels = _curve(prediction, size, weight)
    ratio = size / np.exp(np.interp(prediction, knots, levels))
    sampled = _sampled(matrix, cells, seed)
    grown = _held_out(matrix, ratio, weight, part, sampled, stop=stop, threads=threads, seed=seed)
    curve = np.interp(prediction, knots, levels)
    scales = {
        (trees, power): np.asarray(np.exp(power * (curve + margin)))
        for trees, margin in grown.items()
        for power in _POWERS
    }
    return CrossFit(knots, levels, ratio, scales, sampled)


def fit_spread(
    found: CrossFit,
    choice: tuple[int, float],
    matrix: NDArray[np.float32],
    weight: Floats,
    *,
    threads: int,
    seed: int,
) -> tuple[Spread, str | None]:
    """The spread for new rows, fitted on all rows with the chosen trees and power; and LightGBM's own text of it."""
    from flyball.automl.gbm import settle
    from flyball.trees import TreeEnsemble, from_lightgbm

    count, power = choice
    trees, text = TreeEnsemble.constant(np.zeros(1), matrix.shape[1]), None
    if count:
        booster = _boost(_dataset(matrix, found.ratio, weight, found.sampled), count, threads, seed)
        settled = settle([booster], count)[0]
        trees, text = from_lightgbm(settled.booster).scaled(power), settled.text
    return Spread(found.knots, power * found.levels, trees, power), text


def _curve(prediction: Floats, size: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """The log of the mean error along the prediction: points in rising order, at least one."""
    from flyball.evaluation.classification import equal_mass_bins

    bins = equal_mass_bins(prediction, _BINS, fewest_rows=_BIN_ROWS)
    mass = np.maximum(np.bincount(bins, weight), 1e-300)
    knots = np.bincount(bins, weight * prediction) / mass
    levels = np.log(np.maximum(np.bincount(bins, weight * size) / mass, size.min()))
    apart = np.concatenate([[True], np.diff(knots) > 1e-9 * max(1.0, float(np.abs(knots).max()))])
    return knots[apart], levels[apart]


def _held_out(
    matrix: NDArray[np.float32],
    ratio: Floats,
    weight: Floats,
    part: NDArray[np.int64],
    sampled: NDArray[np.intp],
    *,
    stop: Stop,
    threads: int,
    seed: int,
) -> dict[int, Floats]:
    """Log spread beyond the curve by number of trees: (rows,) each, of every part by models of the others."""
    without = {0: np.zeros(len(ratio))}
    _, code = np.unique(part, return_inverse=True)
    code = code % _MOST_PARTS
    if int(code.max(initial=0)) < 1 or stop():
        return without
    whole = _dataset(matrix, ratio, weight, sampled)
    grown = {trees: np.zeros(len(ratio)) for trees in _TREES}
    for number in range(int(code.max()) + 1):
        fit = np.flatnonzero(code[sampled] != number)
        if stop() or len(fit) < _BIN_ROWS:
            return without
        booster = _boost(whole.subset(fit).construct(), _TREES[-1], threads, seed)
        held = code == number
        for trees in _TREES[1:]:
            grown[trees][held] = booster.predict(matrix[held], raw_score=True, num_iteration=trees, num_threads=threads)
    return grown


def _sampled(matrix: NDArray[np.float32], cells: int, seed: int) -> NDArray[np.intp]:
    rows, columns = matrix.shape
    most = max(_FEWEST_SAMPLED, cells // max(1, columns))
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng([seed, 11]).choice(rows, most, replace=False))


def _dataset(matrix: NDArray[np.float32], ratio: Floats, weight: Floats, rows: NDArray[np.intp]) -> Any:
    import lightgbm

    parameters = {key: _PARAMETERS[key] for key in ("max_bin", "feature_pre_filter", "verbosity")}
    made = lightgbm.Dataset(matrix[rows], ratio[rows], weight=weight[rows], params=parameters, free_raw_data=False)
    return made.construct()


def _boost(data: Any, trees: int, threads: int, seed: int) -> Any:
    import lightgbm

    rows = data.num_data()
    parameters = {
        **_PARAMETERS, "num_threads": threads, "seed": seed % 2**31, "min_data_in_leaf": max(20, min(200, rows // 50)),
    }  # fmt: skip
    return lightgbm.train(parameters, data, num_boost_round=trees)
