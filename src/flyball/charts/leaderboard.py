"""Candidates side by side: dots on one scale, the ensemble's members marked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from flyball.charts.frame import WIDTH, clip, line, rect, scale, svg, text, ticks
from flyball.charts.numbers import number

__all__ = ["Entry", "leaderboard"]

_ROW = 24.0
_BEGIN, _END = 134.0, WIDTH - 56


@dataclass(frozen=True, slots=True)
class Entry:
    """A candidate: name, score, and whether it is part of the model."""

    name: str
    score: float
    chosen: bool = False


def leaderboard(entries: Sequence[Entry], *, title: str, metric: str = "", style: bool = True) -> str:
    """Dots in the order given, on a scale that spans the scores. Filled: part of the model."""
    known = [entry for entry in entries if math.isfinite(entry.score)]
    scores = [entry.score for entry in known]
    room = (max(scores, default=1.0) - min(scores, default=0.0)) * 0.06 or 0.01
    limits = (min(scores, default=0.0) - room, max(scores, default=1.0) + room)
    across = scale(limits, (_BEGIN, _END))
    bottom = max(1, len(known)) * _ROW
    body = [line(across(mark), 4, across(mark), bottom, "g") for mark in ticks(*limits, 3)]
    body += [text(across(mark), bottom + 14, number(mark, 4), "s", anchor="middle") for mark in ticks(*limits, 3)]
    for place, entry in enumerate(known):
        middle = place * _ROW + 13
        body.append(line(_BEGIN, middle, across(entry.score), middle, "z" if entry.chosen else "g"))
        body.append(text(1, middle + 4, clip(entry.name, _BEGIN - 22), "b" if entry.chosen else "s", full=entry.name))
        body.append(text(WIDTH - 1, middle + 4, number(entry.score, 4), "b" if entry.chosen else "s", anchor="end"))
        tip = f"{entry.name}: {number(entry.score, 4)} {metric}".strip()
        kind = "m" if entry.chosen else "o"
        body.append(rect(across(entry.score) - 4, middle - 4, 8, 8, kind, tip=tip, round_=4))
    said = f"{len(known)} candidates; filled dots are part of the model"
    return svg(bottom + 22, "".join(body), title=title, description=said, style=style)
