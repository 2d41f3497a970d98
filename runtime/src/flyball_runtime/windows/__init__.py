"""Window features: one declared specification, one kernel with carried state, the same bits in any cut of the stream."""

from __future__ import annotations

from flyball_runtime.windows.history import TooManyEntities, WindowStateInvalid
from flyball_runtime.windows.kernel import Standing, WindowKernel, entity_names, window_features
from flyball_runtime.windows.layout import LATE, NEW, REPEATED, UNPLACED
from flyball_runtime.windows.specification import (
    AGGREGATES,
    Condition,
    WindowFeature,
    WindowsInvalid,
    WindowSpec,
)

__all__ = [
    "AGGREGATES",
    "LATE",
    "NEW",
    "REPEATED",
    "UNPLACED",
    "Condition",
    "Standing",
    "TooManyEntities",
    "WindowFeature",
    "WindowKernel",
    "WindowSpec",
    "WindowStateInvalid",
    "WindowsInvalid",
    "entity_names",
    "window_features",
]
