"""Rows in an order that only their content decides, and weights that count rows turned into rows."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.data import Table

__all__ = ["as_rows", "row_digests"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_MOST_REPEATS = 4.0  # rows per row that whole weights may come to, to be written out
Digests = NDArray[np.uint64]


def row_digests(table: Table, target: NDArray[Any], *others: NDArray[Any] | None) -> Digests:
    """64 bits of each row's content, (rows,): equal for equal rows, whatever stands around them.

    Steele, Lea & Flood (2014), "Fast splittable pseudorandom number generators", for the mixing.
    """
    mixed = np.zeros(len(target), dtype=np.uint64)
    columns = [table[name] for name in table.names]
    for values in (*columns, np.asarray(target), *(other for other in others if other is not None)):
        mixed = _mixed(mixed * _GOLDEN + _GOLDEN + _bits(values))
    return mixed


def as_rows(weight: NDArray[np.float64] | None, rows: int) -> NDArray[np.intp] | None:
    """Positions that say the same as weights which are whole numbers: a row of weight 3 three times; None for others.

    Equal weights say nothing, whatever they are.
    """
    if weight is None or (weight == weight[0]).all():
        return np.arange(rows)
    if (weight != np.rint(weight)).any() or weight.sum() > _MOST_REPEATS * rows:
        return None
    return np.repeat(np.arange(rows), weight.astype(np.intp))


def _bits(values: NDArray[Any]) -> Digests:
    if values.dtype.kind == "f":
        plain = np.where(np.isnan(values), np.nan, values + 0.0)  # one NaN, one zero
        return np.ascontiguousarray(plain, dtype=np.float64).view(np.uint64)
    if values.dtype.kind in "iub":
        return values.astype(np.int64).view(np.uint64)
    known: dict[Any, int] = {}
    return np.fromiter((known.setdefault(value, _hashed(value)) for value in values.tolist()), np.uint64, len(values))


def _hashed(value: object) -> int:
    return int.from_bytes(
        hashlib.blake2b(repr(value).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little"
    )


def _mixed(value: Digests) -> Digests:
    for shift, factor in zip((30, 27), _MIX, strict=True):
        value = (value ^ (value >> np.uint64(shift))) * factor
    return value ^ (value >> np.uint64(31))
