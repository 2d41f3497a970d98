"""One window judged: the test over its columns, the test of its scores, and what moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flyball.monitoring.cells import Cells, cut_columns
from flyball.monitoring.evidence import ColumnFinding, describe_column
from flyball.monitoring.permutation import TestResult, permutation_test
from flyball.monitoring.reference import Reference, rows_from_profile, thin
from flyball_runtime.profile import Profile

__all__ = ["Baseline", "Judgement", "Verdict", "judge_window"]

Columns = Mapping[str, NDArray[Any]]
Verdict = Literal["healthy", "alarm", "not enough data"]
_MOST_ROWS = 20_000
_SMALLEST = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """The world before: input rows (or, without them, the bundle's profile) and, apart, scores of unseen rows.

    Scores of the rows that a model learned from flatter it, so those of its test rows are taken, or none.
    """

    inputs: Reference | Profile
    scores: Reference | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a window shows. p: how often chance alone looks at least so strange; an alarm when p <= level.

    Among the columns those are `moved` whose own p-value, corrected for all of them, is within the level.
    """

    verdict: Verdict
    rows: int
    level: float
    why: str
    p: float | None = None
    reference: str = ""
    reference_rows: int = 0
    columns: tuple[ColumnFinding, ...] = ()

    @property
    def moved(self) -> tuple[ColumnFinding, ...]:
        """The columns that moved: inputs before scores, the surest first."""
        return tuple(column for column in self.columns if column.moved)

    def to_dict(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "rows": self.rows,
            "level": self.level,
            "p": self.p,
            "why": self.why,
            "reference": self.reference,
            "reference_rows": self.reference_rows,
            "columns": [column.to_dict() for column in self.columns],
        }


def judge_window(
    baseline: Baseline,
    inputs: Columns,
    scores: Columns | None,
    *,
    level: float,
    fewest: int,
    seed: int,
    most: int = _MOST_ROWS,
) -> Judgement:
    """Judge a window of normalised input columns and score columns, each (rows,).

    level: how likely a window without a change may alarm; all columns and the scores share it. Below `fewest` rows the
    answer is "not enough data". The same arguments give the same answer.
    """
    rows = len(next(iter(inputs.values()), next(iter((scores or {}).values()), np.zeros(0))))
    if rows < fewest:
        return Judgement("not enough data", rows, level, f"{rows:,} rows; {fewest:,} are needed")
    rng = np.random.default_rng(seed)
    kept = np.linspace(0, rows - 1, most).astype(np.intp) if rows > most else slice(None)
    inputs = {name: values[kept] for name, values in inputs.items()}
    scores = {name: values[kept] for name, values in (scores or {}).items()}
    parts = []
    name, before = "", 0
    if inputs:
        cut = _cut_inputs(baseline.inputs, inputs, most, rng)
        name, before = cut.name, cut.rows
        parts.append(cut)
    if scores and baseline.scores is not None and baseline.scores.rows >= fewest:
        parts.append(_cut(thin(baseline.scores, most), scores, "rows", output=True))
        name, before = name or "scores", before or baseline.scores.rows
    if not parts or min(part.rows for part in parts) < fewest:
        return Judgement("not enough data", rows, level, f"the reference has {before:,} rows; {fewest:,} are needed")
    share = _shares(parts)
    results = [part.test(level * weight, rng) for part, weight in zip(parts, share, strict=True)]
    p = min(1.0, *(max(_SMALLEST, result.p) / weight for result, weight in zip(results, share, strict=True)))
    alarm = p <= level
    found = [
        finding
        for part, result, weight in zip(parts, results, share, strict=True)
        for finding in part.findings(result, weight, level, alarm=alarm)
    ]
    found.sort(key=lambda finding: (not finding.moved, finding.output, finding.p, -finding.distance))
    verdict: Verdict = "alarm" if alarm else "healthy"
    return Judgement(verdict, rows, level, _why(verdict, found, p, level), p, name, before, tuple(found))


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Columns tested together."""

    cells: Cells
    before: Columns
    after: Columns
    kinds: Mapping[str, str]
    ordered: bool
    name: str
    rows: int
    output: bool

    def test(self, level: float, rng: np.random.Generator) -> TestResult:
        return permutation_test(self.cells, level=level, rng=rng, ordered=self.ordered)

    def findings(self, result: TestResult, weight: float, level: float, *, alarm: bool) -> list[ColumnFinding]:
        """One finding a column. In an alarm of this part the surest column is always among those that moved."""
        within = alarm and result.p / weight <= level
        surest = int(np.argmax(result.scores))
        found = []
        for place, column in enumerate(self.cells.columns):
            p = result.p if place == surest else float(result.adjusted[place])
            p = max(_SMALLEST, min(1.0, p / weight))
            moved = within and (place == surest or p <= level)
            before, after = self.before[column.name], self.after[column.name]
            kind = self.kinds[column.name]
            found.append(describe_column(column, before, after, p=p, moved=moved, kind=kind, output=self.output))
        return found


def _cut_inputs(inputs: Reference | Profile, window: Columns, most: int, rng: np.random.Generator) -> _Part:
    if isinstance(inputs, Profile):
        reference, window = rows_from_profile(inputs, window, most=most, rng=rng)
        return _cut(reference, window, "profile")
    return _cut(thin(inputs, max(most, 2 * len(next(iter(window.values()))))), window, "rows")


def _cut(reference: Reference, window: Columns, name: str, *, output: bool = False) -> _Part:
    cells = cut_columns(reference.columns, window, reference.schema)
    kinds = {field.name: field.kind for field in reference.schema}
    return _Part(cells, reference.columns, window, kinds, reference.ordered, name, reference.rows, output)


def _shares(parts: list[_Part]) -> list[float]:
    """The budget by columns: scores, tested on rows of their own, get no more than their number deserves."""
    counts = [len(part.cells.columns) for part in parts]
    return [count / sum(counts) for count in counts]


def _why(verdict: Verdict, found: list[ColumnFinding], p: float, level: float) -> str:
    if verdict == "healthy":
        return f"no column moved beyond chance: p {p:.2g}, alarm at {level:.2g}"
    moved = [finding.name for finding in found if finding.moved]
    return f"{', '.join(moved)} moved beyond chance: p {p:.2g}, alarm at {level:.2g}"
