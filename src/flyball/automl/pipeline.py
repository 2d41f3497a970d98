"""What training leaves behind: one fitted pipeline from raw columns to calibrated outputs, without any pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from flyball.data import Table
from flyball.features import Frame, TargetEncoding, with_windows
from flyball_runtime.schema import Schema
from flyball_runtime.table import normalise, read_columns
from flyball_runtime.windows import WindowSpec

if TYPE_CHECKING:
    from flyball.automl.linear import LinearModel
    from flyball.automl.network import NetworkModel
    from flyball.automl.spread import Spread
    from flyball.trees import LeafForest, TreeEnsemble

__all__ = [
    "Calibration",
    "ClassType",
    "Columns",
    "FittedPipeline",
    "Member",
    "PredictionInterval",
    "PredictionSet",
    "Task",
    "sigmoid",
    "softmax",
]

Task = Literal["binary", "multiclass", "regression"]
ClassType = Literal["text", "integer", "boolean", "number"]
Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Member:
    """One model of the ensemble. It reads the frame's matrix, followed by its own target encodings.

    `candidate` names the settings it was grown by, which the models of several folds share.
    `feature_columns` names the raw column behind each of its features; exactly one of `trees`, `linear`, `network` and
    `forest` is set. A gradient-boosting member sums trees, a linear one weighs features; a "prior" is a linear one
    without features.
    """

    name: str
    family: Literal["forest", "gbm", "linear", "network", "prior"]
    weight: float
    feature_columns: tuple[str, ...]
    encodings: tuple[TargetEncoding, ...] = ()
    trees: TreeEnsemble | None = None
    linear: LinearModel | None = None
    candidate: str = ""
    network: NetworkModel | None = None
    forest: LeafForest | None = None

    def features(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """The member's own matrix, (rows, len(feature_columns)) float32, from the frame's matrix."""
        if not self.encodings:
            return matrix
        extra = [encoding.apply(matrix[:, encoding.feature]) for encoding in self.encodings]
        return np.concatenate([matrix, *extra], axis=1)

    def margin(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """The member's margin, (rows, outputs), from the frame's matrix."""
        return np.asarray(self.model.predict(self.features(matrix)))

    @property
    def model(self) -> TreeEnsemble | LinearModel | NetworkModel | LeafForest:
        """The one that is set."""
        for model in (self.trees, self.linear, self.network, self.forest):
            if model is not None:
                return model
        raise ValueError(f"member {self.name!r} holds no model")


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibrated margin = slope * margin + bias; bias: (outputs,). For regression: standard deviation and mean."""

    slope: float
    bias: NDArray[np.float64]

    def apply(self, margin: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.slope * margin + self.bias


@dataclass(frozen=True, slots=True)
class PredictionInterval:
    """The interval that holds `level` of the truths: prediction + low * scale to prediction + high * scale.

    low <= 0 <= high; the scale is the row's spread, or 1 without one, and the offsets are then in target units. floor,
    ceiling: ends of the target itself, which the interval keeps within as far as the prediction does.
    """

    low: float
    high: float
    level: float
    spread: Spread | None = None
    floor: float | None = None
    ceiling: float | None = None

    def ends(
        self, prediction: NDArray[np.float64], scale: NDArray[np.float64] | float = 1.0
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """low and high (rows,) about predictions (rows,) of these spreads; low <= prediction <= high."""
        low, high = prediction + self.low * scale, prediction + self.high * scale
        if self.floor is None and self.ceiling is None:
            return low, high
        within = (-np.inf if self.floor is None else self.floor, np.inf if self.ceiling is None else self.ceiling)
        return np.minimum(np.clip(low, *within), prediction), np.maximum(np.clip(high, *within), prediction)


@dataclass(frozen=True, slots=True)
class PredictionSet:
    """A class is in a row's set when its probability reaches its threshold; so are `level` of each class's truths."""

    thresholds: tuple[float, ...]
    level: float

    def holds(self, probability: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(rows, classes) -> which classes each row's set holds, in the same shape; a row may hold none."""
        return np.asarray(probability >= np.array(self.thresholds))


@dataclass(frozen=True)
class FittedPipeline:
    """Everything that scoring needs, from raw columns to calibrated outputs.

    ensemble margin = sum of weight * member margin; calibrated margin m = calibration.slope * margin + bias.
    binary: probability of classes[1] (the positive class) = sigmoid(m), outputs = 1;
    multiclass: softmax(m), outputs = number of classes; regression: the prediction is m itself, outputs = 1.
    """

    frame: Frame
    task: Task
    members: tuple[Member, ...]
    calibration: Calibration
    classes: tuple[Any, ...] | None = None
    class_type: ClassType | None = None
    interval: PredictionInterval | None = None
    threshold: float = 0.5
    sets: PredictionSet | None = None
    windows: WindowSpec | None = None

    @property
    def schema(self) -> Schema:
        """The columns that the graph needs, and no others: raw ones, and window features where there are any."""
        return self.frame.schema

    @property
    def inputs(self) -> Schema:
        """The raw columns that a caller gives: those of the graph, and those that window features are made of."""
        if self.windows is None:
            return self.frame.schema
        own = [field for field in self.frame.schema if field.name not in self.windows.names]
        return Schema((*own, *(field for field in self.windows.schema if field not in own)))

    def prepared(self, table: Table) -> Table:
        """The table with the window features that it lacks; its rows are then the whole past of their entities."""
        if self.windows is None or all(name in table for name in self.windows.names):
            return table
        return with_windows(table, self.windows)

    def columns(self, table: Any) -> dict[str, NDArray[Any]]:
        """The graph's columns of anything that `read_columns` takes; see `prepared`. Raises MissingColumn, WrongType."""
        given = read_columns(table)
        if self.windows is None or all(name in given for name in self.windows.names):
            return normalise(given, self.schema)
        whole = with_windows(Table(self.inputs, normalise(given, self.inputs)), self.windows)
        return dict(whole.select(self.schema.names).columns)

    def to_bytes(self) -> bytes:
        """The pipeline as one npz without pickles; equal pipelines give equal bytes."""
        from flyball.automl.archive import pack_pipeline

        return pack_pipeline(self)

    @classmethod
    def from_bytes(cls, raw: bytes) -> FittedPipeline:
        """Raises ArraysInvalid on damage."""
        from flyball.automl.archive import unpack_pipeline

        return unpack_pipeline(raw)

    @property
    def positive(self) -> Any | None:
        """The class whose log-odds the binary margin is; None for other tasks."""
        return self.classes[1] if self.task == "binary" and self.classes else None

    @property
    def outputs(self) -> int:
        return len(self.calibration.bias)

    @cached_property
    def class_values(self) -> NDArray[Any] | None:
        """The classes as an array of their own type; None for regression."""
        if self.classes is None:
            return None
        if self.class_type == "text":
            values = np.empty(len(self.classes), dtype=object)
            values[:] = self.classes
            return values
        kinds: dict[str | None, type] = {"integer": np.int64, "boolean": np.bool_, "number": np.float64}
        return np.array(self.classes, dtype=kinds[self.class_type])

    def matrix(self, table: Table | Columns) -> NDArray[np.float32]:
        """The frame's matrix: (rows, features) float32."""
        columns: Columns = table if isinstance(table, Mapping) else table.columns
        return self.frame.apply(columns)

    def raw_margins(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """The ensemble's margin before calibration, (rows, outputs), from the frame's matrix."""
        total = np.zeros((len(matrix), self.outputs))
        for member in self.members:
            total += member.weight * member.margin(matrix)
        return total

    def margins(self, table: Table | Columns) -> NDArray[np.float64]:
        """Calibrated margins, (rows, outputs): log-odds, logits, or the value in target units."""
        return self.calibration.apply(self.raw_margins(self.matrix(table)))

    def scale(self, margin: NDArray[np.float64], matrix: NDArray[np.float32]) -> NDArray[np.float64] | float:
        """What the interval's offsets are multiplied with: each row's spread (rows,), or 1 for all of them."""
        spread = self.interval.spread if self.interval else None
        return 1.0 if spread is None else spread.scale(margin[:, 0], matrix)

    def outcome(self, margin: NDArray[np.float64], scale: NDArray[np.float64] | float = 1.0) -> dict[str, NDArray[Any]]:
        """What the graph answers for calibrated margins (rows, outputs) and their `scale`, under the same names."""
        if self.task == "regression":
            value = margin[:, 0]
            nothing = np.full(len(value), np.nan)
            low, high = self.interval.ends(value, scale) if self.interval else (nothing, nothing)
            return {"prediction": value, "low": low, "high": high, "margin": margin}
        if self.task == "binary":
            positive = sigmoid(margin[:, 0])
            index = (positive >= self.threshold).astype(np.int64)
            probability = np.stack([1 - positive, positive], axis=1)
        else:
            probability = softmax(margin)
            index = probability.argmax(axis=1)
        sets = {} if self.sets is None else {"in_set": self.sets.holds(probability)}
        return {"class_index": index, "probability": probability, "margin": margin, **sets}

    def predict(self, table: Table | Columns) -> dict[str, NDArray[Any]]:
        """class_index, probability, in_set (rows, classes) and margin; or prediction, low, high and margin."""
        matrix = self.matrix(table)
        margin = self.calibration.apply(self.raw_margins(matrix))
        return self.outcome(margin, self.scale(margin, matrix))


def sigmoid(margin: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-margin)) without overflow."""
    small = np.exp(-np.abs(margin))
    return np.where(margin >= 0, 1.0, small) / (1.0 + small)


def softmax(margin: NDArray[np.float64]) -> NDArray[np.float64]:
    """exp(margin) / sum over the last axis, without overflow."""
    powers = np.exp(margin - margin.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
