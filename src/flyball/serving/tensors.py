"""Tensors of the Open Inference Protocol (V2, JSON form) to columns, and outputs back to tensors.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.serving.asgi import Limits, check_rows
from flyball.serving.cells import BadValue, first_other, number_array, text_array
from flyball.serving.served import Served, tensor_type
from flyball_runtime.errors import BadInput, near_miss
from flyball_runtime.schema import MISSING_TIME, Field, Schema

__all__ = ["BadTensor", "BinaryTensor", "InferRequest", "UnknownOutput", "read_request", "write_outputs"]

_INTEGERS = {name: np.iinfo(name.lower()) for name in ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32")}
_INTEGERS["UINT64"] = np.iinfo("uint64")
_ACCEPTED = {
    "number": ("FP64", "FP32", "FP16", *_INTEGERS, "BOOL"),
    "text": ("BYTES",),
    "time": ("BYTES", "INT64"),
}
_MEANS = {
    "number": "a number: FP64 or another numeric type",
    "text": "text: BYTES",
    "time": "a time: BYTES with ISO 8601 text, or INT64 with microseconds since 1970 in UTC",
}


class BadTensor(BadInput):
    """An input tensor is missing, unknown, or not of the datatype, shape or length that the model takes."""

    code = "FB-SERVE-006"


class BinaryTensor(BadInput):
    """A tensor was sent in the binary or shared-memory extension, which this server does not speak."""

    code = "FB-SERVE-007"


class UnknownOutput(BadInput):
    """A requested output is not one that the model has."""

    code = "FB-SERVE-008"


@dataclass(frozen=True, slots=True)
class InferRequest:
    """An inference request: raw columns (rows,), the client's id, and the outputs it wants (None: all).

    `remember`: whether a model that looks back takes the rows for the past of later ones.
    """

    columns: Mapping[str, NDArray[Any]]
    id: str | None
    outputs: list[str] | None
    remember: bool = True


def read_request(body: Any, served: Served, *, limits: Limits | None = None) -> InferRequest:
    """Raises BadTensor, BinaryTensor, BadValue, TooManyRows, UnknownOutput."""
    most = (limits or Limits()).rows
    if not isinstance(body, dict) or not isinstance(body.get("inputs"), list):
        raise BadTensor('the body must be an object with a list "inputs"', fix="see /v2/models/MODEL for the inputs")
    identity = body.get("id")
    if identity is not None and not isinstance(identity, str):
        raise BadTensor('"id" must be text')
    columns: dict[str, NDArray[Any]] = {}
    for position, tensor in enumerate(body["inputs"]):
        field = _field(tensor, position, served.schema)
        if field.name in columns:
            raise BadTensor(f'the input "{field.name}" is given twice')
        columns[field.name] = _column(tensor, field, most)
    for name in served.schema.names:
        if name not in columns:
            raise BadTensor(
                f'the input "{name}" is missing',
                why=f"the model takes {len(served.schema)} inputs, the request holds {len(columns)}",
                fix=f"GET /v2/models/{served.model} lists them",
            )
    _same_rows(columns)
    return InferRequest(columns, identity, _wanted(body.get("outputs"), served), _remember(body.get("parameters")))


def write_outputs(outputs: Mapping[str, NDArray[Any]], wanted: list[str] | None) -> list[dict[str, Any]]:
    """The outputs as JSON tensors, row-major, in the order wanted."""
    tensors = []
    for name in outputs if wanted is None else wanted:
        values = outputs[name]
        kind = tensor_type(values)
        data = values.ravel().tolist()
        tensors.append({"name": name, "datatype": kind, "shape": list(values.shape), "data": data})
    return tensors


def _field(tensor: Any, position: int, schema: Schema) -> Field:
    if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
        raise BadTensor(f'input {position} must be an object with a "name"')
    name = tensor["name"]
    if name not in schema:
        known = ", ".join(schema.names[:8]) + (", ..." if len(schema) > 8 else "")
        raise BadTensor(f'the model has no input "{name}"', fix=near_miss(name, schema.names) or f"it takes {known}")
    parameters = tensor.get("parameters") or {}
    if isinstance(parameters, dict) and any(
        key.startswith(("binary_data_size", "shared_memory")) for key in parameters
    ):
        raise BinaryTensor(
            f'the input "{name}" is not in the body as JSON',
            why="this server speaks the JSON form of the protocol only",
            fix="in tritonclient, call set_data_from_numpy(..., binary_data=False)",
        )
    return schema[name]


def _column(tensor: Mapping[str, Any], field: Field, most: int) -> NDArray[Any]:
    kind, shape, data = tensor.get("datatype"), tensor.get("shape"), tensor.get("data")
    if kind not in _ACCEPTED[field.kind]:
        raise BadTensor(f'the input "{field.name}" has the datatype {kind!r}', fix=f"it is {_MEANS[field.kind]}")
    rows = _rows(shape, field.name)
    if not isinstance(data, list):
        raise BadTensor(f'the input "{field.name}" has no list "data"')
    check_rows(len(data), most)
    if data and isinstance(data[0], list):  # [N, 1] may be written nested
        if not all(isinstance(row, list) and len(row) == 1 for row in data):
            raise BadTensor(f'the nested data of "{field.name}" does not have the shape {shape}')
        data = [row[0] for row in data]
    if len(data) != rows:
        raise BadTensor(f'the input "{field.name}" holds {len(data)} values, but its shape {shape} means {rows}')
    if kind == "BYTES":
        _check_types(data, {str}, field.name, kind)
        return text_array(data)
    if kind in _INTEGERS:
        _check_integers(data, field.name, kind)
    if field.kind == "time":
        return np.array([MISSING_TIME if value is None else value for value in data], dtype=np.int64)
    if kind in _INTEGERS:
        return number_array(data, field.name)
    return _floats(data, field.name, kind)


def _rows(shape: Any, name: str) -> int:
    plain = isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)
    if not plain or len(shape) not in (1, 2) or (len(shape) == 2 and shape[1] != 1):
        raise BadTensor(f'the input "{name}" has the shape {shape!r}', fix="it must be [rows] or [rows, 1]")
    if shape[0] == 0:
        raise BadTensor(f'the input "{name}" has no rows', fix="send at least one row")
    return int(shape[0])


def _same_rows(columns: Mapping[str, NDArray[Any]]) -> None:
    first, *others = columns
    for name in others:
        if len(columns[name]) != len(columns[first]):
            raise BadTensor(
                f'the inputs differ in length: "{first}" has {len(columns[first])} rows, "{name}" {len(columns[name])}'
            )


def _check_types(data: list[Any], expected: set[type], name: str, kind: str) -> None:
    if not set(map(type, data)) <= expected | {type(None)}:
        row = first_other(data, lambda value: value is None or type(value) in expected)
        shown = repr(data[row])
        raise BadValue(
            f'the input "{name}", row {row}: not a value of datatype {kind}',
            why=shown if len(shown) <= 60 else shown[:57] + "...",
            fix="send null for a missing value",
        )


def _floats(data: list[Any], name: str, kind: str) -> NDArray[np.float64]:
    _check_types(data, {bool} if kind == "BOOL" else {int, float}, name, kind)
    values = number_array(data, name)
    if kind in {"BOOL", "FP64"}:
        return values
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32 if kind == "FP32" else np.float16).astype(np.float64)
    lost = np.flatnonzero(np.isinf(narrow) & np.isfinite(values))
    if len(lost):
        raise BadValue(f'the input "{name}", row {lost[0]}: {values[lost[0]]:g} does not fit into {kind}')
    return narrow


def _check_integers(data: list[Any], name: str, kind: str) -> None:
    _check_types(data, {int}, name, kind)
    span = _INTEGERS[kind]
    outside = [row for row, value in enumerate(data) if value is not None and not span.min <= value <= span.max]
    if outside:
        raise BadValue(f'the input "{name}", row {outside[0]}: {data[outside[0]]} does not fit into {kind}')


def _remember(parameters: Any) -> bool:
    told = parameters.get("remember", True) if isinstance(parameters, dict) else True
    if not isinstance(told, bool):
        raise BadTensor('the parameter "remember" must be true or false', fix="leave it out to say true")
    return told


def _wanted(outputs: Any, served: Served) -> list[str] | None:
    if outputs is None or outputs == []:
        return None
    if not isinstance(outputs, list) or not all(
        isinstance(o, dict) and isinstance(o.get("name"), str) for o in outputs
    ):
        raise UnknownOutput('"outputs" must be a list of objects with a "name"')
    known = served.output_types()
    for output in outputs:
        if output["name"] not in known:
            hint = near_miss(output["name"], known) or f"it has {', '.join(known)}"
            raise UnknownOutput(f'the model has no output "{output["name"]}"', fix=hint)
        parameters = output.get("parameters")
        if isinstance(parameters, dict) and parameters.keys() & {"classification", "shared_memory_region"}:
            raise UnknownOutput(
                f'the output "{output["name"]}" is asked for in an extension of the protocol that is not spoken here',
                fix='ask for "probability": it holds every class',
            )
    return list(dict.fromkeys(output["name"] for output in outputs))
