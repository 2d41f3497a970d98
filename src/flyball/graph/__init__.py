"""The one ONNX graph of a model: built step by step, checked whole, equal bytes for equal input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyball.graph.builder import GraphBuilder, GraphInvalid

__all__ = ["GraphBuilder", "GraphInvalid"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from flyball.graph import builder

    return getattr(builder, name)
