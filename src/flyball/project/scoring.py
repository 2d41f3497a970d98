"""Scoring and explaining rows of a table for the command line."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flyball.core.files import write_atomic
from flyball.data import Read, Table, read_source, to_parquet_bytes
from flyball.data.csv import to_csv_bytes
from flyball.pipeline.personal import notes_without_values
from flyball.pipeline.read import load_table
from flyball.project.batch import known_schema, with_features
from flyball.registry import ModelVersion
from flyball.serving.personal import without_value
from flyball_runtime.errors import BadInput, FlyballError
from flyball_runtime.schema import Field, Schema
from flyball_runtime.score import class_label
from flyball_runtime.table import WrongType

if TYPE_CHECKING:
    from flyball.project.project import Project

__all__ = [
    "DestinationUnfit",
    "ExplainedRow",
    "RowUnknown",
    "check_destination",
    "explain_row",
    "predict_file",
    "read_for",
]


_ENDINGS = ("", ".csv", ".txt", ".parquet")


class RowUnknown(BadInput):
    """A row was asked for that the table does not have."""

    code = "FB-PROJECT-007"


class DestinationUnfit(BadInput):
    """Scores are written as CSV or Parquet, to a file of their own: not to a folder, a device or a spreadsheet."""

    code = "FB-PROJECT-008"


class ExplainedRow:
    """The reasons for one row's score, as JSON values and as text."""

    def __init__(self, data: dict[str, Any], text: str) -> None:
        self.data = data
        self.text = text


def predict_file(project: Project, ref: str, source: Path, destination: Path) -> tuple[int, ModelVersion, list[str]]:
    """Score a table's rows and write them with their answers; how many, by which version, and what to say of the table."""
    check_destination(destination)
    version = project.registry.resolve(ref)
    bundle = project.bundle(version)
    evidence = project.registry.evidence(version)
    personal = evidence["data"]["personal"]
    read = read_for(source, known_schema(evidence, bundle.inputs), personal)
    try:
        wide = with_features(project, evidence, bundle.inputs, read.table, where=source.name)
        outputs = bundle.score(wide.columns)
    except FlyballError as error:
        raise without_value(error, personal) from None
    table = _with_outputs(read.table, outputs, bundle.classes)
    data = to_parquet_bytes(table) if destination.suffix.lower() == ".parquet" else to_csv_bytes(table)
    write_atomic(destination, data, label="predict.write")
    return table.rows, version, notes_without_values(read.notes, personal)


def read_for(source: Path, schema: Schema, personal: Collection[str]) -> Read:
    """A table with the model's own types. Raises WrongType with the lines of cells that are not of them."""
    read = read_source(source, schema=schema)
    for trouble in read.troubles:
        if not trouble.missing and trouble.column in schema and schema[trouble.column].kind != "text":
            raise WrongType(
                f'the column "{trouble.column}" holds cells that are no {trouble.kind}: {trouble.odd:,} of {trouble.cells:,}',
                where=f"{source.name}, {trouble.where(values=trouble.column not in personal)}",
                why=f"the model learned from {trouble.kind} in this column",
                fix="mend these cells, or leave them empty where the value is not known",
            )
    return read


def check_destination(path: Path) -> None:
    """A device would be replaced by the file, so only a new or a regular file will do."""
    known = path.suffix.lower() in _ENDINGS
    if known and (path.is_file() or not path.exists()):
        return
    raise DestinationUnfit(
        f"scores cannot be written to {path.name or path}", where=str(path.absolute()),
        why="it is not a file" if known else f'"{path.suffix}" is not an ending for CSV or Parquet',
        fix="name a file that ends in .csv or .parquet",
    )  # fmt: skip


def explain_row(project: Project, ref: str, row: int, *, source: Path | None) -> ExplainedRow:
    """The reasons for one row of a table, by default of the data that the version was made from."""
    from flyball.explain import explain

    version = project.registry.resolve(ref)
    evidence = project.registry.evidence(version)
    personal = tuple(evidence["data"]["personal"])
    lineage = project.registry.lineage(version)
    pipeline = project.pipeline_of(version)
    if source:
        table = read_for(source, known_schema(evidence, pipeline.inputs), personal).table
        table = with_features(project, evidence, pipeline.inputs, table, where=source.name)
    else:
        table = load_table(project.artifacts, lineage["dataset"]["artifact"])
    if not 0 <= row < table.rows:
        raise RowUnknown(
            f"there is no row {row}",
            why=f"the table has {table.rows:,} rows, counted from 0",
            fix="give a smaller --row",
        )
    hidden = evidence["target"] in personal
    table = pipeline.prepared(table)
    try:
        explanation = explain(pipeline, table.take(np.array([row])), hide=personal, hide_classes=hidden)
    except FlyballError as error:
        raise without_value(error, personal) from None
    data = {"model": version.model, "version": version.number, "row": row, **explanation.row_dict(0)}
    return ExplainedRow(data, f"{version.ref}, row {row}\n{explanation.to_text(0)}")


def _with_outputs(table: Table, outputs: dict[str, NDArray[Any]], classes: NDArray[Any] | None) -> Table:
    """The input's columns followed by the answers; an input column of the same name gives way."""
    answers: list[tuple[Field, NDArray[Any]]] = []
    prediction = outputs["prediction"]
    text = prediction.dtype.kind == "O"
    logical = {"b": "boolean", "i": "integer"}.get(prediction.dtype.kind, "")
    kind = Field("prediction", "text" if text else "number", "" if text else logical)
    answers.append((kind, prediction if text else prediction.astype(np.float64)))
    if classes is not None:
        for place, value in enumerate(classes.tolist()):
            answers.append((Field(f"probability_{class_label(value)}", "number"), outputs["probability"][:, place]))
        if "in_set" in outputs:
            for place, value in enumerate(classes.tolist()):
                held = outputs["in_set"][:, place].astype(np.float64)
                answers.append((Field(f"in_set_{class_label(value)}", "number", "boolean"), held))
    else:
        answers += [(Field(name, "number"), outputs[name]) for name in ("low", "high")]
    table = table.drop([field.name for field, _ in answers])
    for field, values in answers:
        table = table.with_column(field, values)
    return table
