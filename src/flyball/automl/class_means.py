"""Very many classes of few rows each: the nearest class mean, in the metric of what rows of one class have in common.

Linear discriminant analysis with a shrunken covariance (Friedman 1989, Journal of the American Statistical Association
84) and class means drawn to the overall one as far as chance moves them (James & Stein 1961). It is solved, not
searched for, and its margin is linear: 2,000 classes take a matrix of 2,000 columns and no tree.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flyball.automl.linear import LinearModel
from flyball.automl.linear_fit import Design
from flyball.automl.problem import Indices, Problem

__all__ = ["SHRINKAGES", "TEMPERATURES", "fit_class_means", "tempered"]

SHRINKAGES = (0.02, 0.2, 0.8)  # of the covariance towards a multiple of the identity
TEMPERATURES = (1.0, 0.6, 0.35, 0.2, 0.1, 0.05)  # how much of a distance counts
_MOST_WEIGHTS = 600_000  # of all classes: 4.8 MB of the graph
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Classes:
    """Of each class the weight of its rows (classes,) and their mean (classes, columns); within: their covariance."""

    weight: Floats
    mean: Floats
    within: Floats


def fit_class_means(
    problem: Problem, rows: Indices, matrix: NDArray[np.float32], shrinkages: tuple[float, ...] = SHRINKAGES
) -> list[LinearModel]:
    """One model per shrinkage. matrix: (rows, features) of the rows to fit on."""
    design = Design.of(problem, rows, matrix)
    if design.width * problem.outputs > _MOST_WEIGHTS:  # effects of levels go first: they are most of the columns
        design = replace(design, shell=replace(design.shell, tables=()), hot=None)
    columns = design.dense if design.hot is None else np.hstack([design.dense, design.hot.toarray()])
    classes = _classes(columns, design.target.astype(np.intp), design.weight * len(rows), problem.outputs)
    prior = np.log(classes.weight + 0.5) - np.log((classes.weight + 0.5).sum())
    models = []
    for shrinkage in shrinkages:
        level = float(np.trace(classes.within)) / max(1, len(classes.within)) or 1.0
        metric = (1 - shrinkage) * classes.within + shrinkage * level * np.eye(len(classes.within))
        slopes = np.linalg.solve(metric, classes.mean.T)
        offset = prior - 0.5 * (classes.mean.T * slopes).sum(axis=0)
        models.append(design.model(np.vstack([slopes, offset])))
    return models


def tempered(model: LinearModel, temperature: float, prior: Floats) -> LinearModel:
    """The model with distances that count for less; prior: (outputs,) what the classes' frequencies add."""
    return replace(
        model,
        coef=temperature * model.coef,
        missing=temperature * model.missing,
        tables=tuple(replace(table, values=temperature * table.values) for table in model.tables),
        intercept=temperature * (model.intercept - prior) + prior,
        center=temperature * model.center,
    )


def _classes(columns: Floats, target: NDArray[np.intp], weight: Floats, outputs: int) -> _Classes:
    from scipy import sparse

    member = sparse.csr_array((weight, (target, np.arange(len(target)))), shape=(outputs, len(target)))
    rows = np.bincount(target, weights=weight, minlength=outputs).astype(np.float64)
    overall = weight @ columns / max(weight.sum(), 1e-12)
    mean = np.where(rows[:, None] > 0, np.asarray(member @ columns) / np.maximum(rows, 1e-12)[:, None], overall)
    apart = columns - mean[target]
    free = max(weight.sum() - np.count_nonzero(rows), 1.0)
    within = (apart * weight[:, None]).T @ apart / free
    noise = float(np.trace(within))
    spread = float((rows @ (mean - overall) ** 2).sum() / max(rows.sum(), 1e-12))
    true = spread - noise * np.count_nonzero(rows) / max(
        rows.sum(), 1e-12
    )  # what chance adds to the means is taken off
    pull = noise / true if true > 0 else np.inf
    share = np.zeros(outputs) if np.isinf(pull) else rows / (rows + pull)
    return _Classes(rows, overall + share[:, None] * (mean - overall), within)
