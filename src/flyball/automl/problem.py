"""The learning problem in matrix form, with one cached view per fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl.losses import Loss
from flyball.automl.pipeline import Task
from flyball.automl.prose import Reading, scores_of
from flyball.features import Frame, TargetEncoding, cross_fitted, fit_encoding

__all__ = ["Fold", "Problem", "View"]

_MOST_ENCODED_CLASSES = 8
_MOST_ENCODED_FEATURES = 60
_CELLS_FOR_THREADS = 5_000_000
_LEAST_LEVELS = 3  # with fewer, the code alone orders them

Indices = NDArray[np.intp]
Fold = tuple[Indices, Indices]


@dataclass(frozen=True)
class Problem:
    """matrix: (rows, features) float32; target: (rows,) class positions or standard scores; weight: (rows,), mean 1.

    Folds are pairs of row positions (fit, validate). `readings`: columns of prose by the position of their first score;
    in the matrix, a row's scores are of models that did not see it. `unread`: those that the budget left. `threads` is
    for one of several fits that run at a time, `all_threads` for one that runs alone.
    """

    frame: Frame
    task: Task
    loss: Loss
    matrix: NDArray[np.float32]
    target: NDArray[np.float64]
    weight: NDArray[np.float64]
    weighted: bool
    folds: Sequence[Fold]
    seed: int
    threads: int
    all_threads: int
    readings: Mapping[int, Reading] = field(default_factory=dict)
    unread: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return len(self.target)

    @property
    def outputs(self) -> int:
        return self.loss.outputs

    @property
    def bagged(self) -> bool:
        """Whether the folds' own models see enough rows each to be kept. Forward chaining starves the early ones."""
        return min(len(fit) for fit, _ in self.folds) >= 0.55 * self.rows

    @property
    def refit_threads(self) -> int:
        """Threads for a fit that runs alone. On small tables they would spend their time waiting for one another."""
        return self.all_threads if self.matrix.size > _CELLS_FOR_THREADS else self.threads

    def refit_share(self, folds: int) -> float:
        """Time of one fit on all rows, relative to that of `folds` folds side by side."""
        sizes = [len(fit) for fit, _ in self.folds[:folds]]
        rounds = max(1.0, folds * self.threads / self.all_threads)
        # threads within one fit gain less than fits side by side
        slack = 1.2 if self.refit_threads == self.threads else 1.5
        return slack * self.rows / (sum(sizes) / len(sizes)) / rounds

    def prior(self, rows: Indices) -> NDArray[np.float64]:
        """The best constant margin for these rows, (outputs,)."""
        weight, target = self.weight[rows], self.target[rows]
        if self.loss.name == "squared error":
            return np.array([np.average(target, weights=weight)])
        if self.loss.name == "absolute error":
            order = np.argsort(target)
            half = np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)
            return np.array([target[order][min(half, len(order) - 1)]])
        classes = max(2, self.outputs)
        share = np.bincount(target.astype(np.intp), weights=weight, minlength=classes) + 0.5
        logs = np.log(share / share.sum())
        return np.array([logs[1] - logs[0]]) if self.outputs == 1 else logs

    def encoded_features(self) -> list[int]:
        """Positions of the text features that get target encodings."""
        if self.outputs > _MOST_ENCODED_CLASSES:
            return []
        wide = [position for position, text in self.frame.texts.items() if len(text.levels) >= _LEAST_LEVELS]
        return wide[: max(1, _MOST_ENCODED_FEATURES // self.outputs)]

    def encoding_target(self) -> NDArray[np.float64]:
        """What target encodings average: (rows, outputs)."""
        if self.outputs == 1:
            return self.target[:, None]
        return np.eye(self.outputs)[self.target.astype(np.intp)]


@dataclass
class View:
    """One fold's training data: target encodings fitted on its rows alone, and a lazily built LightGBM dataset."""

    problem: Problem
    fit: Indices
    validate: Indices
    number: int
    _encodings: tuple[TargetEncoding, ...] | None = None
    cache: dict[str, Any] = field(default_factory=dict)

    @property
    def bare(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The frame's features of the rows to fit on and to validate on; prose is scored by the former rows alone."""
        problem = self.problem
        if not problem.readings or len(self.fit) == problem.rows:
            return problem.matrix[self.fit], problem.matrix[self.validate]
        if "bare" not in self.cache:
            inside, outside = problem.matrix[self.fit], problem.matrix[self.validate]
            for position, reading in problem.readings.items():
                seen, unseen = scores_of(reading, self.fit, self.validate)
                places = slice(position, position + seen.shape[1])
                inside[:, places], outside[:, places] = seen, unseen
            self.cache["bare"] = inside, outside
        known: tuple[NDArray[np.float32], NDArray[np.float32]] = self.cache["bare"]
        return known

    @property
    def encodings(self) -> tuple[TargetEncoding, ...]:
        if self._encodings is None:
            problem, rows = self.problem, self.fit
            target = problem.encoding_target()[rows]
            self._encodings = tuple(
                fit_encoding(
                    position,
                    problem.frame.sources[position],
                    problem.matrix[rows, position],
                    target,
                    slots=problem.frame.texts[position].slots,
                    weight=problem.weight[rows],
                )
                for position in problem.encoded_features()
            )
        return self._encodings

    @property
    def feature_columns(self) -> tuple[str, ...]:
        """The raw column behind each feature of `training` and `validation`."""
        extra = [encoding.source for encoding in self.encodings for _ in range(encoding.outputs)]
        return (*self.problem.frame.sources, *extra)

    def training(self) -> NDArray[np.float32]:
        """Features of the rows to fit on, their encodings cross-fitted."""
        problem, rows = self.problem, self.fit
        positions = problem.encoded_features()
        target = problem.encoding_target()[rows] if positions else None
        rng = np.random.default_rng([problem.seed, 7, self.number])
        blocks = [self.bare[0]]
        for position in positions:
            assert target is not None
            blocks.append(
                cross_fitted(
                    position,
                    problem.frame.sources[position],
                    problem.matrix[rows, position],
                    target,
                    slots=problem.frame.texts[position].slots,
                    rng=rng,
                    weight=problem.weight[rows],
                )
            )
        return np.concatenate(blocks, axis=1) if len(blocks) > 1 else blocks[0]

    def validation(self) -> NDArray[np.float32]:
        """Features of the rows to validate on, encoded as at scoring time."""
        matrix = self.bare[1]
        extra = [encoding.apply(matrix[:, encoding.feature]) for encoding in self.encodings]
        return np.concatenate([matrix, *extra], axis=1) if extra else matrix
