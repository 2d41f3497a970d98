"""Features out of related tables: looked up along keys and aggregated as of each row's time, never from its future."""

from __future__ import annotations

from flyball.features.relational.ahead import LooksAhead, refuse_ahead
from flyball.features.relational.declare import declare
from flyball.features.relational.discover import RelationInvalid, relate
from flyball.features.relational.evaluate import compute
from flyball.features.relational.spec import FUNCTIONS, Hop, RelatedFeature, RelatedTable, Relations
from flyball.features.relational.synthesis import Synthesis, enumerate_features, synthesise

__all__ = [
    "FUNCTIONS",
    "Hop",
    "LooksAhead",
    "RelatedFeature",
    "RelatedTable",
    "RelationInvalid",
    "Relations",
    "Synthesis",
    "compute",
    "declare",
    "enumerate_features",
    "refuse_ahead",
    "relate",
    "synthesise",
]
