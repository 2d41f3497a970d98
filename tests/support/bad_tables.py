"""Tables as people bring them: each a file's content, for the tests of what is refused and what is handled and said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from support.command_line import Ended, flyball, tree

__all__ = ["NUMBERS", "lines", "made_from", "refused", "row"]

NUMBERS = np.random.default_rng(0).normal(size=50_000).round(3)


def row(place: int) -> str:
    """A number, a category, and a target that depends on the number."""
    noisy = NUMBERS[place] + 0.5 * NUMBERS[-1 - place]
    return f"{NUMBERS[place]},{'uvw'[place % 3]},{int(noisy > 0)}"


def lines(
    make: Callable[[int], str] = row, rows: int = 60, *, header: str = "a,b,y", end: str = "\n",
    instead: Mapping[int, str] | None = None,
) -> bytes:  # fmt: skip
    """A CSV file; `instead` gives other lines at some rows (row r stands on line r + 2)."""
    instead = instead or {}
    return end.join([header, *(instead.get(place) or make(place) for place in range(rows)), ""]).encode()


def made_from(content: bytes, folder: Path, *, name: str = "t.csv", target: str = "y") -> dict[str, Any]:
    """What `flyball init` answers about a file that it takes."""
    (folder / name).write_bytes(content)
    return flyball("init", "plant", "--from", folder / name, "--target", target, folder=folder / "p").answer()


def refused(content: bytes | None, folder: Path, *, name: str = "t.csv", target: str = "y") -> dict[str, Any]:
    """The coded error that `flyball init` ends with, after seeing that the folder is exactly as before."""
    if content is not None:
        (folder / name).write_bytes(content)
    before = tree(folder)
    ended: Ended = flyball("init", "plant", "--from", folder / name, "--target", target, folder=folder / "p")
    error = ended.error(2)
    assert tree(folder) == before
    assert not error["code"].startswith("FB-CORE"), error
    assert error["where"] or error["why"] or error["facts"], error
    return error
