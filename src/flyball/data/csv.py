"""Tables as CSV text, each value in the form that reading it again gives back."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.data.table import Table
from flyball_runtime.schema import Field, missing_mask

__all__ = ["to_csv_bytes"]


def to_csv_bytes(table: Table) -> bytes:
    """RFC 4180 with a header, in UTF-8: integers without a point, times in ISO 8601, missing cells empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(table.names)
    writer.writerows(zip(*(_cells(table[field.name], field) for field in table.schema), strict=True))
    return buffer.getvalue().encode()


def _cells(values: NDArray[Any], field: Field) -> list[Any]:
    missing = missing_mask(values, field.kind)
    if field.kind == "text":
        return ["" if value is None else value for value in values]
    if field.kind == "time":
        moments = np.where(missing, 0, values).astype("datetime64[us]")
        texts = np.datetime_as_string(moments, unit="D" if field.logical == "date" else "us").tolist()
        return ["" if gone else text for text, gone in zip(texts, missing.tolist(), strict=True)]
    known = values[~missing]
    if field.logical == "boolean":
        names = {1.0: "true", 0.0: "false"}
        return [
            "" if gone else names.get(value, value)
            for value, gone in zip(values.tolist(), missing.tolist(), strict=True)
        ]
    whole = field.logical == "integer" and bool(np.isfinite(known).all() and (np.abs(known) < 2**53).all())
    shown = np.where(missing, 0, values).astype(np.int64).tolist() if whole else values.tolist()
    return ["" if gone else value for value, gone in zip(shown, missing.tolist(), strict=True)]
