"""Golden rows: raw inputs with the scores expected for them, which a bundle carries to test itself wherever it runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball_runtime.arrays import ArraysInvalid, pack_arrays, text_from_arrays, text_to_arrays, unpack_arrays
from flyball_runtime.schema import Schema

__all__ = ["GOLDEN_NAME", "difference", "pack", "unpack"]

GOLDEN_NAME = "golden.npz"
Columns = Mapping[str, NDArray[Any]]


def pack(columns: Columns, outputs: Columns, schema: Schema) -> bytes:
    """The rows (normalised columns of `schema`) and the outputs expected for them, as the bytes of golden.npz.

    Only the columns named in `schema` are kept; outputs are numeric, boolean or text arrays with one entry a row.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for position, name in enumerate(schema.names):
        _put(arrays, f"input.{position}", columns[name])
    for position, name in enumerate(sorted(outputs)):
        _put(arrays, f"output.{position}", outputs[name])
    header = {"format": 1, "inputs": schema.to_list(), "outputs": sorted(outputs)}
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    arrays["header"] = np.frombuffer(text, dtype=np.uint8)
    return pack_arrays(arrays)


def unpack(data: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]], Schema]:
    """Columns, expected outputs and schema of a golden.npz. Raises ArraysInvalid."""
    arrays = unpack_arrays(data, where=GOLDEN_NAME)
    try:
        header = json.loads(arrays["header"].tobytes())
        schema = Schema.from_list(header["inputs"])
        columns = {name: _get(arrays, f"input.{position}") for position, name in enumerate(schema.names)}
        outputs = {name: _get(arrays, f"output.{position}") for position, name in enumerate(header["outputs"])}
    except (KeyError, ValueError, TypeError) as error:
        raise ArraysInvalid("the golden rows are incomplete", where=GOLDEN_NAME, why=repr(error)) from error
    return columns, outputs, schema


def difference(expected: Columns, actual: Columns, *, thresholds: NDArray[np.float64] | None = None) -> float:
    """The largest difference between two sets of outputs, relative to max(1, |expected|), over every row.

    Labels that differ count as infinite, unless the two highest expected probabilities lie within 2e-5 of each other;
    so do classes in or out of a set, unless their probability lies as close to their threshold: thresholds (classes,).
    An output that is absent, or of another shape, or finite on one side only, counts as infinite.
    """
    largest = 0.0
    for name, wanted in expected.items():
        got = actual.get(name)
        if got is None or got.shape != wanted.shape:
            return float("inf")
        if name == "prediction" and "probability" in expected:
            unequal = np.asarray(wanted != got, dtype=np.bool_) & ~_tied(expected["probability"])
            largest = max(largest, float("inf") if unequal.any() else 0.0)
        elif name == "in_set":
            unequal = np.asarray(wanted != got, dtype=np.bool_)
            if thresholds is not None and "probability" in expected:
                unequal &= ~(np.abs(expected["probability"] - thresholds) <= 2e-5)
            largest = max(largest, float("inf") if unequal.any() else 0.0)
        else:
            largest = max(largest, _numeric_difference(wanted.astype(np.float64), got.astype(np.float64)))
    return largest


def _numeric_difference(wanted: NDArray[np.float64], got: NDArray[np.float64]) -> float:
    same = (wanted == got) | (np.isnan(wanted) & np.isnan(got))
    if same.all():
        return 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.abs(wanted[~same] - got[~same]) / np.maximum(1.0, np.abs(wanted[~same]))
    return float(np.where(np.isnan(gap), np.inf, gap).max())


def _tied(probability: NDArray[np.float64]) -> NDArray[np.bool_]:
    ordered = np.sort(probability, axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2] <= 2e-5, dtype=np.bool_)


def _put(arrays: dict[str, NDArray[Any]], key: str, values: NDArray[Any]) -> None:
    if values.dtype.kind == "U":
        values = values.astype(object)
    if values.dtype.kind == "O":
        arrays[f"{key}.bytes"], arrays[f"{key}.lengths"] = text_to_arrays(values)
    else:
        arrays[key] = values


def _get(arrays: Mapping[str, NDArray[Any]], key: str) -> NDArray[Any]:
    if key in arrays:
        return arrays[key]
    return text_from_arrays(arrays[f"{key}.bytes"], arrays[f"{key}.lengths"])
