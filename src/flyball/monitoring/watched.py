"""What a version leaves behind to be watched by: which rows it learned from, and its scores of unseen rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball_runtime.arrays import ArraysInvalid, pack_arrays, unpack_arrays

__all__ = ["WATCHED_NAME", "Watched", "score_columns"]

WATCHED_NAME = "watched"
_MOST_CLASSES = 20


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """rows: (train rows,) numbers in the dataset version, in their order in time or by group where `ordered`.

    scores: what the model answers for its test rows, by the name of the score: (test rows,) each, in order too.
    """

    rows: NDArray[np.int64]
    ordered: bool
    scores: Mapping[str, NDArray[np.float64]]

    def to_bytes(self) -> bytes:
        """As an npz file; equal contents give equal bytes."""
        header = {"format": 1, "ordered": self.ordered, "scores": list(self.scores)}
        arrays: dict[str, NDArray[Any]] = {
            "header": np.frombuffer(json.dumps(header, separators=(",", ":")).encode(), dtype=np.uint8),
            "rows": self.rows.astype(np.int64),
        }
        arrays |= {f"score.{place}": values for place, values in enumerate(self.scores.values())}
        return pack_arrays(arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> Watched:
        """Raises ArraysInvalid on damage."""
        arrays = unpack_arrays(data, where=WATCHED_NAME)
        try:
            header = json.loads(arrays["header"].tobytes())
            scores = {name: arrays[f"score.{place}"] for place, name in enumerate(header["scores"])}
            return cls(arrays["rows"], bool(header["ordered"]), scores)
        except (KeyError, ValueError, TypeError) as error:
            raise ArraysInvalid("what is needed to watch is incomplete", where=WATCHED_NAME, why=repr(error)) from error


def score_columns(
    outputs: Mapping[str, Any], labels: Sequence[str] | None, positive: str | None
) -> dict[str, NDArray[np.float64]]:
    """The numbers in which a model's answers are watched: name -> (rows,).

    A regression's prediction; of two classes the positive one's probability; of more, each one's (the first 20).

    >>> score_columns({"probability": [[0.9, 0.1], [0.4, 0.6]]}, ["no", "yes"], "yes")
    {'P(yes)': array([0.1, 0.6])}
    """
    if labels is None:
        return {"prediction": np.asarray(outputs["prediction"], dtype=np.float64)}
    probability = np.asarray(outputs["probability"], dtype=np.float64).reshape(-1, len(labels))
    if len(labels) == 2:
        chosen = [labels.index(positive) if positive in labels else 1]
    else:
        chosen = list(range(min(len(labels), _MOST_CLASSES)))
    return {f"P({labels[place]})": probability[:, place] for place in chosen}
