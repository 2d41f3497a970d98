"""What kind of answer a target asks for, and the target in the form that learning needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl.pipeline import ClassType, Task
from flyball.core.counting import counted
from flyball_runtime.errors import BadInput, near_miss
from flyball_runtime.schema import Field

__all__ = ["Labels", "TargetUnfit", "TaskChoice", "encode_target", "infer_task", "row_weights", "standard_score"]

_FEW_LEVELS = 10  # an integer with more values than this counts or measures something
_MOST_CLASSES = 5_000
_ALWAYS_CLASSES = 200
_MOST_CELLS = 40_000_000  # rows times classes: 320 MB for each matrix of probabilities


class TargetUnfit(BadInput):
    """The target cannot be learned as asked: it is constant, has missing or infinite values, or too many classes."""

    code = "FB-AUTOML-001"


@dataclass(frozen=True, slots=True)
class TaskChoice:
    """The task, and why it was chosen, in one sentence for the user."""

    task: Task
    why: str


@dataclass(frozen=True, slots=True)
class Labels:
    """The target for learning. values: (rows,) float64, class positions or target units; classes: None for regression."""

    values: NDArray[np.float64]
    classes: tuple[Any, ...] | None
    class_type: ClassType | None

    @property
    def outputs(self) -> int:
        """Margins per row: one, or one per class when there are more than two."""
        return len(self.classes) if self.classes is not None and len(self.classes) > 2 else 1


def infer_task(target: NDArray[Any], field: Field | None = None) -> TaskChoice:
    """Choose by the target's type and number of distinct values. Raises TargetUnfit when no task fits.

    >>> infer_task(np.array([0.0, 1.0, 1.0, 0.0])).task
    'binary'
    """
    class_type = _class_type(target, field)
    levels = _levels(target)
    count = len(levels)
    if count < 2:
        raise TargetUnfit(
            "the target holds a single value",
            why="there is nothing to tell apart",
            fix="choose another target, or give rows in which it differs",
        )
    if count == 2:
        return TaskChoice("binary", "the target has two values")
    if class_type == "text":
        if count > min(_most_classes(len(target)), max(2, len(target) // 2)):
            raise TargetUnfit(
                f"the target is text with {counted(count, 'different value')} in {counted(len(target), 'row')}",
                why="a class needs several examples before it can be learned",
                fix="choose a column with fewer levels, or group them first",
            )
        return TaskChoice("multiclass", f"the target is text with {count} different values")
    if class_type == "integer" and count <= _FEW_LEVELS:
        return TaskChoice("multiclass", f"the target holds whole numbers with only {count} different values")
    kind = "whole numbers" if class_type == "integer" else "numbers"
    return TaskChoice("regression", f"the target holds {kind} with {count:,} different values")


def encode_target(
    target: NDArray[Any], task: Task, *, field: Field | None = None, positive: Any | None = None
) -> Labels:
    """The target as float64: class positions, or values. Classes stand in sorted order; `positive` (binary) comes second.

    Raises TargetUnfit when the values do not suit the task.
    """
    class_type = _class_type(target, field)
    if task == "regression":
        if class_type == "text":
            raise TargetUnfit(
                "a text target cannot be predicted as a number",
                why="texts have neither a mean nor a distance",
                fix="ask for a classification task",
            )
        values = target.astype(np.float64)
        if not np.isfinite(values).all():
            count = int(np.count_nonzero(~np.isfinite(values)))
            raise TargetUnfit(
                "the target holds missing or infinite values",
                why=f"{count:,} of {len(values):,} rows have no finite value to learn from",
                fix="leave these rows out",
            )
        return Labels(values, None, None)
    levels = _levels(target)
    if task == "binary" and len(levels) != 2:
        raise TargetUnfit(
            f"a binary task needs two classes; the target has {len(levels)}",
            why="one class is told from one other: " + _shown(levels),
            fix="leave the task to the data, or choose a target with two values",
        )
    most = _most_classes(len(target))
    if not 2 <= len(levels) <= most:
        raise TargetUnfit(
            f"the target has {counted(len(levels), 'class')}; of {counted(len(target), 'row')}, "
            f"between 2 and {most:,} can be learned",
            why="its values: " + _shown(levels),
            fix="group the classes first, or ask for regression if the target is a quantity",
        )
    position = {level: index for index, level in enumerate(levels)}
    if positive is not None and len(levels) == 2 and _find(positive, levels, class_type) == 0:
        levels = levels[::-1]
        position = {level: index for index, level in enumerate(levels)}
    values = np.fromiter((position[value] for value in target.tolist()), dtype=np.float64, count=len(target))
    return Labels(values, tuple(_as_class(level, class_type) for level in levels), class_type)


def _most_classes(rows: int) -> int:
    """How many classes so many rows may have: two rows of each are needed, and each row has a probability of each."""
    return max(_ALWAYS_CLASSES, min(_MOST_CLASSES, _MOST_CELLS // max(1, rows), rows // 2))


def row_weights(sample_weight: NDArray[np.float64] | None, rows: int) -> NDArray[np.float64]:
    """Row weights with mean 1, (rows,); ones where none are given. Raises TargetUnfit for weights that cannot be used."""
    if sample_weight is None:
        return np.ones(rows)
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.shape != (rows,) or not np.isfinite(weight).all() or (weight < 0).any() or weight.sum() <= 0:
        raise TargetUnfit(
            "the sample weights cannot be used",
            why=f"they must be {rows:,} finite numbers >= 0, of which some are positive",
            fix="give one such weight for each row, or none at all",
        )
    return np.asarray(weight * (rows / weight.sum()))


def standard_score(labels: Labels, sample_weight: NDArray[np.float64] | None) -> tuple[float, float]:
    """Mean and standard deviation of a numeric target; 0 and 1 for classes."""
    if labels.classes is not None:
        return 0.0, 1.0
    weight = row_weights(sample_weight, len(labels.values))
    mean = float(np.average(labels.values, weights=weight))
    spread = float(np.sqrt(np.average((labels.values - mean) ** 2, weights=weight)))
    return mean, spread if np.isfinite(spread) and spread > 0 else 1.0


def _find(positive: Any, levels: list[Any], class_type: ClassType) -> int:
    """Position of the class that was named, by value or by its text: a project file may say "1" or "true".

    The class that is written just so comes before one that is the same number, and that before one in another case.
    """
    names = [str(_as_class(level, class_type)) for level in levels]
    asked = str(positive)
    number = None if class_type == "text" else _number(positive)
    for same in (
        [name == asked for name in names],
        [level == positive or (number is not None and float(level) == number) for level in levels],
        [name.casefold() == asked.casefold() for name in names],
    ):
        if sum(same) == 1:
            return same.index(True)
        if any(same):
            alike = ", ".join(name for name, fits in zip(names, same, strict=True) if fits)
            raise TargetUnfit(
                f"the positive class {positive!r} may be more than one class of the target",
                why=f"these differ from it in upper and lower case alone: {alike}",
                fix="write it as the class is written",
            )
    raise TargetUnfit(
        f"the positive class {positive!r} does not occur in the target",
        why=near_miss(asked, names) or f"it holds {counted(len(names), 'other class')}",
        fix="choose one of its classes: " + ", ".join(names[:10]),
    )


def _number(value: Any) -> float | None:
    """A value, or its text, as a number; None when it is none."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _class_type(target: NDArray[Any], field: Field | None) -> ClassType:
    if field is not None and field.kind == "time":
        raise TargetUnfit(
            f"the target {field.name!r} is a time",
            why="a moment is neither a class nor a quantity",
            fix="predict a duration in days or seconds instead",
        )
    if target.dtype.kind in "OUS":
        return "text"
    if target.dtype.kind == "b" or (field is not None and field.logical == "boolean"):
        return "boolean"
    if target.dtype.kind in "iu":
        return "integer"
    whole = bool(np.all(target == np.rint(target)))
    return "integer" if whole and not (field is not None and field.logical == "float") else "number"


def _levels(target: NDArray[Any]) -> list[Any]:
    levels = set(target.tolist())
    if None in levels or any(isinstance(level, float) and math.isnan(level) for level in levels):
        raise TargetUnfit(
            "the target has missing values",
            why="a row without an answer teaches nothing",
            fix="leave rows without a target out",
        )
    return sorted(levels)


def _shown(levels: list[Any]) -> str:
    return ", ".join(str(level) for level in levels[:5]) + (", …" if len(levels) > 5 else "")


def _as_class(level: Any, class_type: ClassType) -> Any:
    if class_type == "integer":
        return int(level)
    if class_type == "boolean":
        return bool(level)
    return str(level) if class_type == "text" else float(level)
