"""Registered versions on rows with a truth: where one is weak, and which of two is better."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flyball.data import Table, Target, prepare_target, read_source
from flyball.evaluation import label_codes, time_blocks
from flyball.pipeline.comparing import Rival, compare_with, unseen_rows
from flyball.pipeline.exam import Exam, class_typed
from flyball.pipeline.plain import plain
from flyball.pipeline.read import check_columns
from flyball.pipeline.slicing import Scored, level_slices
from flyball.project.batch import known_schema, with_features
from flyball.registry import ModelVersion
from flyball.store import ArtifactCorrupt, ArtifactMissing
from flyball_runtime.errors import BadInput
from flyball_runtime.schema import Field, Kind, Schema

if TYPE_CHECKING:
    from flyball.project.project import Project

__all__ = ["SlicePersonal", "TestRowsGone", "TruthUnfit", "compare_versions", "paired", "slices_of"]


class TestRowsGone(BadInput):
    """The rows that a version was tested on cannot be had: it was made before they were kept, or its data is gone."""

    code = "FB-COMPARE-001"


class TruthUnfit(BadInput):
    """A file to compare models on lacks the target, or holds values of another type than the model's classes."""

    code = "FB-COMPARE-002"


class SlicePersonal(BadInput):
    """Slices were asked for by a column marked personal, whose values are never shown."""

    code = "FB-COMPARE-003"


def slices_of(project: Project, version: ModelVersion, *, by: str | None = None) -> dict[str, Any]:
    """The slices in a version's evidence; with `by`, also every level of that column on the version's test rows.

    Raises TestRowsGone, SlicePersonal, and ColumnUnknown for a column that the data does not have.
    """
    evidence = project.registry.evidence(version)
    document = {"model": version.model, "version": version.number, "slices": evidence.get("slices")}
    if by is None:
        return document
    if by in evidence["data"]["personal"]:
        raise SlicePersonal(
            f'"{by}" is marked personal', why="its values are never shown", fix="name another column with --by"
        )
    rival = Rival.load(project.registry, project.artifacts, version)
    exam = _exam(rival)
    check_columns("--by", [by], exam.table)
    scored = Scored(
        exam.task, exam.table, exam.truth, rival.score(exam.table), metric=exam.metric, classes=exam.classes,
        positive=exam.positive, units=exam.units, weights=exam.weights, seed=exam.seed,
    )  # fmt: skip
    whole = scored.measure(np.arange(len(exam.truth)))
    return {**document, "by": plain({**level_slices(scored, by), "overall": whole})}


def compare_versions(
    project: Project, ours: ModelVersion, theirs: ModelVersion, *, data: Path | None = None
) -> dict[str, Any]:
    """Two versions on the rows that the first was tested on, or on those of a file with the target.

    Rows that either learned from are left out where enough remain. Raises TestRowsGone or TruthUnfit.
    """
    first = Rival.load(project.registry, project.artifacts, ours)
    second = Rival.load(project.registry, project.artifacts, theirs)
    if data is None:
        exam, fair, caution = _exam(first), True, None
    else:  # the first may have learned from rows of the file, as the second may
        exam, fair, caution = unseen_rows(_exam_on(project, first, data, second), first)
    found = compare_with(exam, first.score(exam.table), second)
    if found["comparable"]:
        said = [text for text in (caution, found["caution"]) if text]
        found |= {"fair": fair and found["fair"], "caution": "; ".join(said) or None}
    where = f"the test rows of {ours.ref}" if data is None else str(data)
    return dict(plain({"model": ours.ref, "on": where, "metric": exam.metric, **found}))


def paired(project: Project, version: ModelVersion, holder: ModelVersion) -> Mapping[str, Any] | None:
    """The comparison of two versions for a gate; None where the rows of the first cannot be had."""
    if version.external or holder.external:
        return None
    try:
        return compare_versions(project, version, holder)
    except (TestRowsGone, ArtifactMissing, ArtifactCorrupt, KeyError):
        return None


def _exam(rival: Rival) -> Exam:
    """The rows that a registered version was tested on."""
    version, evidence, pipeline = rival.version, rival.evidence, rival.pipeline
    kept, table = rival.rows(), rival.table()
    if kept is None or table is None:
        raise TestRowsGone(
            f"the rows that {version.ref} was tested on cannot be had",
            why="it was made by a Flyball that did not keep them yet" if kept is None else "its data is gone",
            fix="flyball run makes a version that keeps them; flyball compare --data FILE takes other rows",
        )
    split, weight = evidence["split"], evidence["data"].get("weight")
    test = table.take(kept.test)
    return Exam(
        dataset=version.dataset_version,
        table=test,
        rows=kept.test,
        truth=class_typed(test[evidence["target"]], pipeline),
        task=pipeline.task,
        target=evidence["target"],
        metric=evidence["metric"],
        classes=pipeline.class_values,
        positive=pipeline.positive,
        units=kept.units,
        unit=split.get("unit", "row"),
        weights=None if not weight else np.asarray(test[weight], dtype=np.float64),
        group=split["by"] if split["kind"] == "group" else None,
        seed=int(evidence.get("seed") or 0),
    )


def _exam_on(project: Project, rival: Rival, source: Path, other: Rival) -> Exam:
    """The rows of a file, judged as the version's own test rows were: by the same units, weights and metric.

    They get the columns that either version needs made from other tables.
    """
    evidence, pipeline = rival.evidence, rival.pipeline
    name = evidence["target"]
    kind: Kind = "text" if pipeline.class_type == "text" else "number"
    field = Field(name, kind, {"integer": "integer", "boolean": "boolean"}.get(pipeline.class_type or "", ""))
    own = [one for one in known_schema(evidence, pipeline.inputs) if one.name != name]
    table = read_source(source, schema=Schema((*own, field))).table
    for one in (other, rival):
        table = with_features(project, one.evidence, one.pipeline.inputs, table, where=source.name)
    target = prepare_target(table, name) if name in table else None
    if target is None or (kind == "number") != (target.field.kind == "number"):
        what = (
            "is not in the file" if target is None else f"holds {target.field.kind} there, and not what the model knows"
        )
        raise TruthUnfit(
            f'the target "{name}" {what}',
            where=str(source),
            fix="give rows whose true outcome is known, as in training",
        )
    rows = table.take(target.rows_kept)
    split, weight = evidence["split"], evidence["data"].get("weight")
    units, unit = _units(rows, split)
    return Exam(
        dataset=None,
        table=rows,
        rows=target.rows_kept.astype(np.int64),
        truth=_truth(target, rival),
        task=pipeline.task,
        target=name,
        metric=evidence["metric"],
        classes=pipeline.class_values,
        positive=pipeline.positive,
        units=units,
        unit=unit,
        weights=np.asarray(rows[weight], dtype=np.float64) if weight and weight in rows else None,
        group=split["by"] if split["kind"] == "group" else None,
        seed=int(evidence.get("seed") or 0),
    )


def _truth(target: Target, rival: Rival) -> NDArray[Any]:
    return class_typed(target.values, rival.pipeline)


def _units(rows: Table, split: Mapping[str, Any]) -> tuple[NDArray[np.int64] | None, str]:
    """Which rows of a file belong together, as the split of the version says."""
    by = split.get("by")
    labels = rows[by] if isinstance(by, str) and by in rows else None
    if split["kind"] == "group" and labels is not None:
        return label_codes(labels), "group"
    if split["kind"] == "time":
        order = labels if labels is not None and labels.dtype != object else np.arange(rows.rows)
        return time_blocks(order), "stretch of time"
    return None, "row"
