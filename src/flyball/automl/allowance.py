"""How large a model may be and how long a row may take: what its trees and networks may cost together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flyball.features import Frame
from flyball.features.texts import TextEncoder

__all__ = ["DEFAULT_CAPS", "Allowance", "Caps", "Cost", "tree_us"]

_BYTES_PER_LEAF = 27.0  # in the graph, with the node above it
_BYTES_PER_WEIGHT = 4.0
_NET_US = 3.0  # of a row, in operators that do little
_SHARE_OF_SIZE = 0.9  # the rest is for everything that is no tree
_ROW_US, _TEXT_US = 45.0, 7.0  # a row without trees: in all, and for each text column
_LEAST_TREES_US = 20.0
_LEAVES_PER_SECOND = 6_000  # of budget: what export and parity check can digest in their share of it
_LEAST_LEAVES = 2_000


@dataclass(frozen=True, slots=True)
class Caps:
    """What a user allows: the artefact in megabytes, the median single row in milliseconds."""

    size_mb: float = 10.0
    row_ms: float = 0.2


DEFAULT_CAPS = Caps()


@dataclass(frozen=True, slots=True)
class Cost:
    """What a model takes: leaves, or as many bytes, in the artefact, and microseconds of a single row."""

    leaves: int = 0
    row_us: float = 0.0

    @classmethod
    def of_trees(cls, trees: int, leaves: int) -> Cost:
        """So many trees of at most so many leaves each."""
        return cls(trees * leaves, trees * tree_us(leaves))

    @classmethod
    def of_weights(cls, single: int, double: int) -> Cost:
        """So many weights of a network, of which some are added up in float32 and the others in float64."""
        size = (single + double) * _BYTES_PER_WEIGHT / _BYTES_PER_LEAF
        return cls(int(size), _NET_US + 1e-4 * single + 4e-4 * double)

    @classmethod
    def sum(cls, costs: Iterable[Cost]) -> Cost:
        listed = list(costs)
        return cls(sum(cost.leaves for cost in listed), sum(cost.row_us for cost in listed))

    def times(self, factor: int) -> Cost:
        return Cost(self.leaves * factor, self.row_us * factor)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What all trees of a pipeline may cost together."""

    leaves: int
    row_us: float

    @classmethod
    def under(cls, caps: Caps, frame: Frame, budget_seconds: float) -> Allowance:
        """What the caps leave to trees once the columns are encoded, and what a budget can export and check."""
        texts = sum(isinstance(encoder, TextEncoder) for encoder in frame.encoders)
        most = int(min(caps.size_mb * _SHARE_OF_SIZE * 1e6 / _BYTES_PER_LEAF, _LEAVES_PER_SECOND * budget_seconds))
        row = caps.row_ms * 1e3 - _ROW_US - texts * _TEXT_US
        return cls(max(_LEAST_LEAVES, most), max(_LEAST_TREES_US, row))

    def holds(self, cost: Cost) -> bool:
        return cost.leaves <= self.leaves and cost.row_us <= self.row_us

    def trees(self, leaves: int, share: float = 1.0) -> int:
        """How many trees of so many leaves stand within a share of it."""
        return max(1, int(share * min(self.leaves / leaves, self.row_us / tree_us(leaves))))


def tree_us(leaves: int) -> float:
    """Microseconds that one row takes in one tree of so many leaves, in the runtime's operator.

    Measured: 0.025 with 16 leaves, 0.036 with 31, 0.07 with 96 and 0.12 with 255, as larger trees leave the caches.
    """
    return float(0.0054 * max(2, leaves) ** 0.55)
