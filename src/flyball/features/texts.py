"""Text columns: levels to whole numbers by how often they occur."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flyball_runtime.words import MISSING_TEXT

if TYPE_CHECKING:
    from flyball.graph import GraphBuilder

__all__ = ["MISSING_TEXT", "TextEncoder", "emit_texts", "fit_text"]

MOST_LEVELS = 1000
_MISSING = -1


@dataclass(frozen=True, slots=True)
class TextEncoder:
    """Rank of a level by frequency (0 = most frequent); rare and never seen levels share the next number; missing is -1.

    An empty text is missing too, unless training had it as a level: readers of files cannot tell the two apart. So is
    each of the `missing` texts, however it is capitalised.
    """

    column: str
    levels: tuple[str, ...]
    missing: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def rare(self) -> int:
        """The code of every level that is not in `levels`."""
        return len(self.levels)

    @property
    def slots(self) -> int:
        """How many codes there are, the missing and the rare one included."""
        return len(self.levels) + 2

    @property
    def absent(self) -> tuple[str, ...]:
        """Every text that counts as missing."""
        cases = [form for word in self.missing for form in (word, word.lower(), word.upper(), word.capitalize())]
        return tuple(dict.fromkeys(word for word in (MISSING_TEXT, "", *cases) if word not in self.levels))

    def codes(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """(rows,) str or None -> (rows,) int64."""
        known: dict[str | None, int] = {level: code for code, level in enumerate(self.levels)}
        known |= dict.fromkeys((None, *self.absent), _MISSING)
        rare = self.rare
        return np.fromiter((known.get(value, rare) for value in values), dtype=np.int64, count=len(values))

    def apply(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """(rows,) str or None -> (rows, 1) float32."""
        return self.codes(values).astype(np.float32)[:, None]

    def label(self, code: int) -> str | None:
        """The level behind a code; None for missing, "(other)" for rare and unseen ones."""
        if code == _MISSING:
            return None
        return self.levels[code] if code < self.rare else "(other)"

    def to_dict(self) -> dict[str, Any]:
        described = {"kind": "text", "column": self.column, "levels": list(self.levels)}
        return {**described, "missing": list(self.missing)} if self.missing else described


def fit_text(
    column: str, values: NDArray[Any], missing: tuple[str, ...] = (), *, most: int = MOST_LEVELS
) -> TextEncoder:
    """Keep the levels that occur at least twice, at most `most` of them; ties stand in alphabetical order.

    `values` hold none of the `missing` ones. A level seen once says nothing that would hold for the next row, and gives
    the rare code rows to learn from.
    """
    counts = Counter(value for value in values if value is not None and value != MISSING_TEXT)
    repeated = [(level, count) for level, count in counts.items() if count > 1 and _encodable(level)]
    repeated.sort(key=lambda item: (-item[1], item[0]))
    return TextEncoder(
        column, tuple(level for level, _ in repeated[:most]), tuple(word for word in missing if _encodable(word))
    )


def _encodable(level: str) -> bool:
    """Whether the graph, whose strings are UTF-8, can hold the level; half a surrogate pair cannot be written."""
    try:
        level.encode()
    except UnicodeEncodeError:
        return False
    return True


def emit_texts(
    builder: GraphBuilder, texts: str, encoders: Sequence[TextEncoder], places: Sequence[int] | None
) -> list[str]:
    """The graph's twin of `codes`: string [N, c] -> one int64 [N, 1] per encoder; places: its column, None for a lone one."""
    codes = []
    for number, encoder in enumerate(encoders):
        column = texts
        if places is not None:
            position = places[number]
            column = builder.node("Gather", texts, builder.constant(np.array([position]), "column"), axis=1)
        codes.append(
            builder.node(
                "LabelEncoder",
                column,
                domain="ai.onnx.ml",
                keys_strings=[*encoder.levels, *encoder.absent],
                values_int64s=[*range(encoder.rare), *[_MISSING] * len(encoder.absent)],
                default_int64=encoder.rare,
            )
        )
    return codes
