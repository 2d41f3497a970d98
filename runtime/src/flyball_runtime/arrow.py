"""Tables that offer an Arrow stream (Polars, PyArrow, DuckDB, nanoarrow ...), read without any Arrow library.

The stream is a capsule that holds C structures; they are read through ctypes and every value is copied out.

https://arrow.apache.org/docs/format/CStreamInterface.html, https://arrow.apache.org/docs/format/CDataInterface.html
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball_runtime.cells import with_nulls
from flyball_runtime.errors import BadInput

__all__ = ["ArrowUnreadable", "Unread", "read_arrow_stream"]


class ArrowUnreadable(BadInput):
    """A table handed over as an Arrow stream is no table, has a name twice or damaged text, or its producer failed."""

    code = "FB-TABLE-005"


class Unread:
    """A cell of an Arrow type that no model takes, such as a list: it is there, and no column of a model can hold it."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __repr__(self) -> str:
        return f'a value of the Arrow type "{self._kind}"'


class _Schema(ctypes.Structure):
    pass


class _Array(ctypes.Structure):
    pass


class _Stream(ctypes.Structure):
    pass


_Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_void_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(_Schema))),
    ("dictionary", ctypes.POINTER(_Schema)),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(_Schema))),
    ("private_data", ctypes.c_void_p),
]
_Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))),
    ("dictionary", ctypes.POINTER(_Array)),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(_Array))),
    ("private_data", ctypes.c_void_p),
]
_Stream._fields_ = [
    ("get_schema", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Stream), ctypes.POINTER(_Schema))),
    ("get_next", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Stream), ctypes.POINTER(_Array))),
    ("get_last_error", ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.POINTER(_Stream))),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(_Stream))),
    ("private_data", ctypes.c_void_p),
]

_NUMBERS: dict[str, str] = {
    "c": "i1",
    "C": "u1",
    "s": "i2",
    "S": "u2",
    "i": "i4",
    "I": "u4",
    "l": "i8",
    "L": "u8",
    "e": "f2",
    "f": "f4",
    "g": "f8",
}
_UNITS = {"s": "s", "m": "ms", "u": "us", "n": "ns"}
_CLOCKS: dict[str, tuple[str, str]] = {  # how they are stored, and as what numpy takes them
    "tdD": ("i4", "datetime64[D]"),
    "tdm": ("i8", "datetime64[ms]"),
    **{f"tt{unit}": ("i4" if unit in "sm" else "i8", f"timedelta64[{name}]") for unit, name in _UNITS.items()},
    **{f"tD{unit}": ("i8", f"timedelta64[{name}]") for unit, name in _UNITS.items()},
}


def read_arrow_stream(table: Any) -> dict[str, NDArray[Any]]:
    """Every column of a table with `__arrow_c_stream__`, as a numpy array (rows,).

    Nulls are NaN among numbers, NaT among times and None elsewhere; integers with nulls become floats, or objects where
    a float would round them. Durations and times of day are timedelta64; cells of nested and other types that no model
    takes are `Unread`, so that a table may hold them beside what is asked of it. Raises ArrowUnreadable.
    """
    capsule = table.__arrow_c_stream__()
    pointer = _capsule_pointer(capsule, b"arrow_array_stream")
    stream = ctypes.cast(pointer, ctypes.POINTER(_Stream))
    schema = _Schema()
    _check(stream.contents.get_schema(stream, ctypes.byref(schema)), stream)
    try:
        if schema.format != b"+s":
            raise ArrowUnreadable("the Arrow stream holds one array, not a table", fix="pass a table or data frame")
        fields = [schema.children[i].contents for i in range(schema.n_children)]
        names = [(field.name or b"").decode("utf-8", "replace") for field in fields]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ArrowUnreadable(f'the column "{twice}" stands twice in the table')
        parts = _read_batches(stream, fields, names)
    finally:
        schema.release(ctypes.byref(schema))
    return {name: _join(parts[i]) for i, name in enumerate(names)}


def _read_batches(stream: Any, fields: list[Any], names: list[str]) -> list[list[NDArray[Any]]]:
    parts: list[list[NDArray[Any]]] = [[] for _ in fields]
    while True:
        batch = _Array()
        _check(stream.contents.get_next(stream, ctypes.byref(batch)), stream)
        if not batch.release:
            break
        try:
            valid = _validity(batch)
            for i, field in enumerate(fields):
                column = _decode(field, batch.children[i].contents, batch.offset, batch.length, names[i])
                parts[i].append(column if valid is None else with_nulls(column, valid))
        finally:
            batch.release(ctypes.byref(batch))
    for i, field in enumerate(fields):
        if not parts[i]:
            parts[i].append(_decode(field, _Array(), 0, 0, names[i]))
    return parts


def _join(parts: list[NDArray[Any]]) -> NDArray[Any]:
    if len(parts) == 1:
        return parts[0]
    if any(part.dtype.kind == "O" for part in parts):
        # An all-null or rounding-safe batch may be objects while its neighbours are plain numbers.
        return np.concatenate([part.astype(object) for part in parts])
    return np.concatenate(parts)


def _decode(field: Any, array: Any, offset: int, length: int, name: str) -> NDArray[Any]:
    """One column of one batch; `offset` and `length` are those of the table around it."""
    start = array.offset + offset
    if field.dictionary:
        return _decode_dictionary(field, array, start, length, name)
    kind = (field.format or b"").decode()
    if kind == "n":
        return np.full(length, None, dtype=object)
    values = _decode_values(kind, array, start, length, name)
    if length == 0 or array.null_count == 0:
        return values
    valid = _bits(array.buffers[0], start, length)
    return values if valid is None else with_nulls(values, valid)


def _decode_values(kind: str, array: Any, start: int, length: int, name: str) -> NDArray[Any]:
    if kind == "b":
        bits = _bits(array.buffers[1], start, length) if length else None
        return np.zeros(length, dtype=np.bool_) if bits is None else bits
    if kind in _NUMBERS:
        return _copy(array, 1, start, length, _NUMBERS[kind])
    if clock := _clock(kind):
        storage, dtype = clock
        return _copy(array, 1, start, length, storage).astype(np.int64).view(dtype)
    if kind.startswith("d:"):
        return _decode_decimal(kind, array, start, length)
    if kind in ("u", "U", "z", "Z"):
        return _decode_text(array, start, length, "i4" if kind in "uz" else "i8", name)
    if kind in ("vu", "vz"):
        return _decode_text_views(array, start, length, name)
    return np.full(length, Unread(kind), dtype=object)


def _clock(kind: str) -> tuple[str, str] | None:
    """How dates, timestamps, times of day and durations are stored, and their numpy type; None for what is none."""
    if kind.startswith("ts") and kind[2:3] in _UNITS and kind[3:4] == ":":
        return "i8", f"datetime64[{_UNITS[kind[2]]}]"
    return _CLOCKS.get(kind)


def _decode_dictionary(field: Any, array: Any, start: int, length: int, name: str) -> NDArray[Any]:
    codes = _copy(array, 1, start, length, _NUMBERS[field.format.decode()]).astype(np.int64)
    entries = array.dictionary.contents if length else _Array()
    values = _decode(field.dictionary.contents, entries, 0, entries.length, name)
    valid = _bits(array.buffers[0], start, length) if length and array.null_count != 0 else None
    if valid is not None:
        codes = np.where(valid, codes, 0)
    if len(values) == 0:
        return np.full(length, None, dtype=object)
    chosen = values[codes]
    return chosen if valid is None else with_nulls(chosen, valid)


def _decode_decimal(kind: str, array: Any, start: int, length: int) -> NDArray[Any]:
    parts = kind[2:].split(",")
    scale, bits = int(parts[1]), int(parts[2]) if len(parts) > 2 else 128
    if bits <= 64:
        whole = _copy(array, 1, start, length, f"i{bits // 8}").astype(object)
    else:
        raw = _copy(array, 1, start * (bits // 8), length * (bits // 8), "u1").tobytes()
        step = bits // 8
        whole = np.array(
            [int.from_bytes(raw[i * step : (i + 1) * step], "little", signed=True) for i in range(length)], dtype=object
        )
    # Dividing exact integers rounds once, as a correct conversion to float64 does.
    if scale >= 0:
        return np.array([value / 10**scale for value in whole], dtype=np.float64)
    return np.array([float(value * 10**-scale) for value in whole], dtype=np.float64)


def _decode_text(array: Any, start: int, length: int, width: str, name: str) -> NDArray[Any]:
    if length == 0:
        return np.empty(0, dtype=object)
    ends = _copy(array, 1, start, length + 1, width).astype(np.int64)
    first = int(ends[0])
    data = ctypes.string_at(array.buffers[2] + first, int(ends[-1]) - first) if ends[-1] > first else b""
    marks = (ends - first).tolist()
    if data.isascii():
        text = data.decode("ascii")
        return _objects([text[a:b] for a, b in pairwise(marks)])
    return _objects([_utf8(data[a:b], name) for a, b in pairwise(marks)])


def _decode_text_views(array: Any, start: int, length: int, name: str) -> NDArray[Any]:
    """Views of 16 bytes: a length, then the text itself when it has at most 12 bytes, else where it lies."""
    if length == 0:
        return np.empty(0, dtype=object)
    raw = _copy(array, 1, start * 16, length * 16, "u1").tobytes()
    views = np.frombuffer(raw, dtype="<i4").reshape(length, 4)
    valid = _bits(array.buffers[0], start, length) if array.null_count != 0 else None
    result: list[str] = []
    for row, (size, _, buffer, position) in enumerate(views.tolist()):
        if valid is not None and not valid[row]:
            result.append("")  # a null's view may hold anything; the caller turns the cell into None
        elif size <= 12:
            result.append(_utf8(raw[row * 16 + 4 : row * 16 + 4 + size], name))
        else:
            result.append(_utf8(ctypes.string_at(array.buffers[2 + buffer] + position, size), name))
    return _objects(result)


def _utf8(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ArrowUnreadable(f'the column "{name}" holds bytes that are not UTF-8 text', why=str(error)) from error


def _objects(values: list[str]) -> NDArray[Any]:
    result = np.empty(len(values), dtype=object)
    result[:] = values
    return result


def _validity(batch: Any) -> NDArray[np.bool_] | None:
    if batch.null_count == 0 or batch.n_buffers < 1 or batch.length == 0:
        return None
    return _bits(batch.buffers[0], batch.offset, batch.length)


def _bits(address: int | None, start: int, length: int) -> NDArray[np.bool_] | None:
    """A bitmap as booleans, or None when there is no buffer."""
    if not address:
        return None
    first = start // 8
    data = np.frombuffer(ctypes.string_at(address + first, (start + length + 7) // 8 - first), dtype=np.uint8)
    return np.unpackbits(data, bitorder="little")[start % 8 : start % 8 + length].astype(np.bool_)


def _copy(array: Any, buffer: int, start: int, length: int, dtype: str) -> NDArray[Any]:
    """A copy of `length` items of a buffer, from item `start`."""
    size = np.dtype(dtype).itemsize
    if length == 0 or not array.buffers[buffer]:
        return np.zeros(length, dtype=f"<{dtype}")
    data = ctypes.string_at(array.buffers[buffer] + start * size, length * size)
    return np.frombuffer(data, dtype=f"<{dtype}").copy()


def _capsule_pointer(capsule: Any, name: bytes) -> int:
    get: Callable[[Any, bytes], int] = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", ctypes.pythonapi)
    )
    return get(capsule, name)


def _check(status: int, stream: Any) -> None:
    if status != 0:
        message = stream.contents.get_last_error(stream)
        raise ArrowUnreadable(
            "the table's producer failed while handing it over",
            why=message.decode("utf-8", "replace") if message else f"error {status}",
        )
