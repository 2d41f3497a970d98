"""The simple way to ask: rows or columns by name, answered row by row."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from flyball.serving.asgi import Limits, check_rows
from flyball.serving.cells import column_array
from flyball.serving.past import past_of_rows
from flyball.serving.served import Answer, Served
from flyball_runtime.errors import BadInput, near_miss
from flyball_runtime.schema import Schema

__all__ = ["BadRows", "read_remember", "read_rows", "write_answer"]


class BadRows(BadInput):
    """The body of a /predict request is not rows or columns that the model can use."""

    code = "FB-SERVE-009"


def read_rows(body: Any, schema: Schema, *, limits: Limits | None = None) -> dict[str, NDArray[Any]]:
    """`{"rows": [{...}]}`, `{"columns": {...}}`, a list of rows, or one bare row, as columns (rows,).

    Values under names that the model does not take are ignored; one that it takes must be there, if only as null.
    Raises BadRows, BadValue, TooManyRows.
    """
    most = (limits or Limits()).rows
    if isinstance(body, list):
        return _from_rows(body, schema, most)
    if not isinstance(body, dict):
        raise BadRows("the body must be a row, or rows, or columns", fix=_example(schema))
    if isinstance(body.get("columns"), dict) and "columns" not in schema:
        return _from_columns(body["columns"], schema, most)
    if isinstance(body.get("rows"), list) and "rows" not in schema:
        return _from_rows(body["rows"], schema, most)
    return _from_rows([body], schema, most)


def read_remember(body: Any, schema: Schema) -> bool:
    """`"remember"` beside `"rows"` or `"columns"`: whether a model that looks back takes the rows for the past of later ones.

    True when it is left out. Raises BadRows.
    """
    wrapped = isinstance(body, dict) and any(
        isinstance(body.get(name), kind) and name not in schema for name, kind in (("columns", dict), ("rows", list))
    )
    told = body.get("remember", True) if wrapped else True
    if not isinstance(told, bool):
        raise BadRows('"remember" must be true or false', why=f"it is {told!r:.60}", fix="leave it out to say true")
    return told


def write_answer(answer: Answer, served: Served) -> dict[str, Any]:
    """`{"model", "version", "alias", "predictions": [{"id", "prediction", ...}]}`, one prediction per row.

    For classes: `"probability": {class: number}` and, where the model has class sets, `"set": [class, ...]`. For a model
    that looks back: `"history": {"rows": number, "complete": bool}` and `"arrival"`, which is "new", "late", "repeated" or
    "unplaced".
    """
    labels = served.labels or []
    values = {name: array.tolist() for name, array in answer.outputs.items()}
    predictions = []
    past = past_of_rows(answer)
    for row, record in enumerate(answer.records):
        said: dict[str, Any] = {"id": record.id}
        for name, cells in values.items():
            if name == "probability":
                said[name] = dict(zip(labels, cells[row], strict=True))
            elif name == "in_set":
                said["set"] = [label for label, held in zip(labels, cells[row], strict=True) if held]
            else:
                said[name] = cells[row]
        predictions.append(said | past[row])
    return {"model": served.model, "version": served.version, "alias": served.alias, "predictions": predictions}


def _from_rows(rows: list[Any], schema: Schema, most: int) -> dict[str, NDArray[Any]]:
    if not rows:
        raise BadRows("there are no rows", fix=_example(schema))
    check_rows(len(rows), most)
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise BadRows(f"row {number} is not an object", fix=_example(schema))
        for name in schema.names:
            if name not in row:
                raise _missing(name, row, f"row {number}")
    return {field.name: column_array([row[field.name] for row in rows], field) for field in schema}


def _from_columns(columns: dict[str, Any], schema: Schema, most: int) -> dict[str, NDArray[Any]]:
    for name in schema.names:
        if name not in columns:
            raise _missing(name, columns, '"columns"')
        if not isinstance(columns[name], list):
            raise BadRows(f'the column "{name}" is not a list', fix='send {"columns": {"NAME": [value, ...]}}')
    lengths = {name: len(columns[name]) for name in schema.names}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f'"{name}" {length}' for name, length in list(lengths.items())[:4])
        raise BadRows("the columns differ in length", why=shown, fix="send one value per row in each column")
    if 0 in lengths.values():
        raise BadRows("there are no rows", fix="send at least one value in each column")
    check_rows(max(lengths.values(), default=0), most)
    return {field.name: column_array(columns[field.name], field) for field in schema}


def _missing(name: str, given: dict[str, Any], where: str) -> BadRows:
    hint = near_miss(name, given)
    return BadRows(
        f'{where} lacks the column "{name}"',
        why=hint and f"it holds a similar name: {hint.removeprefix('did you mean ').rstrip('?')}",
        fix="send null where the value is not known",
    )


def _example(schema: Schema) -> str:
    shown = ", ".join(f'"{name}": ...' for name in schema.names[:3]) + (", ..." if len(schema) > 3 else "")
    return f'send {{"rows": [{{{shown}}}]}}'
