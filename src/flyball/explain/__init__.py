"""Why a pipeline says what it says: shares of its columns that add up to the score, for a row and over all rows."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyball.explain.attribution import AttributionsDoNotSum, explain
    from flyball.explain.explanation import Explanation, Reason
    from flyball.explain.summary import ColumnImportance, effects, global_importance

__all__ = [
    "AttributionsDoNotSum",
    "ColumnImportance",
    "Explanation",
    "Reason",
    "effects",
    "explain",
    "global_importance",
]

_HOME = {
    "AttributionsDoNotSum": "attribution",
    "ColumnImportance": "summary",
    "Explanation": "explanation",
    "Reason": "explanation",
    "effects": "summary",
    "explain": "attribution",
    "global_importance": "summary",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
