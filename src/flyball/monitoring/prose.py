"""Prose in cells: each text by the first of some two dozen words that it holds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball_runtime.words import words_of

__all__ = ["by_words"]

_MOST_WORDS = 24
_FEWEST_ROWS = 10  # of both samples together that hold a word
_SHARE = 0.08  # of the texts: words about so common split them best
_MOST_SHARE = 0.5


def by_words(values: Sequence[Any]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """A cell for each text, (rows,), and the word that each cell stands for, rarest first; one cell more for the others.

    values: str or None, of both samples in one: what is chosen does not depend on which of them a text is from. A text
    without a word has the cell -1.
    """
    held = [frozenset(words_of(value)) if value is not None else frozenset() for value in values]
    counts = Counter(word for words in held for word in words)
    texts = sum(bool(words) for words in held)
    fit = [word for word, count in counts.items() if _FEWEST_ROWS <= count <= _MOST_SHARE * texts]
    fit.sort(key=lambda word: (abs(math.log(counts[word] / (_SHARE * texts))), word))
    chosen = sorted(fit[:_MOST_WORDS], key=lambda word: (counts[word], word))
    cells = [next((place for place, word in enumerate(chosen) if word in words), len(chosen)) if words else -1
             for words in held]  # fmt: skip
    return np.array(cells, dtype=np.int64), tuple(chosen)
