"""Number columns: float64 to float32 without losing what distinguishes the values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from flyball.graph import GraphBuilder

__all__ = ["LARGEST", "NumberEncoder", "emit_numbers", "fit_number"]

LARGEST = float(np.finfo(np.float32).max)
_EXACT_INTEGER = 2.0**24  # float32 holds every integer up to here
_OFFSET_RATIO = 64.0  # beyond this many spreads from zero, fewer than 18 of float32's 24 bits would tell values apart


@dataclass(frozen=True, slots=True)
class NumberEncoder:
    """float32((value - offset) * scale), infinities and what exceeds float32 clipped to its largest; NaN stays NaN."""

    column: str
    offset: float = 0.0
    scale: float = 1.0

    def apply(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """(rows,) float64 -> (rows, 1) float32."""
        with np.errstate(over="ignore", invalid="ignore"):
            moved = (values - self.offset) * self.scale
            return np.asarray(np.clip(moved, -LARGEST, LARGEST).astype(np.float32)[:, None])

    @property
    def names(self) -> tuple[str, ...]:
        return (self.column,)

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "number", "column": self.column, "offset": self.offset, "scale": self.scale}


def fit_number(column: str, values: NDArray[np.float64]) -> NumberEncoder:
    """Choose offset and scale from the finite values; nearly always 0 and 1."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return NumberEncoder(column)
    largest = float(np.abs(finite).max())
    if largest <= _EXACT_INTEGER and bool(np.all(finite == np.rint(finite))):
        return NumberEncoder(column)
    low, median, high = (float(value) for value in np.quantile(finite, [0.05, 0.5, 0.95]))
    with np.errstate(over="ignore"):
        spread = (high - low) or float(finite.max() - finite.min())
    offset = _near(median, spread) if abs(median) > _OFFSET_RATIO * spread > 0 else 0.0
    typical = spread if spread > 0 else largest
    scale = 1.0
    if 0 < typical < 1e-30 or typical > 1e30:
        scale = float(2.0 ** np.clip(-np.frexp(typical)[1], -1000, 1000))
    return NumberEncoder(column, offset, scale)


def _near(median: float, spread: float) -> float:
    """A round number near the median: the offset stands in the graph, and should be no value of the column."""
    step = float(2.0 ** np.floor(np.log2(spread)))
    return float(np.rint(median / step) * step)


def emit_numbers(builder: GraphBuilder, numbers: str, encoders: list[NumberEncoder]) -> str:
    """The graph's twin of `apply`, for all number columns at once: float64 [N, k] -> float32 [N, k]."""
    offsets = np.array([[encoder.offset for encoder in encoders]])
    scales = np.array([[encoder.scale for encoder in encoders]])
    value = numbers
    if np.any(offsets != 0):
        value = builder.node("Sub", value, builder.constant(offsets, "offset"))
    if np.any(scales != 1):
        value = builder.node("Mul", value, builder.constant(scales, "scale"))
    unknown = builder.node("IsNaN", value)
    low, high = (builder.constant(np.array(limit), "limit") for limit in (-LARGEST, LARGEST))
    clipped = builder.node("Max", builder.node("Min", value, high), low)
    return builder.cast(builder.node("Where", unknown, value, clipped), np.float32)
