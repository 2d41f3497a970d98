"""The parity check: the exported graph against the fitted models themselves, on real rows and on hostile ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl.gbm import boosted_margin
from flyball.automl.pipeline import FittedPipeline
from flyball.automl.probes import probes
from flyball.automl.spread import SPREAD
from flyball.core.executor import usable_cores
from flyball.data import Table
from flyball.features import stretches
from flyball_runtime.errors import Refused
from flyball_runtime.windows import WindowKernel, WindowSpec

if TYPE_CHECKING:
    from flyball.automl.search import Learned

__all__ = ["ExportRefused", "Parity", "check_parity", "check_windows"]

_TOLERANCE = 1e-5
_STREAMED_ROWS = 2_000
_ROWS_FOR_THREADS = 500  # below, starting threads costs more than they save
Outputs = Mapping[str, NDArray[Any]]


class ExportRefused(Refused):
    """The exported graph does not give what the fitted models give, so no bundle is made of it."""

    code = "FB-EXPORT-001"


@dataclass(frozen=True, slots=True)
class Parity:
    """What the check saw. max_abs_diff: largest |difference| of a probability, or of a value over max(1, |value|).

    label_mismatches: classes that differ, as the prediction or in a set, although they are not tied; cases: rows by
    kind of probe.
    """

    rows: int
    max_abs_diff: float
    label_mismatches: int
    cases: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def check_parity(graph: bytes, learned: Learned, table: Table, *, seed: int = 0) -> Parity:
    """Compare the graph, run by the runtime, with LightGBM's own boosters on up to 1,500 rows and mutations of them.

    table: raw rows, at least the pipeline's columns. Mutated rows hold unseen categories, nulls, values on and one
    float32 beside the trees' thresholds, extreme numbers and early dates. Raises ExportRefused on a difference above
    1e-5 (values and ends of intervals: 1e-5 of max(1, |value|)) or on a label, or a class in or out of a set, that
    differs and is not tied.
    """
    from flyball_runtime.score import Scorer

    pipeline = learned.pipeline
    scorer = Scorer(graph, pipeline.schema, pipeline.task, pipeline.class_values, threads=usable_cores())
    boosters = _boosters(learned)
    rows, largest, mismatches = 0, 0.0, 0
    cases: dict[str, int] = {}
    worst: dict[str, float] = {}
    for case, part in probes(pipeline, table.select(pipeline.schema.names), np.random.default_rng(seed)):
        expected = pipeline.outcome(*_native(pipeline, boosters, part))
        actual = scorer.score(dict(part.columns), margin=True)
        difference, wrong = _compare(pipeline, expected, actual)
        cases[case] = cases.get(case, 0) + part.rows
        worst[case] = max(worst.get(case, 0.0), difference)
        rows, largest, mismatches = rows + part.rows, max(largest, difference), mismatches + wrong
    if not largest <= _TOLERANCE or mismatches:
        raise ExportRefused(
            "the exported graph differs from the fitted models",
            why=f"largest difference {largest:.3g}, allowed {_TOLERANCE:g}; {mismatches} labels differ",
            facts={case: f"largest difference {value:.3g}" for case, value in worst.items()},
            fix="report this with the kinds of columns involved; another seed or budget gives another model",
        )
    return Parity(rows, largest, mismatches, cases)


def check_windows(spec: WindowSpec, table: Table, *, seed: int = 0) -> int:
    """Compare window features of the table at hand with those of its rows as they come, in pieces and across restarts.

    table: raw rows with the features as they were learned from. Looks at up to 2,000 rows from the beginnings of
    entities; returns how many values were compared. Raises ExportRefused when a single bit differs.
    """
    came = stretches(spec, table, _STREAMED_ROWS)
    rng = np.random.default_rng(seed)
    kernel, begin = WindowKernel(spec), 0
    while begin < len(came):
        rows = came[begin : begin + int(rng.integers(1, 120))]
        begin += len(rows)
        found = kernel.push({name: table[name][rows] for name in spec.schema.names})
        learned = np.column_stack([table[name][rows] for name in spec.names])
        unequal = int(np.count_nonzero(np.ascontiguousarray(found).view(np.int64) != learned.view(np.int64)))
        if unequal:
            raise ExportRefused(
                "window features of rows as they come differ from those that were learned from",
                why=f"{unequal:,} of {found.size:,} values", fix="report this with the window specification",
            )  # fmt: skip
        kernel = WindowKernel(spec, kernel.state())
    return len(came) * len(spec.features)


def _boosters(learned: Learned) -> dict[str, Any]:
    if not learned.natives:
        return {}
    import lightgbm

    return {name: lightgbm.Booster(model_str=text) for name, text in learned.natives.items()}


def _native(
    pipeline: FittedPipeline, boosters: Mapping[str, Any], table: Table
) -> tuple[NDArray[np.float64], NDArray[np.float64] | float]:
    """Calibrated margins (rows, outputs) and the interval's scale, with every tree evaluated by LightGBM itself."""
    matrix = pipeline.matrix(table)
    total = np.zeros((table.rows, pipeline.outputs))
    threads = usable_cores() if table.rows > _ROWS_FOR_THREADS else 1
    for member in pipeline.members:
        if member.name in boosters:
            features = member.features(matrix)
            margin = boosted_margin(boosters[member.name], features, threads)
        else:
            margin = member.margin(matrix)
        total += member.weight * margin
    margin = pipeline.calibration.apply(total)
    spread = pipeline.interval.spread if pipeline.interval else None
    if spread is None or SPREAD not in boosters:
        return margin, pipeline.scale(margin, matrix)
    grown = spread.power * boosted_margin(boosters[SPREAD], matrix, threads)[:, 0]
    return margin, spread.combined(margin[:, 0], grown)


def _compare(pipeline: FittedPipeline, expected: Outputs, actual: Outputs) -> tuple[float, int]:
    """Largest difference, and labels that differ without a tie."""
    if pipeline.task == "regression":
        return max(_difference(expected[name], actual[name], relative=True) for name in _values(pipeline)), 0
    probability = expected["probability"]
    difference = _difference(probability, actual["probability"], relative=False)
    if pipeline.task == "binary":
        tied = np.abs(probability[:, 1] - pipeline.threshold) <= _TOLERANCE
    else:
        top = np.sort(probability, axis=1)
        tied = top[:, -1] - top[:, -2] <= 2 * _TOLERANCE
    if pipeline.class_values is None:
        raise ValueError("a classification pipeline holds classes")
    called = pipeline.class_values[expected["class_index"]]
    wrong = int(np.count_nonzero((called != actual["prediction"]) & ~tied))
    if pipeline.sets is not None:
        near = np.abs(probability - np.array(pipeline.sets.thresholds)) <= _TOLERANCE
        wrong += int(np.count_nonzero((expected["in_set"] != actual["in_set"]) & ~near))
    return difference, wrong


def _values(pipeline: FittedPipeline) -> Iterator[str]:
    yield "prediction"
    if pipeline.interval is not None:
        yield from ("low", "high")


def _difference(expected: NDArray[np.float64], actual: NDArray[np.float64], *, relative: bool) -> float:
    gap = np.abs(expected - actual)
    if relative:
        gap = gap / np.maximum(1.0, np.abs(expected))
    return float(np.where(np.isnan(gap), np.inf, gap).max(initial=0.0))
