"""Attributes a pipeline's calibrated margin to the raw columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flyball.explain.explanation import Explanation
from flyball.trees import LeafForest, TreeAttributor, TreeEnsemble
from flyball_runtime.errors import InternalError

if TYPE_CHECKING:
    from flyball.automl.pipeline import FittedPipeline, Member
    from flyball.data import Table

__all__ = ["AttributionsDoNotSum", "explain"]

_TOLERANCE = 1e-6
_BLOCK_ROWS = 8192


class AttributionsDoNotSum(InternalError):
    """The shares of the columns do not add up to the score, so the explanation would be wrong and is withheld."""

    code = "FB-EXPLAIN-001"


def explain(
    pipeline: FittedPipeline,
    table: Table | Mapping[str, Any] | Any,
    *,
    hide: Sequence[str] = (),
    hide_classes: bool = False,
) -> Explanation:
    """Why each row of a table gets its score: shares of the raw columns in the calibrated margin, which add up to it.

    Trees: path-dependent Shapley values, exact; linear members: coefficient times the distance from the training mean;
    networks: Aumann-Shapley values from the mean input, by quadrature (`NetworkModel.attributions`); an ensemble: their
    weighted sum; all features made from a column are added up. table: anything that can be scored.
    hide: columns whose values must not be shown (their shares are); hide_classes: the target is such a column, so its
    classes are numbered instead. Raises AttributionsDoNotSum when base + shares
    differ from the margin by more than 1e-6 (relative beyond 1).
    """
    columns = pipeline.columns(table)
    matrix = pipeline.matrix(columns)
    calibration = pipeline.calibration
    base, values = _ensemble(pipeline, matrix)
    base, values = calibration.slope * base + calibration.bias, calibration.slope * values
    margin = calibration.apply(pipeline.raw_margins(matrix))
    _check(base + values.sum(axis=1), margin)
    outcome = pipeline.outcome(margin)  # of which the ends of the interval are not used
    classes = pipeline.class_values
    if classes is not None and hide_classes:
        classes = np.array([f"class {place}" for place in range(1, len(classes) + 1)], dtype=object)
    return Explanation(
        task=pipeline.task,
        columns=pipeline.schema.names,
        base=base,
        values=values,
        margin=margin,
        prediction=outcome["prediction"] if classes is None else classes[outcome["class_index"]],
        probability=outcome.get("probability"),
        classes=classes,
        data=columns,
        schema=pipeline.schema,
        hidden=frozenset(hide),
        prose={encoder.column: encoder for encoder in pipeline.frame.prose.values()},
    )


def _ensemble(pipeline: FittedPipeline, matrix: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Base (outputs,) and shares (rows, raw columns, outputs) of the ensemble's margin before calibration."""
    place = {name: number for number, name in enumerate(pipeline.schema.names)}
    base = np.zeros(pipeline.outputs)
    values = np.zeros((len(matrix), len(place), pipeline.outputs))
    for member in pipeline.members:
        attribute, expected = _attributor(member)
        base += member.weight * expected
        target = np.array([place[name] for name in member.feature_columns], dtype=np.intp)
        for start in range(0, len(matrix), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            shares = attribute(member.features(matrix[rows]))
            for feature, column in enumerate(target):
                values[rows, column] += member.weight * shares[:, feature]
    return base, values


def _attributor(member: Member) -> tuple[Callable[[NDArray[np.float32]], NDArray[np.float64]], NDArray[np.float64]]:
    """How a member attributes its margin to its features, and the mean margin that the shares start from."""
    model = member.model
    if isinstance(model, (TreeEnsemble, LeafForest)):
        trees = TreeAttributor(model)
        return trees.values, trees.expected
    return model.attributions, model.expected


def _check(total: NDArray[np.float64], margin: NDArray[np.float64]) -> None:
    gap = np.abs(total - margin) / np.maximum(1.0, np.abs(margin))
    # written so that a NaN fails as well
    wrong = ~(gap <= _TOLERANCE)
    if wrong.any():
        row = int(np.argwhere(wrong)[0, 0])
        raise AttributionsDoNotSum(
            "the shares of the columns do not add up to the score",
            where=f"row {row}",
            why=f"the shares add up to {total[row].tolist()}, the score is {margin[row].tolist()}",
            fix="please report this with the model's bundle; scores are not affected",
        )
