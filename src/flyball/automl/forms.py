"""In which form each chosen candidate enters the pipeline: the models of its folds, some of them, or one fitted anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flyball.automl.allowance import Allowance, Cost
from flyball.automl.candidates import Result

__all__ = ["REFITTED", "choose_forms", "needs_refit"]

REFITTED = 0  # folds kept: none, one model on all rows instead


def choose_forms(
    results: Sequence[Result], weights: Mapping[str, float], *, allowance: Allowance, seconds: float, workers: int
) -> dict[str, int] | None:
    """How many of its folds' models each candidate keeps, by name; None when nothing stands within size and time.

    All of them where there is room, as that costs no time and averages most; else, the lightest candidates first, one
    model on all rows while there are seconds to fit it, and otherwise as many folds as there is room for.
    """
    forms = {result.candidate.name: len(result.views) if _may_bag(result) else REFITTED for result in results}
    refits = [refit_seconds(result) for result in results if not _may_bag(result)]
    if refits and _side_by_side(refits, workers) > seconds:
        return None

    def fits() -> bool:
        costs = [result.cost.times(max(1, forms[result.candidate.name])) for result in results]
        return allowance.holds(Cost.sum(costs))

    for result in sorted(results, key=lambda result: weights[result.candidate.name]):
        name = result.candidate.name
        if fits():
            break
        if forms[name] == REFITTED:
            continue
        if _side_by_side([*refits, refit_seconds(result)], workers) <= seconds:
            refits.append(refit_seconds(result))
            forms[name] = REFITTED
            continue
        while forms[name] > 1 and not fits():
            forms[name] -= 1
    return forms if fits() else None


def needs_refit(result: Result, allowance: Allowance) -> bool:
    """Whether even alone it can only stand as one model."""
    return not (_may_bag(result) and allowance.holds(result.cost.times(len(result.views))))


def refit_seconds(result: Result) -> float:
    return result.candidate.refit_seconds(result)


def _may_bag(result: Result) -> bool:
    return result.candidate.bag


def _side_by_side(seconds: Sequence[float], workers: int) -> float:
    return max(*seconds, sum(seconds) / workers)
