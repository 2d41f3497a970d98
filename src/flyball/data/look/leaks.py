"""Columns that know the target: copies, arithmetic, flags that imply it, and strength beyond belief."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flyball.data.look.arithmetic import exact_combination
from flyball.data.look.derived import averages_of_target, bands_of_target
from flyball.data.look.quick import cross_fitted, fold_of_rows, score
from flyball.data.look.report import Finding
from flyball.data.look.strength import MEASURES, Strength, strengths, weakest
from flyball.data.look.view import View

__all__ = ["find_leaks"]

_SAMPLE = 20_000
_STRONG = {"binary": 0.96, "multiclass": 0.97, "regression": 0.98}
_MEASURED = 0.99  # ROC AUC that a measurement has to reach: one of 0.985 explains 95 % of what the class is cut from
_CERTAIN = 0.995
_TELLING = 0.9  # a column that alone tells this much would win any comparison
_LEVELS = 20
_CHANCE = 1e-6
_AFTERWARDS = re.compile(
    r"(^|_|\b)(duration|elapsed|outcome|result|resol(ution|ved)|closed?|closing|end(ed)?|final|paid|payout|returned|"
    r"delivered|shipped|cancel(l?ed)?|refund(ed)?|settle(d|ment)|discharged?|actual|recover(y|ed)|after|post|"
    r"(time|days|hours|minutes)_(to|until)|completed?|completion|approved|rejected|churn(ed)?|terminat(ed|ion)|reply|response)"
    r"($|_|\b)",
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
    derived = [*bands_of_target(sample), *averages_of_target(usable)]
    for finding in [*_arithmetic(usable, rng), *derived, *_comparisons(weak, rng), *_implications(usable)]:
        found.setdefault(str(finding.column), finding)
    sure = {name for name, finding in found.items() if finding.action == "leave out"}
    for finding in _too_strong(sample, alone, sure, rng, seed):
        if finding.action == "leave out" or str(finding.column) not in found:
            found[str(finding.column)] = finding
    rest = sample.without({name for name, finding in found.items() if finding.action == "leave out"})
    for finding in _afterwards(rest, [it for it in alone if it.column not in found], rng, seed):
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
    why = f"target = {combination.formula}; nothing is left over, R² = {combination.fit:.9f}"
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
    """One level of a column (or its being missing, or zero), and how purely it goes with one class."""

    name: str
    rows: int
    pure: int
    of_a_hole: bool


def _implications(view: View) -> list[Finding]:
    """Levels that (nearly) always come with one class: flags set by the very event that is to be predicted.

    Of two classes the rarer one counts. Of several, only a column that is empty, or filled in, with one class alone:
    levels that go with one class are what many-class problems are made of.
    """
    if view.task == "regression":
        return []
    shares = np.bincount(view.target.astype(np.intp), minlength=2) / len(view)
    classes = [int(shares.argmin())] if view.task == "binary" else np.flatnonzero(shares < 0.5).tolist()
    events = {number: view.target == number for number in classes[:_LEVELS]}
    candidates = [
        (field.name, level, number)
        for field in view.fields
        for number, event in events.items()
        for level in _levels(view, field.name, event, holes_only=view.task == "multiclass")
    ]
    tests = max(len(candidates), 1)
    findings: dict[str, Finding] = {}
    for name, level, number in candidates:
        purity, base = level.pure / level.rows, float(shares[number])
        enough = level.rows >= (8 if purity == 1 else 30)
        if purity < 0.98 or not enough or _tail(level.rows, level.pure, base) * tests > _CHANCE:
            continue
        flag = view.levels[name] <= 2 or level.of_a_hole
        share = level.pure / max(int(events[number].sum()), 1)
        which = "the rarer class" if view.task == "binary" else "one class"
        why = (
            f"{level.name}: {level.pure:,} of {level.rows:,} rows are of {which}, against {base:.1%} overall;"
            f" they are {share:.0%} of that class"
        )
        evidence: dict[str, float | str] = {"rows": float(level.rows), "purity": purity, "base": base, "share": share}
        what = "implies the target" if flag else "has a value that implies the target"
        findings.setdefault(name, Finding("leak", name, what, why, "leave out" if flag else "mark", evidence))
    return list(findings.values())


def _levels(view: View, name: str, event: NDArray[np.bool_], *, holes_only: bool) -> list[_Level]:
    values = view.columns[name]
    missing = np.isnan(values)
    found = []
    if 0 < missing.sum() < len(values):
        found.append(_Level("missing", int(missing.sum()), int(event[missing].sum()), True))
        if view.levels[name] > _LEVELS or holes_only:
            found.append(_Level("present", int((~missing).sum()), int(event[~missing].sum()), True))
    if view.levels[name] <= _LEVELS and not holes_only:
        levels = np.unique(values[~missing])
        for place, level in enumerate(levels):
            rows = values == level
            if view.table.schema[name].kind == "number" and _is_end_of_a_trend(values, event, levels, place):
                continue
            found.append(_Level(_spoken(view, name, rows), int(rows.sum()), int(event[rows].sum()), False))
    elif not holes_only and view.table.schema[name].kind == "number":
        zero = values == 0
        if 0.05 * len(values) <= zero.sum() and not missing.any():
            found.append(_Level("zero", int(zero.sum()), int(event[zero].sum()), True))
            found.append(_Level("other than zero", int((~zero).sum()), int(event[~zero].sum()), True))
    return found


def _is_end_of_a_trend(
    values: NDArray[np.float64], event: NDArray[np.bool_], levels: NDArray[np.float64], place: int
) -> bool:
    """Whether the numbers beside a level go with the event nearly as much: many of a cause, not a flag of the event."""
    beside = [other for other in (place - 1, place + 1) if 0 <= other < len(levels)]
    if len(levels) <= 2:
        return False
    halfway = (1 + float(event.mean())) / 2
    return any(float(event[values == levels[other]].mean()) > halfway for other in beside)


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
    moments = {field.name for field in view.fields if field.kind == "time"}
    thresholds = {field.name: _threshold(view, field.name) for field in view.fields}
    strong = [
        item
        for item in alone
        if item.column not in known | moments
        and item.value >= thresholds[item.column]
        and item.low >= thresholds[item.column] - 0.06
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
        if together < item.value - 0.4 * (1 - thresholds[item.column])
    ]


def _threshold(view: View, column: str) -> float:
    """How strong a column must be to be suspect: a measurement of a class more than a code, which may be a copy."""
    return _MEASURED if view.task == "binary" and view.levels[column] > _LEVELS else _STRONG[view.task]


def _afterwards(view: View, alone: list[Strength], rng: np.random.Generator, seed: int) -> list[Finding]:
    """The strongest column by far, when its name tells of something known only afterwards.

    A name is no proof, so the column is marked, not left out; what a quick model is worth with and without it is said,
    for people to judge by.
    """
    if len(alone) < 2 or not _AFTERWARDS.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", alone[0].column)):
        return []
    first, second = alone[:2]
    floor, margin = {"binary": (0.7, 0.05), "multiclass": (0.5, 0.15), "regression": (0.4, 0.15)}[view.task]
    if first.low < floor or first.low - second.value < margin:
        return []
    kept = view.without(weakest(alone))
    fold = fold_of_rows(len(kept), 2, rng)
    with_it, without_it = (
        score(
            cross_fitted(part.matrix(), part.target, task=part.task, classes=part.classes, fold=fold, seed=seed),
            part.target,
            part.task,
        )
        for part in (kept, kept.without({first.column}))
    )
    why = (
        f'{MEASURES[view.task]} {first.value:.3f} alone on held-out rows; the next column, "{second.column}", '
        f"{second.value:.3f}; a quick model has {with_it:.3f} with it and {without_it:.3f} without it"
    )
    what = "may be known only after the fact: its name says so, and it is the strongest column by far"
    evidence: dict[str, float | str] = {
        "alone": first.value, "next": second.value, "model_with": with_it, "model_without": without_it,
    }  # fmt: skip
    return [Finding("leak", first.column, what, why, "mark", evidence)]
