"""What single columns are: constant, identifiers, copies of one another, disguised missing values, infinities."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.data.look.report import Finding
from flyball.data.look.view import Floats, View
from flyball.data.table import Table
from flyball_runtime.schema import Field, missing_mask

__all__ = ["column_findings", "duplicate_rows", "target_findings"]

_ID_NAME = re.compile(r"(^|_|\b|(?<=[a-z]))(id|uid|uuid|guid|key|index|idx|nr|no|number|udi|hash|sha)$", re.IGNORECASE)
_MISSING_SYMBOLS = ("?", "-", "--", ".", "na", "n/a", "#n/a", "nan", "nil", "null", "none", "(none)", "(blank)", "unk")
_MISSING_STATES = ("missing", "unknown", "unspecified", "undefined", "unavailable", "no data")
_MISSING_NEGATIONS = ("not available", "not known", "not specified", "not applicable", "not provided")
_MISSING_WORDS = frozenset((*_MISSING_SYMBOLS, *_MISSING_STATES, *_MISSING_NEGATIONS))
_SENTINELS = {-1.0, -9.0, -99.0, -100.0, -200.0, -999.0, -9999.0, -99999.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0, 0.0}
_FEWEST_IDS = 20


def column_findings(view: View) -> list[Finding]:
    """All findings about the view's columns, in the table's order."""
    findings: list[Finding] = []
    for field in view.fields:
        values = view.table[field.name][view.rows]
        missing = missing_mask(values, field.kind)
        found = _emptiness(field, values, missing) or _identifier(field, values[~missing], len(view))
        findings += [found] if found else [*_disguised(field, values[~missing]), *_infinite(field, values)]
    return findings + _copies(view, {item.column for item in findings if item.action == "leave out"})


def _emptiness(field: Field, values: NDArray[Any], missing: NDArray[np.bool_]) -> Finding | None:
    if missing.all():
        return Finding("all missing", field.name, "has no value in any row", f"{len(values):,} rows", "leave out")
    if not missing.any() and _one_value(values):
        return Finding("constant", field.name, "has the same value in every row", f"{len(values):,} rows", "leave out")
    return None


def _one_value(values: NDArray[Any]) -> bool:
    return all(value == values[0] for value in values.tolist())


def _identifier(field: Field, present: NDArray[Any], rows: int) -> Finding | None:
    """Values that never (texts: hardly ever) repeat, and so can say nothing about another row."""
    if len(present) < _FEWEST_IDS or field.kind == "time" or field.logical in {"float", "boolean"}:
        return None
    distinct = len(set(present.tolist()))
    share = distinct / len(present)
    if field.kind == "text":
        if share < 0.95:
            return None
        spaced = float(np.mean([" " in value for value in present[:500].tolist()]))
        kind, what = ("free text", "is free text, which models here do not read") if spaced > 0.5 else (
            "identifier", "names each row")  # fmt: skip
        return Finding(kind, field.name, what, f"{distinct:,} different values in {rows:,} rows", "leave out")
    if share < 1:
        return None
    steps = np.diff(present.astype(np.float64))
    if bool((steps == steps[0]).all()):
        return Finding("identifier", field.name, "numbers the rows", f"goes up by {steps[0]:g} each row", "leave out")
    spread = float(present.max() - present.min()) + 1
    by_chance = float(np.exp(-min(len(present) ** 2 / (2 * spread), 700)))
    if by_chance < 1e-9 or (_ID_NAME.search(field.name) and len(present) >= 50):
        why = f"{distinct:,} whole numbers in {rows:,} rows and none repeats"
        return Finding("identifier", field.name, "names each row", why, "leave out")
    return None


def _disguised(field: Field, present: NDArray[Any]) -> list[Finding]:
    """Words and numbers that stand for "not known"."""
    if field.kind == "text":
        counts = Counter(value.strip().lower() for value in present.tolist())
        words = {word: count for word, count in counts.items() if word in _MISSING_WORDS}
        if not words or len(counts) == len(words):
            return []
        listed = ", ".join(f'"{word}" {count:,} times' for word, count in sorted(words.items()))
        what = "has words for missing values; they count as a level of their own"
        return [Finding("disguised missing", field.name, what, listed, "mark")]
    if field.kind != "number" or field.logical == "boolean":
        return []
    levels, numbers = np.unique(present[np.isfinite(present)], return_counts=True)
    if len(levels) < 10:
        return []
    for place, rest in ((0, levels[1:]), (-1, levels[:-1])):
        value, count = float(levels[place]), int(numbers[place])
        if value in _SENTINELS and count >= max(3, len(present) * 1e-4) and _stands_apart(value, rest, numbers, place):
            what = f"{value:g} probably means missing: it lies apart from all other values"
            return [Finding("disguised missing", field.name, what, f"{count:,} times", "mark", {"value": value})]
    return []


def _stands_apart(value: float, rest: NDArray[Any], counts: NDArray[np.intp], place: int) -> bool:
    others = np.repeat(rest, counts[1:] if place == 0 else counts[:-1])
    low, high = np.quantile(others, [0.01, 0.99])
    distance = rest[0] - value if place == 0 else value - rest[-1]
    if place == 0 and value < 0 and rest[0] >= 0 and value in {-1.0, -9.0, -99.0, -200.0, -999.0, -9999.0}:
        return bool(counts[0] >= 3)
    return bool(distance > 2 * max(high - low, 1e-12))


def _infinite(field: Field, values: NDArray[Any]) -> list[Finding]:
    if field.kind != "number":
        return []
    count = int(np.isinf(values).sum())
    return [Finding("infinite", field.name, "holds infinite values", f"{count:,} rows", "mark")] if count else []


def _copies(view: View, gone: set[str | None]) -> list[Finding]:
    """Columns that are equal, cell by cell, to an earlier one."""
    seen: dict[bytes, str] = {}
    findings = []
    for field in view.fields:
        if field.name in gone or view.levels[field.name] < 2:
            continue
        mark = _fingerprint(view, field)
        if mark in seen:
            what, why = f'is a copy of "{seen[mark]}"', f"equal in all {len(view):,} rows"
            findings.append(Finding("duplicate column", field.name, what, why, "leave out"))
        else:
            seen[mark] = field.name
    return findings


def _fingerprint(view: View, field: Field) -> bytes:
    if field.kind != "text":
        return view.columns[field.name].tobytes()
    return repr(view.table[field.name][view.rows].tolist()).encode("utf-8", "surrogatepass")


def duplicate_rows(view: View) -> list[Finding]:
    """Rows that repeat far more often than independent columns of these levels would."""
    if not view.fields or len(view) < 50:
        return []
    columns = [*(view.columns[field.name] for field in view.fields), view.target]
    extra = len(view) - len(np.unique(_row_hashes(columns)))
    if extra < max(5, 0.002 * len(view)):
        return []
    log_same = 0.0
    for column in columns:
        shares = np.unique(column, return_counts=True)[1] / len(column)
        log_same += float(np.log((shares**2).sum()))
    expected = len(view) ** 2 / 2 * np.exp(max(log_same, -700))
    if extra <= 10 * expected + 10:
        return []
    what = "rows stand in the table more than once; copies may fall into training and test alike"
    why = f"{extra:,} of {len(view):,} rows repeat an earlier one (by chance about {expected:.2g})"
    return [Finding("duplicate rows", None, what, why, "mark", {"rows": float(extra)})]


def _row_hashes(columns: list[Floats]) -> NDArray[np.uint64]:
    """One 64-bit hash a row, (rows,): equal rows agree, others do but for a chance of rows² / 2**65."""
    hashes = np.zeros(len(columns[0]), dtype=np.uint64)
    for column in columns:
        bits = np.where(np.isnan(column), np.nan, column + 0.0).view(np.uint64)  # one NaN, one zero
        hashes = (hashes ^ bits) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(29)
    return hashes


def target_findings(table: Table, target: str, view: View) -> list[Finding]:
    """Trouble in the target: missing values, rare classes, and a ceiling or floor that many rows share."""
    findings = []
    lost = table.rows - len(view)
    if lost:
        why = f"{lost:,} of {table.rows:,} rows"
        findings.append(
            Finding("target missing", target, "is missing or infinite; those rows are left out", why, "mark")
        )
    if view.task == "regression":
        disguised = _disguised(table.schema[target], view.target) if table.schema[target].kind == "number" else []
        findings += disguised or _ceiling(view, target)
    else:
        counts = np.bincount(view.target.astype(np.intp))
        rare = int((counts < 10).sum())
        if rare:
            what = f"has {rare} {'class' if rare == 1 else 'classes'} with fewer than 10 rows"
            findings.append(Finding("rare class", target, what, f"the rarest has {counts.min()}", "mark"))
    return findings


def _ceiling(view: View, target: str) -> list[Finding]:
    levels, counts = np.unique(view.target, return_counts=True)
    if len(levels) < 50:
        return []
    for place, word in ((-1, "highest"), (0, "lowest")):
        crowded = counts[place] > max(20, 0.005 * len(view)) and counts[place] > 10 * np.median(counts)
        beside = counts[-6:-1] if place == -1 else counts[1:6]
        if crowded and counts[place] > 5 * beside.max():
            why = f"{counts[place]:,} rows have the {word} value {levels[place]:g}"
            return [Finding("capped target", target, "seems cut off at a limit", why, "mark")]
    return []
