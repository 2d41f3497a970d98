"""Free text spelled as tokens, one and the same way before training, serving and devices give it to a graph.

ONNX has no operator that folds case or finds words in a way that is equal on all systems, so a column of prose reaches
the graph as its tokens with a space between them; the graph splits these, finds the terms it knows, and weighs them.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from flyball_runtime.schema import Field

__all__ = [
    "MISSING_TEXT",
    "MOST_PIECES",
    "MOST_WORDS",
    "PIECES",
    "PIECE_MARK",
    "WORDS",
    "is_prose",
    "pieces_of",
    "spelled",
    "spelling",
    "words_of",
]

MISSING_TEXT = "\ue000"  # ONNX text has no null; this private character stands for it, by the bundle's definition
WORDS = "words"  # a text column's `logical`: its words reach the graph
PIECES = "words and pieces"  # and parts of these words after them
PIECE_MARK = "~"  # stands before each piece, so that none is taken for a word
MOST_CHARACTERS = 20_000  # of a text; the rest is not read
MOST_WORDS = 400  # of a text
MOST_PIECES = 1_200  # of a text
_LONGEST_WORD = 32
_PIECE_SIZES = (3, 4)
# Signs that mean something alone: of scripts that are written without spaces, and pictographs.
_ALONE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\u2600-\u27bf\U0001f300-\U0001faff\U00020000-\U0003ffff"
)
_TOKEN = re.compile(rf"[{_ALONE}]|[^\W_{_ALONE}]+")


def is_prose(field: Field) -> bool:
    """Whether a column reaches the graph as tokens rather than as it is."""
    return field.logical in (WORDS, PIECES)


def words_of(text: str) -> list[str]:
    """The words of a text in their order, folded (NFKC, then case), at most 400 of its first 20,000 characters.

    A word is a run of letters and digits, of which the first 32 count; a sign of a script without spaces, and a
    pictograph, is a word by itself.

    >>> words_of("Don't PANIC: 東京 costs €5")
    ['don', 't', 'panic', '東', '京', 'costs', '5']
    """
    text = text[:MOST_CHARACTERS]
    folded = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    words = _TOKEN.findall(folded)[:MOST_WORDS]
    return [word if len(word) <= _LONGEST_WORD else word[:_LONGEST_WORD] for word in words]


@lru_cache(maxsize=65_536)
def pieces_of(word: str) -> tuple[str, ...]:
    """Runs of three and four characters within a word and its edges, in order, each once.

    >>> pieces_of("cats")
    ('~<ca', '~cat', '~ats', '~ts>', '~<cat', '~cats', '~ats>')
    """
    edged = f"<{word}>"
    found = (edged[start : start + size] for size in _PIECE_SIZES for start in range(len(edged) - size + 1))
    return tuple(dict.fromkeys(PIECE_MARK + piece for piece in found))


def spelling(text: str | None, *, pieces: bool) -> list[str]:
    """The tokens of a text: its words, then with `pieces` those of its different words, at most 1,200 of them.

    None, and a text without a word, are one token that stands for what is missing.
    """
    words = words_of(text) if text else []
    if not words:
        return [MISSING_TEXT]
    if not pieces:
        return words
    parts = [piece for word in dict.fromkeys(words) for piece in pieces_of(word)]
    return [*words, PIECE_MARK, *parts[:MOST_PIECES]]


def spelled(text: str | None, field: Field) -> str:
    """A cell of a column of prose in the form that the graph reads."""
    return " ".join(spelling(text, pieces=field.logical == PIECES))
