"""Fits the linear family: ridge and (multinomial) logistic regression by L-BFGS, under a deadline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl.linear import CategoryTable, LinearModel
from flyball.automl.problem import Indices, Problem

__all__ = ["PENALTIES", "Design", "constant_model", "fit_linear"]

PENALTIES = (0.1, 0.003, 0.0001)  # per unit of mean loss, strongest first, so that each fit starts near its answer
_MOST_STEPS = 120
Floats = NDArray[np.float64]


def constant_model(margin: Floats, width: int) -> LinearModel:
    """A model that answers `margin` (outputs,) whatever it reads."""
    outputs = len(margin)
    nothing, empty = np.zeros(0), np.zeros((0, outputs))
    none = np.zeros(0, dtype=np.int64)
    center = np.zeros((width, outputs))
    return LinearModel(width, none, nothing, nothing, empty, empty, (), np.asarray(margin, dtype=np.float64), center)


def fit_linear(
    problem: Problem, rows: Indices, *, stop: Callable[[], bool], penalties: Sequence[float] = PENALTIES,
    matrix: NDArray[np.float32] | None = None,
) -> list[LinearModel]:  # fmt: skip
    """One model per penalty, fitted on these rows of the problem. What the deadline cuts short is still a model.

    matrix: (rows, features) what the rows hold, where it is not what the problem's matrix says of them.
    """
    design = Design.of(problem, rows, problem.matrix[rows] if matrix is None else matrix)
    start = np.zeros((design.width, problem.outputs))
    start[-1] = problem.prior(rows)
    models = []
    for penalty in penalties:
        start = _minimise(design, start, penalty, stop)
        models.append(design.model(start))
    return models


@dataclass(frozen=True)
class Design:
    """Columns in order: standardised numbers, missing indicators, one-hot categories (sparse), a one."""

    problem: Problem
    matrix: NDArray[np.float32]
    shell: LinearModel
    dense: Floats
    hot: Any
    target: Floats
    weight: Floats

    @classmethod
    def of(cls, problem: Problem, rows: Indices, matrix: NDArray[np.float32]) -> Design:
        from scipy import sparse

        weight = problem.weight[rows] / problem.weight[rows].sum()
        shell = _shell(problem, matrix, weight)
        scaled, gone = shell.standardised(matrix)
        blocks = [
            sparse.csr_array(
                (np.ones(len(rows)), (np.arange(len(rows)), table.rows_of(matrix[:, table.feature]))),
                shape=(len(rows), len(table.values)),
            )
            for table in shell.tables
        ]
        hot = sparse.hstack(blocks, format="csr") if blocks else None
        dense = np.concatenate([scaled, gone.astype(np.float64)], axis=1)
        return cls(problem, matrix, shell, dense, hot, problem.target[rows], weight)

    @property
    def width(self) -> int:
        return int(self.dense.shape[1] + (self.hot.shape[1] if self.hot is not None else 0) + 1)

    def margin(self, coef: Floats) -> Floats:
        split = self.dense.shape[1]
        total = self.dense @ coef[:split] + coef[-1]
        return total if self.hot is None else np.asarray(total + self.hot @ coef[split:-1])

    def pulled(self, slope: Floats) -> Floats:
        """The design transposed times (rows, outputs)."""
        blocks = [self.dense.T @ slope]
        if self.hot is not None:
            blocks.append(self.hot.T @ slope)
        return np.concatenate([*blocks, slope.sum(axis=0)[None]])

    def model(self, coef: Floats) -> LinearModel:
        """The coefficients in the form that scores, centred on these rows."""
        shell = self.shell
        count = len(shell.features)
        position, tables = 2 * count, []
        for table in shell.tables:
            size = len(table.values)
            tables.append(CategoryTable(table.feature, table.first, coef[position : position + size].copy()))
            position += size
        numbers, missing = coef[:count].copy(), coef[count : 2 * count].copy()
        center = np.zeros((shell.width, coef.shape[1]))
        fields = (
            shell.width,
            shell.features,
            shell.mean,
            shell.scale,
            numbers,
            missing,
            tuple(tables),
            coef[-1].copy(),
        )
        center[shell.features] = (self.weight @ self.dense[:, :count])[:, None] * numbers
        center[shell.features] += (self.weight @ self.dense[:, count:])[:, None] * missing
        for table in tables:
            rows = table.rows_of(self.matrix[:, table.feature])
            center[table.feature] += np.bincount(rows, self.weight, len(table.values)) @ table.values
        return LinearModel(*fields, center)


def _shell(problem: Problem, matrix: NDArray[np.float32], weight: Floats) -> LinearModel:
    """The model's shape and standardisation, all effects zero."""
    frame, outputs = problem.frame, problem.outputs
    numeric = np.array([i for i in range(matrix.shape[1]) if i not in frame.categories], dtype=np.int64)
    numbers = matrix[:, numeric].astype(np.float64)
    known = ~np.isnan(numbers)
    shares = known * weight[:, None]
    total = np.maximum(shares.sum(axis=0), 1e-300)
    values = np.where(known, numbers, 0.0)
    mean = (shares * values).sum(axis=0) / total
    scale = np.sqrt((shares * np.where(known, numbers - mean, 0.0) ** 2).sum(axis=0) / total)
    tables = tuple(
        CategoryTable(position, first, np.zeros((size + 1, outputs)))
        for position, (first, size) in sorted(frame.categories.items())
    )
    empty = np.zeros((len(numeric), outputs))
    scale = np.where(scale > 0, scale, 1.0)
    center = np.zeros((matrix.shape[1], outputs))
    return LinearModel(matrix.shape[1], numeric, mean, scale, empty, empty, tables, np.zeros(outputs), center)


def _minimise(design: Design, start: Floats, penalty: float, stop: Callable[[], bool]) -> Floats:
    """Penalised mean loss by L-BFGS; the intercept is free."""
    from scipy.optimize import minimize

    loss = design.problem.loss
    shape = start.shape
    newest = [start.ravel()]
    robust = loss.name == "absolute error"  # its stand-in is the squared error, smooth and good enough for a line

    def objective(flat: Floats) -> tuple[float, Floats]:
        coef = flat.reshape(shape)
        margin = design.margin(coef)
        rows = (margin[:, 0] - design.target) ** 2 if robust else loss.rows(margin, design.target)
        slope = loss.gradient(margin, design.target) * design.weight[:, None]
        pull = penalty * coef
        pull[-1] = 0.0
        value = float(design.weight @ rows) + 0.5 * float((pull * coef).sum())
        return value, (design.pulled(slope) + pull).ravel()

    def watch(intermediate_result: Any) -> None:
        newest[0] = intermediate_result.x
        if stop():
            raise StopIteration

    if stop():
        return start
    options = {"maxiter": _MOST_STEPS, "ftol": 1e-8, "gtol": 1e-6}
    minimize(objective, start.ravel(), jac=True, method="L-BFGS-B", callback=watch, options=options)
    return np.asarray(newest[0]).reshape(shape).copy()
