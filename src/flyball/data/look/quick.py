"""A quick model, cross-fitted: how well can rows be predicted that it has not seen?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flyball.data.look.view import Floats, TargetTask

__all__ = ["area_under_curve", "cross_fitted", "fold_of_groups", "fold_of_rows", "row_losses", "score"]

_ROUNDS = 60
_MOST_GROWN = 100  # classes; of more, trees for each take too long for a look
_GROUPS = 25


def fold_of_rows(rows: int, folds: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """A random fold number for each row, folds of equal size."""
    return rng.permutation(rows) % folds


def fold_of_groups(groups: NDArray[np.intp], folds: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """A fold number for each row, equal within a group."""
    order = rng.permutation(int(groups.max()) + 1) % folds
    return np.asarray(order[groups])


def cross_fitted(
    matrix: Floats, target: Floats, *, task: TargetTask, classes: int, fold: NDArray[np.intp], seed: int
) -> Floats:
    """Out-of-fold outputs of a small LightGBM model: (rows,) values or probabilities, (rows, classes) if multiclass."""
    if task == "multiclass" and classes > _MOST_GROWN:
        return _by_groups(matrix, target, classes=classes, fold=fold, seed=seed)
    import lightgbm

    settings = {
        "objective": {"binary": "binary", "multiclass": "multiclass", "regression": "regression"}[task],
        "learning_rate": 0.12,
        "num_leaves": 31,
        "min_data_in_leaf": max(5, min(20, len(target) // 50)),
        "max_bin": 127,
        "feature_fraction": 0.8,
        "seed": seed,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    rounds = _ROUNDS
    if task == "multiclass":
        settings |= {"num_class": classes, "num_leaves": 15}
        rounds = max(8, 150 // classes)
    outputs = np.full((len(target), classes) if task == "multiclass" else len(target), np.nan)
    for held in range(int(fold.max()) + 1):
        fit = fold != held
        if not matrix.shape[1]:  # LightGBM refuses a table without columns: the prior is all there is
            outputs[~fit] = _prior(target[fit], task, classes)
            continue
        data = lightgbm.Dataset(matrix[fit], target[fit], params={"max_bin": 127, "verbosity": -1})
        booster = lightgbm.train(settings, data, num_boost_round=rounds)
        outputs[~fit] = booster.predict(matrix[~fit], num_threads=1)
    return outputs


def _by_groups(matrix: Floats, target: Floats, *, classes: int, fold: NDArray[np.intp], seed: int) -> Floats:
    """Very many classes: groups of them are told apart; within its group, each class has the share that it has overall."""
    group = np.arange(classes) % _GROUPS
    codes = target.astype(np.intp)
    outputs = cross_fitted(
        matrix, group[codes].astype(np.float64), task="multiclass", classes=_GROUPS, fold=fold, seed=seed
    )
    count = np.bincount(codes, minlength=classes) + 0.5
    return np.asarray(outputs[:, group] * (count / np.bincount(group, count)[group]))


def _prior(target: Floats, task: TargetTask, classes: int) -> Floats:
    if task == "multiclass":
        return np.asarray(np.bincount(target.astype(np.intp), minlength=classes) / len(target))
    return np.asarray(target.mean())


def row_losses(outputs: Floats, target: Floats, task: TargetTask) -> Floats:
    """Loss of each row, (rows,): squared error in units of the target's variance, or cross-entropy in nats."""
    if task == "regression":
        return np.asarray((outputs - target) ** 2 / max(float(np.var(target)), 1e-300))
    if task == "binary":
        chosen = np.where(target == 1, outputs, 1 - outputs)
    else:
        chosen = outputs[np.arange(len(target)), target.astype(np.intp)]
    return np.asarray(-np.log(np.clip(chosen, 1e-6, 1)))


def score(outputs: Floats, target: Floats, task: TargetTask) -> float:
    """How good the outputs are: ROC AUC, R² or balanced accuracy; 1 is perfect for each."""
    if task == "binary":
        return area_under_curve(outputs, target == 1)
    if task == "regression":
        return float(1 - np.mean((outputs - target) ** 2) / max(float(np.var(target)), 1e-300))
    hit = outputs.argmax(axis=1) == target
    return float(np.mean([hit[target == level].mean() for level in np.unique(target)]))


def area_under_curve(values: Floats, positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve by mid-ranks; 0.5 when a class is absent."""
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return 0.5
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[inverse]
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))
