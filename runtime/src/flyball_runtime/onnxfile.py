"""What an ONNX file may not do here: read other files, or use operators from outside the two standard sets."""

from __future__ import annotations

from collections.abc import Iterator

from flyball_runtime.errors import Refused

__all__ = ["GraphUnsafe", "check_graph_is_closed"]

_DOMAINS = frozenset({b"", b"ai.onnx", b"ai.onnx.ml"})
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5

# Field numbers of onnx.proto, for the walk to every tensor: message -> field -> message.
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_OPSETS = {"model": 8, "function": 9}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14


class GraphUnsafe(Refused):
    """The bundle's graph refers to data outside itself or to operators outside the ONNX standard, or is no ONNX file."""

    code = "FB-BUNDLE-007"


def check_graph_is_closed(graph: bytes) -> None:
    """Raises GraphUnsafe if the model would read another file or need an operator that is not standard ONNX."""
    try:
        _check_operators("model", graph)
        # Every reference to external data holds the key "location": parts without the word need no walk.
        if b"location" in graph:
            _check_tensors("model", graph, depth=0)
    except (IndexError, ValueError) as error:
        raise GraphUnsafe("model.onnx is not a readable ONNX file", where="model.onnx", why=str(error)) from error


def _check_operators(message: str, data: bytes) -> None:
    for field, kind, value in _fields(data):
        if kind != _LENGTH:
            continue
        if field == _OPSETS[message]:
            for key, _, domain in _fields(value):
                if key == 1 and domain not in _DOMAINS:
                    raise GraphUnsafe(
                        "the graph uses operators from outside the ONNX standard",
                        where="model.onnx",
                        why=f'operator set "{domain.decode("utf-8", "replace")}"',
                    )
        elif message == "model" and field == 25:
            _check_operators("function", value)


def _check_tensors(message: str, data: bytes, depth: int) -> None:
    if depth > 64:
        raise GraphUnsafe("the graph is nested too deeply", where="model.onnx")
    children = _CHILDREN.get(message, {})
    for field, kind, value in _fields(data):
        if message == "tensor" and (field == _EXTERNAL_DATA or (field == _DATA_LOCATION and value != b"\x00")):
            raise GraphUnsafe("the graph keeps data in another file, which a bundle may not", where="model.onnx")
        if kind == _LENGTH and field in children and b"location" in value:
            _check_tensors(children[field], value, depth + 1)


def _fields(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The fields of one protobuf message: (number, wire type, content); a varint's content is its own bytes."""
    view, position, end = memoryview(data), 0, len(data)
    while position < end:
        tag, position = _varint(view, position)
        field, kind = tag >> 3, tag & 7
        start = position
        if kind == _LENGTH:
            size, start = _varint(view, position)
            position = start + size
        elif kind == _VARINT:
            _, position = _varint(view, position)
        elif kind in (_FIXED64, _FIXED32):
            position += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"unknown wire type {kind}")
        if position > end:
            raise ValueError("the file ends within a field")
        yield field, kind, bytes(view[start:position])


def _varint(view: memoryview, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = view[position]
        result |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return result, position
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")
