"""Values that stand for "not known": words in texts, and numbers or dates that lie where nothing was measured."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.data.look.report import Finding
from flyball_runtime.schema import Field

__all__ = ["disguised_missing", "disguised_target"]

_SYMBOLS = (
    "",
    "?",
    "-",
    "--",
    "---",
    ".",
    "na",
    "n/a",
    "n.a.",
    "#n/a",
    "nan",
    "nil",
    "null",
    "(null)",
    "(blank)",
    "nat",
)
_STATES = ("unk", "unknown", "missing", "unspecified", "undefined", "unavailable", "no data", "not available")
_NEGATIONS = ("not known", "not specified", "not applicable", "not provided", "not recorded", "not stated", "not given")
_MISSING_WORDS = frozenset((*_SYMBOLS, *_STATES, *_NEGATIONS))
# "none" is no such word: it says that there is none
_CODES = frozenset({
    -1.0, -7.0, -8.0, -9.0, -88.0, -98.0, -99.0, -100.0, -200.0, -888.0, -998.0, -999.0, -1000.0, -8888.0, -9998.0,
    -9999.0, -99999.0, -999999.0, 99.0, 888.0, 998.0, 999.0, 8888.0, 9998.0, 9999.0, 99999.0, 999999.0, 9999999.0, 0.0,
})  # fmt: skip
_DAY = 86_400_000_000
_DATE_CODES = frozenset(
    int(np.datetime64(day, "us").astype(np.int64))
    for day in ("0001-01-01", "1899-12-30", "1899-12-31", "1900-01-01", "1901-01-01", "1970-01-01", "2099-12-31",
                "2999-12-31", "9999-01-01", "9999-12-31")
)  # fmt: skip
_FEWEST = 3
_MOST_CODES = 4
_MANY_LEVELS = 10
_SPIKE = 3  # how much more often than its neighbours a code stands in a column that goes on beside it


def disguised_missing(field: Field, present: NDArray[Any]) -> list[Finding]:
    """The values of a column (present,), none missing, that mean missing. At most one finding; its `values` hold them."""
    if field.kind == "text":
        return _words(field.name, present, _MISSING_WORDS)
    if field.logical == "boolean" or len(present) < 20:
        return []
    found = _codes(present.astype(np.float64), field.kind)
    if not found:
        return []
    shown = [_shown(value, field.kind) for value, _ in found]
    listed = ", ".join(f"{text} {count:,} times" for text, (_, count) in zip(shown, found, strict=True))
    verb = "is" if len(shown) == 1 else "are"
    what = f"{' and '.join(shown)} {verb} taken as missing, being far from all other values"
    evidence: dict[str, float | str] = {"rows": float(sum(count for _, count in found)), "value": shown[0]}
    values = tuple(int(value) if field.kind == "time" else value for value, _ in found)
    return [Finding("disguised missing", field.name, what, listed, "as missing", evidence, values)]


def disguised_target(field: Field, present: NDArray[Any]) -> list[Finding]:
    """The same for a target, more carefully: "unknown" may well be a class, "n/a" and "?" are none."""
    if field.kind == "text":
        found = _words(field.name, present, frozenset(_SYMBOLS))
        return found if found and len(set(present.tolist())) - len(found[0].values) >= 2 else []
    return disguised_missing(field, present)


def _words(name: str, present: NDArray[Any], words: frozenset[str]) -> list[Finding]:
    counts = Counter(present.tolist())
    found = {text: count for text, count in counts.items() if text.strip().lower() in words}
    if not found or len(counts) == len(found):
        return []
    listed = ", ".join(f'"{text}" {count:,} times' for text, count in sorted(found.items()))
    what = "has words for missing values, which are taken as missing"
    evidence: dict[str, float | str] = {"rows": float(sum(found.values()))}
    return [Finding("disguised missing", name, what, listed, "as missing", evidence, tuple(sorted(found)))]


def _codes(present: NDArray[np.float64], kind: str) -> list[tuple[float, int]]:
    """Codes at either end of a column, outermost first, each with its count."""
    levels, counts = np.unique(present[np.isfinite(present)], return_counts=True)
    found: list[tuple[float, int]] = []
    for place in (0, -1):
        for _ in range(_MOST_CODES):
            if len(levels) < 4 or not _is_code(levels, counts, place, kind):
                break
            found.append((float(levels[place]), int(counts[place])))
            levels, counts = (levels[1:], counts[1:]) if place == 0 else (levels[:-1], counts[:-1])
    return found


def _is_code(levels: NDArray[np.float64], counts: NDArray[np.intp], place: int, kind: str) -> bool:
    """Whether the lowest (place 0) or highest (-1) value means missing.

    Either it lies more than two spreads (1 % to 99 %) away from everything else; or it is a customary code at which many
    more rows pile up than beside it, and the column stops short of it, or would be free of negatives without it.
    """
    value, count = float(levels[place]), int(counts[place])
    rest, others = (levels[1:], counts[1:]) if place == 0 else (levels[:-1], counts[:-1])
    total = int(others.sum())
    customary = value in (_DATE_CODES if kind == "time" else _CODES)
    far_out = len(levels) >= _MANY_LEVELS and count >= max(5, 0.002 * total)
    if count < max(_FEWEST, 1e-4 * total) or not (customary or far_out):
        return False
    low, high = _quantiles(rest, others, (0.01, 0.99))
    spread = max(high - low, 1e-12)
    gap = float(rest[0] - value if place == 0 else value - rest[-1])
    few = len(levels) < _MANY_LEVELS
    if not customary:
        return gap > 20 * spread  # any value, when it lies that far out and repeats
    if few:
        return abs(value) >= 8 and gap > 2 * spread
    if gap > 2 * spread:
        return True
    beside = int((others[:5] if place == 0 else others[-5:]).max())
    if count < _SPIKE * beside:
        return False
    if value == 0:
        return low - value >= 0.5 * spread and gap >= 0.15 * spread and count <= 0.3 * total
    if value < 0 and kind == "number" and rest[0] >= 0:
        return True
    return abs(value) > 1 and gap >= (0.02 if count >= 10 * beside else 0.1) * spread


def _quantiles(
    levels: NDArray[np.float64], counts: NDArray[np.intp], shares: tuple[float, float]
) -> tuple[float, float]:
    below = np.cumsum(counts) / counts.sum()
    low, high = (float(levels[min(int(np.searchsorted(below, share)), len(levels) - 1)]) for share in shares)
    return low, high


def _shown(value: float, kind: str) -> str:
    if kind != "time":
        return f"{value:g}"
    return str(np.datetime64(int(value), "us").astype("datetime64[D]" if value % _DAY == 0 else "datetime64[s]"))
