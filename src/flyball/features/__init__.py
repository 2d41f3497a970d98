"""From raw columns to a float32 matrix, in numpy and in the graph, bit for bit alike."""

from __future__ import annotations

from flyball.features.frame import DroppedColumn, Frame, FrameGraph, fit_frame
from flyball.features.proposals import order_within, proposed_windows
from flyball.features.target_encoding import TargetEncoding, cross_fitted, fit_encoding
from flyball.features.windows import in_order, stretches, with_windows
from flyball.features.words import WordsEncoder, fit_words

__all__ = [
    "DroppedColumn",
    "Frame",
    "FrameGraph",
    "TargetEncoding",
    "WordsEncoder",
    "cross_fitted",
    "fit_encoding",
    "fit_frame",
    "fit_words",
    "in_order",
    "order_within",
    "proposed_windows",
    "stretches",
    "with_windows",
]
