"""Reviews whose words tell what was thought, through templates, noise and misspelling."""

from __future__ import annotations

import numpy as np

__all__ = ["reviews", "texts"]

GOOD = ["excellent", "reliable", "quick", "pleasant", "sturdy", "brilliant", "helpful", "quiet"]
BAD = ["broken", "slow", "noisy", "fragile", "useless", "awful", "late", "rude"]
THINGS = ["pump", "valve", "motor", "sensor", "bearing", "gearbox", "display", "cable"]
FILLER = [
    "the",
    "was",
    "and",
    "it",
    "a",
    "very",
    "of",
    "this",
    "we",
    "in",
    "to",
    "that",
    "for",
    "with",
    "on",
    "after",
    "our",
    "when",
    "they",
    "had",
]


def texts(values: list[str | None]) -> np.ndarray:
    """A column of texts, (rows,) of str or None."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def reviews(rows: int, seed: int, *, misspelt: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Texts (rows,) of str, and whether each is a good one: three words tell, of which one in five is of the other kind."""
    rng = np.random.default_rng(seed)
    good = rng.random(rows) < 0.5
    written = []
    for kind in good.tolist():
        telling = [str(rng.choice(GOOD if kind != (rng.random() < 0.2) else BAD)) for _ in range(3)]
        words = [*rng.choice(FILLER, 12).tolist(), *rng.choice(THINGS, 2).tolist(), *telling]
        rng.shuffle(words)
        written.append(" ".join(_misspelt(word, rng, misspelt) for word in words).capitalize() + ".")
    return texts(written), good


def _misspelt(word: str, rng: np.random.Generator, chance: float) -> str:
    if len(word) < 4 or rng.random() >= chance:
        return word
    place = int(rng.integers(0, len(word)))
    return word[:place] + chr(97 + int(rng.integers(26))) + word[place + 1 :]
