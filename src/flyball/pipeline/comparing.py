"""A model against another on the same rows: the champion scores what the candidate was tested on, if it never saw it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl import FittedPipeline
from flyball.charts import number, span
from flyball.data import Table
from flyball.evaluation import METRICS, Paired, class_codes, compare
from flyball.pipeline.blobs import get_bytes
from flyball.pipeline.exam import Exam, Rows, row_hashes
from flyball.pipeline.read import load_table
from flyball.registry import ModelVersion, Registry
from flyball.store import ArtifactCorrupt, ArtifactMissing, ArtifactStore
from flyball_runtime.errors import FlyballError
from flyball_runtime.score import Scorer, class_label

__all__ = ["Rival", "compare_with", "paired_metrics", "seen_rows", "unseen_rows", "words"]

_ENOUGH_ROWS = 50
_ENOUGH_OF_A_CLASS = 5
Outputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Rival:
    """A registered version, to be held against another model."""

    version: ModelVersion
    evidence: Mapping[str, Any]
    pipeline: FittedPipeline
    graph: bytes
    registry: Registry
    artifacts: ArtifactStore

    @classmethod
    def load(cls, registry: Registry, artifacts: ArtifactStore, version: ModelVersion) -> Rival:
        """Raises ArtifactMissing or ArtifactCorrupt."""
        evidence = registry.evidence(version)
        digests = evidence["artifacts"]
        pipeline = FittedPipeline.from_bytes(get_bytes(artifacts, digests["pipeline"]))
        return cls(version, evidence, pipeline, get_bytes(artifacts, digests["graph"]), registry, artifacts)

    def score(self, table: Table) -> dict[str, NDArray[Any]]:
        """Raises what the runtime raises for a table that does not hold its columns."""
        scorer = Scorer(self.graph, self.pipeline.schema, self.pipeline.task, self.pipeline.class_values)
        return scorer.score(dict(self.pipeline.prepared(table).columns))

    def rows(self) -> Rows | None:
        """The rows that it learned from and was tested on; None for a version made before they were kept."""
        digest = self.evidence["artifacts"].get("rows")
        return None if digest is None else Rows.from_bytes(get_bytes(self.artifacts, digest))

    def table(self) -> Table | None:
        """The data that it was made from; None when it is gone."""
        known = [one for one in self.registry.datasets() if one.version == self.version.dataset_version]
        try:
            return load_table(self.artifacts, known[0].artifact) if known else None
        except (ArtifactMissing, ArtifactCorrupt):
            return None


def compare_with(exam: Exam, ours: Outputs, rival: Rival, *, alias: str | None = None) -> dict[str, Any]:
    """The candidate's outputs on its test rows against a version's on the same rows, as the evidence holds it.

    Rows that the version learned from are left out where enough others remain. Where too few do, all are used, `fair`
    is False and `caution` says why. `comparable` False: `reason` says what stands against it.
    """
    head = {"with": rival.version.ref, "alias": alias, "version": rival.version.number}
    reason = _unlike(exam, rival)
    if reason is None:
        try:
            theirs = _in_order_of(exam, rival.score(exam.table), rival)
        except FlyballError as error:
            reason = f"{rival.version.ref} cannot score these rows: {error.what}"
    if reason is not None:
        return {**head, "comparable": False, "reason": reason}
    seen, doubt = seen_rows(exam, rival)
    judged, fair, caution = _judged(exam, seen, doubt, rival.version.ref)
    part = exam.take(judged)
    metrics = paired_metrics(
        part,
        {key: values[judged] for key, values in ours.items()},
        {key: values[judged] for key, values in theirs.items()},
    )
    return {
        **head,
        "comparable": True,
        "reason": None,
        "fair": fair,
        "caution": caution,
        "rows": len(judged),
        "rows_seen": int(seen.sum()),
        "unit": exam.unit,
        "metrics": {name: one.to_dict() for name, one in metrics.items()},
        "text": ("" if fair else "not a fair comparison: ")
        + words(metrics.get(exam.metric), exam.metric, rival.version.ref, len(judged)),
    }


def paired_metrics(exam: Exam, ours: Outputs, theirs: Outputs) -> dict[str, Paired]:
    """Every metric of two models' outputs on the exam's rows."""
    return compare(
        exam.task, exam.truth, ours, theirs,
        classes=exam.classes, positive=exam.positive, groups=exam.units, weights=exam.weights, seed=exam.seed,
    )  # fmt: skip


def words(found: Paired | None, metric: str, other: str, rows: int) -> str:
    """The verdict in one sentence."""
    label = METRICS[metric].label if metric in METRICS else metric
    if found is None:
        return f"{label} is undefined on the {rows:,} rows"
    gap = found.difference
    said = {
        "better": f"clearly better than {other}", "worse": f"clearly worse than {other}",
        "no clear difference": f"no clear difference to {other}",
        "not enough data": f"not enough independent rows to compare with {other}",
    }[found.outcome]  # fmt: skip
    figures = f"{label} {number(found.ours)} against {number(found.theirs)}"
    return f"{said}: {figures}, difference {span(gap.value, gap.low, gap.high)} on {rows:,} rows"


def seen_rows(exam: Exam, rival: Rival) -> tuple[NDArray[np.bool_], str | None]:
    """Which rows of the exam a version learned from, (rows,), and what is not known about that (None: nothing).

    Rows of one dataset version are known by their place, others by their content in the columns that both tables have.
    Where the exam keeps groups apart, a row of a group that was learned from counts as seen too.
    """
    rows = len(exam.rows)
    kept = rival.rows()
    same_data = exam.dataset is not None and exam.dataset == rival.version.dataset_version
    if kept is None and same_data and _same_split(exam, rival):
        return np.zeros(rows, dtype=bool), None
    doubt = None if kept is not None else "which rows it learned from was not kept yet when it was made"
    seen = np.zeros(rows, dtype=bool)
    if same_data and exam.group is None:
        return (seen, doubt) if kept is None else (np.isin(exam.rows, kept.train), None)
    theirs = rival.table()
    if theirs is None:
        return seen, "the data that it learned from is no longer there"
    learned = theirs if kept is None else theirs.take(kept.train)
    if same_data and kept is not None:
        seen = np.isin(exam.rows, kept.train)
    else:
        shared = [
            field.name for field in exam.table.schema
            if field.name in learned and learned.schema[field.name].kind == field.kind
        ]  # fmt: skip
        if not shared:
            return seen, "its data has no column in common with these rows"
        seen = np.isin(row_hashes(exam.table, shared), row_hashes(learned, shared))
    if exam.group is not None and exam.group in learned and exam.group in exam.table:
        both = [exam.group]
        seen |= np.isin(row_hashes(exam.table, both), row_hashes(learned, both))
    return seen, doubt


def unseen_rows(exam: Exam, rival: Rival) -> tuple[Exam, bool, str | None]:
    """The exam on the rows that a version did not learn from, whether that is fair to others, and what to say about it."""
    seen, doubt = seen_rows(exam, rival)
    judged, fair, caution = _judged(exam, seen, doubt, rival.version.ref)
    return exam.take(judged), fair, caution


def _judged(
    exam: Exam, seen: NDArray[np.bool_], doubt: str | None, ref: str
) -> tuple[NDArray[np.intp], bool, str | None]:
    """The rows to compare on, whether that is fair, and what to say about it."""
    everything = np.arange(len(exam.rows))
    if doubt is not None and not seen.any():
        return everything, False, f"it is not known whether {ref} learned from these rows: {doubt}"
    if not seen.any():
        return everything, True, None
    unseen = np.flatnonzero(~seen)
    learned = "learned" if doubt is None else "may have learned"
    if len(unseen) >= _ENOUGH_ROWS and _holds_classes(exam, unseen):
        return unseen, True, f"{ref} {learned} from {int(seen.sum()):,} of the {len(seen):,} rows; they are left out"
    return (
        everything,
        False,
        (
            f"{ref} {learned} from {int(seen.sum()):,} of the {len(seen):,} rows, and too few are left without them: "
            "its figures flatter it"
        ),
    )


def _holds_classes(exam: Exam, rows: NDArray[np.intp]) -> bool:
    if exam.classes is None:
        return True
    counts = np.bincount(class_codes(exam.truth[rows], exam.classes), minlength=len(exam.classes))[: len(exam.classes)]
    return bool((np.sort(counts)[-2:] >= _ENOUGH_OF_A_CLASS).all())


def _same_split(exam: Exam, rival: Rival) -> bool:
    """Whether a version without kept rows was split as the exam was: the same seed, target, kind and number of rows."""
    split = rival.evidence.get("split") or {}
    same = rival.evidence.get("seed") == exam.seed and split.get("test_rows") == len(exam.rows)
    return same and split.get("unit") == exam.unit and (exam.group is None or split.get("by") == exam.group)


def _unlike(exam: Exam, rival: Rival) -> str | None:
    """Why two models answer different questions; None when they answer the same."""
    ref, pipeline = rival.version.ref, rival.pipeline
    if pipeline.task != exam.task:
        return f"{ref} is a {pipeline.task} model, this one a {exam.task} model"
    target = rival.evidence.get("target")
    if target != exam.target:
        return f'{ref} predicts "{target}", this one "{exam.target}"'
    missing = [name for name in pipeline.inputs.names if name not in exam.table]
    if missing:
        return f'{ref} needs the column "{missing[0]}", which these rows do not have'
    if exam.classes is not None:
        ours, theirs = (_labels(values) for values in (exam.classes, pipeline.class_values))
        if set(ours) != set(theirs):
            return f"the classes differ: {len(set(ours) ^ set(theirs))} of them are of one model only"
    return None


def _in_order_of(exam: Exam, outputs: dict[str, NDArray[Any]], rival: Rival) -> dict[str, NDArray[Any]]:
    """A version's outputs with its classes in the exam's order and type."""
    values = rival.pipeline.class_values
    if exam.classes is None or values is None:
        return outputs
    theirs = list(_labels(values))
    order = [theirs.index(label) for label in _labels(exam.classes)]
    called = class_codes(outputs["prediction"], values)
    place = np.argsort(order)
    return {"probability": outputs["probability"][:, order], "prediction": exam.classes[place[called]]}


def _labels(values: NDArray[Any] | Sequence[Any] | None) -> list[Any]:
    return [] if values is None else [class_label(value) for value in values]
