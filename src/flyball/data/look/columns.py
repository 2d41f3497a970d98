"""What single columns are: constant, identifiers, copies of one another, disguised missing values, infinities."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.core.counting import counted
from flyball.data.look.missing import disguised_missing
from flyball.data.look.report import Finding
from flyball.data.look.view import View
from flyball.data.table import Table
from flyball_runtime.schema import Field, missing_mask

__all__ = ["column_findings", "target_findings"]

_ID_NAME = re.compile(r"(^|_|\b|(?<=[a-z]))(id|uid|uuid|guid|key|index|idx|nr|no|number|udi|hash|sha)$", re.IGNORECASE)
_FEWEST_IDS = 20
_FEWEST_TO_DIFFER = 100
_MOST_TO_DIFFER = 2


def column_findings(view: View, literal: Collection[str] = ()) -> list[Finding]:
    """All findings about the view's columns, in the table's order. `literal` columns mean what they say everywhere."""
    findings: list[Finding] = []
    for field in view.fields:
        values = view.table[field.name][view.rows]
        missing = missing_mask(values, field.kind)
        found = _emptiness(field, values, missing) or _identifier(field, values[~missing], len(view))
        if found:
            findings.append(found)
            continue
        hidden = [] if field.name in literal else disguised_missing(field, values[~missing])
        findings += [*hidden, *_infinite(field, values)]
    return findings + _copies(view, {item.column for item in findings if item.action == "leave out"})


def _emptiness(field: Field, values: NDArray[Any], missing: NDArray[np.bool_]) -> Finding | None:
    if missing.all():
        return Finding("all missing", field.name, "has no value in any row", counted(len(values), "row"), "leave out")
    if not missing.any() and _one_value(values):
        return Finding(
            "constant", field.name, "has the same value in every row", counted(len(values), "row"), "leave out"
        )
    return _nearly_constant(field, values) if not missing.any() else None


def _nearly_constant(field: Field, values: NDArray[Any]) -> Finding | None:
    """A column that differs in one or two rows only: it can say something about these, and about no other."""
    if len(values) < _FEWEST_TO_DIFFER:
        return None
    usual = values[len(values) // 2]
    differ = int(np.count_nonzero(values != usual))
    if differ > _MOST_TO_DIFFER:
        return None
    why = f"{len(values) - differ:,} of {len(values):,} rows"
    return Finding("nearly constant", field.name, "has the same value in all rows but one or two", why, "leave out")


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
        why = f"{distinct:,} different values in {rows:,} rows"
        if spaced > 0.5:
            return Finding("free text", field.name, "is free text, read by its words", why, "mark")
        return Finding("identifier", field.name, "names each row", why, "leave out")
    if share < 1:
        return None
    steps = np.diff(present.astype(np.float64))
    if bool((steps == steps[0]).all()):
        return Finding("identifier", field.name, "numbers the rows", f"goes up by {steps[0]:g} each row", "leave out")
    spread = float(present.max() - present.min()) + 1
    by_chance = float(np.exp(-min(len(present) ** 2 / (2 * spread), 700)))
    named = _ID_NAME.search(field.name) and len(present) >= 50
    if by_chance < 1e-9 or named or _drawn_at_random(present):
        why = f"{distinct:,} whole numbers in {rows:,} rows and none repeats"
        return Finding("identifier", field.name, "names each row", why, "leave out")
    return None


def _drawn_at_random(present: NDArray[Any]) -> bool:
    """Whole numbers of many digits, spread evenly over all numbers of that length, as keys are and amounts are not."""
    low, high = float(present.min()), float(present.max())
    if len(present) < 100 or high < 1e7 or low < 0 or low > 0.2 * high:
        return False
    ranks = np.sort(present.astype(np.float64)) / high
    even = np.abs(ranks - np.arange(1, len(ranks) + 1) / len(ranks)).max()  # Kolmogorov and Smirnov's distance
    return bool(even * np.sqrt(len(ranks)) < 1.6)


def _infinite(field: Field, values: NDArray[Any]) -> list[Finding]:
    if field.kind != "number":
        return []
    count = int(np.isinf(values).sum())
    return [Finding("infinite", field.name, "holds infinite values", counted(count, "row"), "mark")] if count else []


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
        findings += _ceiling(view, target)
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
