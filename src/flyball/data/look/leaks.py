"""Columns that know the target: copies, arithmetic, flags that imply it, and strength beyond belief."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flyball.data.look.arithmetic import exact_combination
from flyball.data.look.quick import cross_fitted, fold_of_rows, score
from flyball.data.look.report import Finding
from flyball.data.look.strength import MEASURES, Strength, strengths, weakest
from flyball.data.look.view import View

__all__ = ["find_leaks"]

_SAMPLE = 20_000
_STRONG = {"binary": 0.96, "multiclass": 0.97, "regression": 0.98}
_CERTAIN = 0.995
_TELLING = 0.9  # a column that alone tells this much would win any comparison
_LEVELS = 20
_CHANCE = 1e-6
_AFTERWARDS = re.compile(
    r"(^|_|\b)(duration|elapsed|outcome|result|resol(ution|ved)|closed?|closing|end(ed)?|final|paid|payout|returned|"
    r"delivered|shipped|cancel(l?ed)?|refund(ed)?|settle(d|ment)|discharged?|actual|recover(y|ed)|after|post)($|_|\b)",
    re.IGNORECASE,
)


def find_leaks(view: View, gone: set[str], seed: int) -> list[Finding]:
    """Every leak among the view's columns but those already left out (`gone`), one finding a column.

    Thresholds are so far from chance that a false finding is expected in fewer than one table in a hundred.
    """
    rng = np.random.default_rng([seed, 3])
    usable = view.without(gone)
    if len(usable) < 20 or not usable.fields:
        return []
    found: dict[str, Finding] = {}
    sample = usable.sample(_SAMPLE, rng)
    alone = strengths(sample, rng)
    weak = usable.without({item.column for item in alone if item.value >= _TELLING})
    for finding in [*_arithmetic(usable, rng), *_comparisons(weak, rng), *_implications(usable)]:
        found.setdefault(str(finding.column), finding)
    sure = {name for name, finding in found.items() if finding.action == "leave out"}
    for finding in _too_strong(sample, alone, sure, rng, seed):
        if finding.action == "leave out" or str(finding.column) not in found:
            found[str(finding.column)] = finding
    for finding in _afterwards(sample, [strength for strength in alone if strength.column not in found]):
        found.setdefault(str(finding.column), finding)
    order = {field.name: place for place, field in enumerate(view.fields)}
    return sorted(found.values(), key=lambda finding: order[str(finding.column)])


def _arithmetic(view: View, rng: np.random.Generator) -> list[Finding]:
    """Number columns that give a number target exactly, by a sum or a product."""
    if view.task != "regression":
        return []
    sample = view.sample(5_000, rng)
    names = [field.name for field in sample.fields if field.kind == "number"]
    combination = exact_combination({name: sample.columns[name] for name in names}, sample.target)
    if combination is None:
        return _monotone(sample, names)
    why = f"target = {combination.formula}; nothing is left over (R² = {combination.fit:.9f})"
    findings = []
    for name in combination.columns:
        others = " and ".join(f'"{other}"' for other in combination.columns if other != name)
        what = f"gives the target exactly, together with {others}" if others else "is the target in another form"
        findings.append(Finding("leak", name, what, why, "leave out", {"r2": combination.fit}))
    return findings


def _monotone(view: View, names: list[str]) -> list[Finding]:
    """Number columns that rank the rows exactly as the target does, such as its logarithm."""
    findings = []
    for name in names:
        values = view.columns[name]
        if view.levels[name] < 50 or not np.isfinite(values).all():
            continue
        ranks = [np.unique(column, return_inverse=True)[1] for column in (values, view.target)]
        agreement = abs(float(np.corrcoef(ranks[0], ranks[1])[0, 1])) if len(np.unique(ranks[1])) > 1 else 0.0
        if agreement >= 0.9999:
            why = f"rank correlation {agreement:.6f}"
            findings.append(Finding("leak", name, "ranks the rows as the target does", why, "leave out"))
    return findings


def _comparisons(view: View, rng: np.random.Generator) -> list[Finding]:
    """Pairs of dates or numbers whose comparison is the target, as "late" is "shipped after required"."""
    if view.task != "binary":
        return []
    sample = view.sample(2_000, rng)
    findings = []
    for kind in ("time", "number"):
        names = [field.name for field in sample.fields if field.kind == kind and sample.levels[field.name] >= 10][:30]
        for first, second in itertools.combinations(names, 2):
            left, right = sample.columns[first], sample.columns[second]
            known = ~np.isnan(left) & ~np.isnan(right)
            truth = sample.target[known] == 1
            if known.sum() < 100 or min(truth.sum(), (~truth).sum()) < 20:
                continue
            for sign, answer in ((">", left[known] > right[known]), ("<", left[known] < right[known])):
                share = float((answer == truth).mean())
                if max(share, 1 - share) >= 0.999:
                    why = f'"{first}" {sign} "{second}" gives the target in {max(share, 1 - share):.1%} of rows'
                    findings += [
                        Finding("leak", name, f'gives the target when compared with "{other}"', why, "leave out")
                        for name, other in ((first, second), (second, first))
                    ]
                    break
    return findings


@dataclass(frozen=True, slots=True)
class _Level:
    """One level of a column (or its being missing), and how purely it goes with one class."""

    name: str
    rows: int
    pure: int


def _implications(view: View) -> list[Finding]:
    """Levels that (nearly) always come with the rarer class: flags set by the very event that is to be predicted."""
    if view.task != "binary":
        return []
    rare = 1.0 if view.target.mean() <= 0.5 else 0.0
    event = view.target == rare
    base = float(event.mean())
    candidates = [(field.name, level) for field in view.fields for level in _levels(view, field.name, event)]
    tests = max(len(candidates), 1)
    findings: dict[str, Finding] = {}
    for name, level in candidates:
        purity = level.pure / level.rows
        enough = level.rows >= (8 if purity == 1 else 30)
        if purity < 0.98 or not enough or _tail(level.rows, level.pure, base) * tests > _CHANCE:
            continue
        flag = view.levels[name] <= 2
        share = level.pure / max(int(event.sum()), 1)
        why = (
            f"{level.name}: {level.pure:,} of {level.rows:,} rows are of the rarer class, against {base:.1%} overall;"
            f" they are {share:.0%} of that class"
        )
        evidence: dict[str, float | str] = {"rows": float(level.rows), "purity": purity, "base": base, "share": share}
        what = "implies the target" if flag else "has a value that implies the target"
        findings.setdefault(name, Finding("leak", name, what, why, "leave out" if flag else "mark", evidence))
    return list(findings.values())


def _levels(view: View, name: str, event: NDArray[np.bool_]) -> list[_Level]:
    values = view.columns[name]
    missing = np.isnan(values)
    found = []
    if 0 < missing.sum() < len(values):
        found.append(_Level("missing", int(missing.sum()), int(event[missing].sum())))
        if view.levels[name] > _LEVELS:
            found.append(_Level("present", int((~missing).sum()), int(event[~missing].sum())))
    if view.levels[name] <= _LEVELS:
        for level in np.unique(values[~missing]):
            rows = values == level
            found.append(_Level(_spoken(view, name, rows), int(rows.sum()), int(event[rows].sum())))
    return found


def _spoken(view: View, name: str, rows: NDArray[np.bool_]) -> str:
    value = view.table[name][view.rows[int(np.flatnonzero(rows)[0])]]
    return f'value "{value}"' if isinstance(value, str) else f"value {value:g}"


def _tail(rows: int, hits: int, base: float) -> float:
    """Chance of at least `hits` of `rows` at rate `base` (Chernoff's bound, which is never too small)."""
    share = hits / rows
    if share <= base:
        return 1.0
    divergence = share * math.log(share / base)
    if share < 1:
        divergence += (1 - share) * math.log((1 - share) / (1 - base))
    return math.exp(-min(rows * divergence, 700))


def _too_strong(
    view: View, alone: list[Strength], known: set[str], rng: np.random.Generator, seed: int
) -> list[Finding]:
    """Columns that alone predict almost perfectly what all others together do not."""
    threshold = _STRONG[view.task]
    moments = {field.name for field in view.fields if field.kind == "time"}
    strong = [
        item
        for item in alone
        if item.column not in known | moments and item.value >= threshold and item.low >= threshold - 0.06
    ]
    rest = view.without(known | {item.column for item in strong} | weakest(alone))
    if not strong or not rest.fields:
        return []  # with nothing beside them, strong columns are simply what there is
    fold = fold_of_rows(len(rest), 2, rng)
    outputs = cross_fitted(rest.matrix(), rest.target, task=rest.task, classes=rest.classes, fold=fold, seed=seed)
    together = score(outputs, rest.target, rest.task)
    measure = MEASURES[view.task]
    return [
        Finding(
            "leak",
            item.column,
            "predicts the target by itself as no other column comes near to",
            f"{measure} {item.value:.3f} alone on held-out rows; all other columns together reach {together:.3f}",
            "leave out" if item.value >= _CERTAIN else "mark",
            {"alone": item.value, "rest": together},
        )
        for item in strong
        if together < item.value - 0.4 * (1 - threshold)
    ]


def _afterwards(view: View, alone: list[Strength]) -> list[Finding]:
    """The strongest column by far, when its name tells of something known only afterwards."""
    if len(alone) < 2 or not _AFTERWARDS.search(alone[0].column):
        return []
    first, second = alone[:2]
    floor, margin = {"binary": (0.7, 0.05), "multiclass": (0.5, 0.15), "regression": (0.4, 0.15)}[view.task]
    if first.low < floor or first.low - second.value < margin:
        return []
    measure = MEASURES[view.task]
    why = f'{measure} {first.value:.3f} alone on held-out rows; the next column, "{second.column}", {second.value:.3f}'
    what = "may be known only after the fact: its name says so, and it is the strongest column by far"
    return [Finding("leak", first.column, what, why, "mark", {"alone": first.value, "next": second.value})]
