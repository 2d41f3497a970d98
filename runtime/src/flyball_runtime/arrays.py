"""Named arrays in one npz file, never pickled; equal arrays give equal bytes."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball_runtime.errors import BadInput

__all__ = ["ArraysInvalid", "pack_arrays", "text_from_arrays", "text_to_arrays", "unpack_arrays"]

_LARGEST = 2**31
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_BAD = (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, OSError, NotImplementedError, RuntimeError)


class ArraysInvalid(BadInput):
    """A file of arrays (npz) is damaged, too large, or holds Python objects, which are never loaded."""

    code = "FB-BUNDLE-004"


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The arrays as the bytes of a compressed npz file. Object arrays are refused: see `text_to_arrays`."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(arrays[name]), version=(1, 0), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=_LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, member.getvalue())
    return sink.getvalue()


def unpack_arrays(data: bytes, *, where: str | None = None) -> dict[str, NDArray[Any]]:
    """The arrays of an npz file. Raises ArraysInvalid; an archive that unpacks beyond 2 GiB is refused unread."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _LARGEST:
                raise ArraysInvalid("the file of arrays unpacks beyond 2 GiB", where=where)
            return {entry.filename.removesuffix(".npy"): _read_one(archive, entry) for entry in archive.infolist()}
    except _BAD as error:
        raise ArraysInvalid("the file of arrays cannot be read", where=where, why=str(error)) from error


def _read_one(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(entry) as member:
        content = member.read(_LARGEST)
    array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    return array


def text_to_arrays(values: NDArray[np.object_]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Text (rows,) of str or None as its UTF-8 bytes and each cell's length in bytes, -1 where it is None."""
    encoded = [None if value is None else str(value).encode("utf-8", "surrogatepass") for value in values]
    lengths = np.array([-1 if cell is None else len(cell) for cell in encoded], dtype=np.int64)
    joined = b"".join(cell for cell in encoded if cell is not None)
    return np.frombuffer(joined, dtype=np.uint8), lengths


def text_from_arrays(data: NDArray[np.uint8], lengths: NDArray[np.int64]) -> NDArray[np.object_]:
    """What `text_to_arrays` was given. Raises ArraysInvalid when the two do not fit together."""
    ends = np.cumsum(np.maximum(lengths, 0))
    if np.any(lengths < -1) or (int(ends[-1]) if len(ends) else 0) != len(data):
        raise ArraysInvalid("text in a file of arrays does not fit its lengths")
    joined = data.tobytes()
    result = np.empty(len(lengths), dtype=object)
    try:
        for row, (length, end) in enumerate(zip(lengths.tolist(), ends.tolist(), strict=True)):
            result[row] = None if length < 0 else joined[end - length : end].decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise ArraysInvalid("text in a file of arrays is not UTF-8", why=str(error)) from error
    return result
