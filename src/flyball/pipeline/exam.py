"""The rows that a model was judged on, and those it learned from: kept, so that another model can be judged by the same."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl import FittedPipeline
from flyball.data import Table
from flyball.evaluation import Task
from flyball.pipeline.examine import Examined

__all__ = ["Exam", "Rows", "class_typed", "row_hashes"]

_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows of a dataset version a model learned from and was tested on: positions (train,) and (test,).

    `units`: (test,) code of each test row's resampling unit, None when that is the row.
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    units: NDArray[np.int64] | None

    @classmethod
    def of(cls, examined: Examined) -> Rows:
        kept, plan = examined.target.rows_kept, examined.plan
        units = plan.units_of(plan.test)
        return cls(kept[plan.train].astype(np.int64), kept[plan.test].astype(np.int64), units)

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        units = {} if self.units is None else {"units": self.units}
        np.savez_compressed(buffer, allow_pickle=False, train=self.train, test=self.test, **units)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Rows:
        with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
            units = arrays.get("units")
            return cls(arrays["train"], arrays["test"], units)


@dataclass(frozen=True, slots=True)
class Exam:
    """Rows with their truth, and how they are judged. `table` holds every column of the dataset for these rows.

    `dataset`: the version they come from, None for a file given later; `rows`: (rows,) their positions in it. `group`
    names the column whose labels the split kept together.
    """

    dataset: str | None
    table: Table
    rows: NDArray[np.int64]
    truth: NDArray[Any]
    task: Task
    target: str
    metric: str
    classes: NDArray[Any] | None
    positive: Any
    units: NDArray[np.int64] | None
    unit: str
    weights: NDArray[np.float64] | None
    group: str | None
    seed: int

    def take(self, rows: NDArray[np.intp]) -> Exam:
        """The same exam on some of its rows."""
        return Exam(
            self.dataset, self.table.take(rows), self.rows[rows], self.truth[rows], self.task, self.target,
            self.metric, self.classes, self.positive, None if self.units is None else self.units[rows], self.unit,
            None if self.weights is None else self.weights[rows], self.group, self.seed,
        )  # fmt: skip

    @classmethod
    def of(cls, dataset: str, examined: Examined, pipeline: FittedPipeline, *, seed: int) -> Exam:
        """The exam of a model that was just made."""
        plan, weights = examined.plan, examined.weights
        return cls(
            dataset=dataset,
            table=examined.table.take(plan.test),
            rows=Rows.of(examined).test,
            truth=class_typed(examined.target.values[plan.test], pipeline),
            task=examined.task,
            target=examined.target.field.name,
            metric=examined.metric,
            classes=pipeline.class_values,
            positive=pipeline.positive,
            units=plan.units_of(plan.test),
            unit=plan.unit,
            weights=None if weights is None else weights[plan.test],
            group=plan.by if plan.kind == "group" else None,
            seed=seed,
        )


def class_typed(values: NDArray[Any], pipeline: FittedPipeline) -> NDArray[Any]:
    """Target values in the type of the classes, so that they compare equal."""
    kind = pipeline.class_type
    if kind == "text" or kind is None:
        return values
    return values.astype({"integer": np.int64, "boolean": np.bool_, "number": np.float64}[kind])


def row_hashes(table: Table, names: Sequence[str]) -> NDArray[np.uint64]:
    """A hash of each row's values in these columns: (rows,). Equal rows have equal hashes, whatever table they stand in."""
    total = np.zeros(table.rows, dtype=np.uint64)
    for name in names:
        total = _mixed(total * np.uint64(31) + _cell_hashes(table[name]))
    return total


def _cell_hashes(values: NDArray[Any]) -> NDArray[np.uint64]:
    if values.dtype == object:
        known: dict[Any, int] = {}
        return np.fromiter((known.get(value) or known.setdefault(value, _text_hash(value)) for value in values),
                           dtype=np.uint64, count=len(values))  # fmt: skip
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.nan, values + 0.0)  # one NaN, and no minus zero
    return _mixed(np.ascontiguousarray(values).view(np.uint64))


def _text_hash(value: str | None) -> int:
    content = b"\0missing" if value is None else value.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little") or 1


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every bit depends on every other (the finaliser of SplitMix64)."""
    mixed = values + _MIX
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
