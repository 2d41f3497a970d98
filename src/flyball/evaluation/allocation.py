"""Dealing rows or whole groups into a test part and folds, so that each part resembles the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.evaluation.metrics import Task
from flyball.evaluation.resampling import label_codes

__all__ = ["deal_groups", "deal_rows", "strata"]

Codes = NDArray[np.int64]
_ALWAYS_TRAIN = -1
_DEALS = 40


def strata(target: NDArray[Any], task: Task) -> Codes:
    """What the parts should hold in equal shares: the classes, or up to ten slices of a number. (rows,) -> (rows,)."""
    if task != "regression":
        return label_codes(np.asarray(target))
    values = np.asarray(target, dtype=np.float64)
    slices = max(1, min(10, len(values) // 20))
    edges = np.unique(np.quantile(values, np.linspace(0, 1, slices + 1)[1:-1]))
    return label_codes(np.searchsorted(edges, values, side="right"))


def deal_rows(stratum: Codes, test: float, folds: int, rng: np.random.Generator) -> Codes:
    """Part of each row: 0 test, 1..folds, or -1 for a row that is always learned from and never validated.

    A stratum of one or two rows stays out of the test; of three and more it is represented there.
    """
    part = np.empty(len(stratum), dtype=np.int64)
    owed, next_fold = 0.0, 0
    for code in rng.permutation(int(stratum.max()) + 1):
        members = rng.permutation(np.flatnonzero(stratum == code))
        owed += len(members) * test
        held = int(np.clip(round(owed), min(1, len(members) // 3), max(0, len(members) - 2)))
        owed -= held
        part[members[:held]] = 0
        learned = members[held:]
        if len(learned) == 1:
            part[learned] = _ALWAYS_TRAIN
            continue
        part[learned] = (np.arange(len(learned)) + next_fold) % folds + 1
        next_fold = (next_fold + len(learned)) % folds
    if not np.any(part == 0):  # every stratum has one or two rows: the test takes its share of them regardless
        part[rng.permutation(len(part))[: max(1, round(len(part) * test))]] = 0
    return part


def deal_groups(group: Codes, stratum: Codes, test: float, folds: int, rng: np.random.Generator) -> Codes:
    """Part of each group: (groups,), 0 test, 1..folds; every part gets a group.

    Of several deals at random the one is taken whose parts resemble the whole most, in rows and in classes. Dealing the
    large groups first would balance better, but puts the largest always into the same part: its groups would then be
    no random ones, and what is measured on them not what new groups will show.
    """
    groups, classes = int(group.max()) + 1, int(stratum.max()) + 1
    content = np.zeros((groups, classes))
    np.add.at(content, (group, stratum), 1.0)
    share = np.array([test, *([(1 - test) / folds] * folds)])
    deals = [_deal_once(content, share, rng) for _ in range(_DEALS)]
    return min(deals, key=lambda part: _unevenness(part, content, share))


def _deal_once(content: NDArray[np.float64], share: NDArray[np.float64], rng: np.random.Generator) -> Codes:
    """Groups in a random order, cut where the shares of the rows are reached; the parts stand in a random order too."""
    order, places = rng.permutation(len(content)), rng.permutation(len(share))
    rows = content[order].sum(axis=1)
    middle = np.cumsum(rows) - rows / 2
    bounds = np.cumsum(share[places])[:-1] * rows.sum()
    part = np.empty(len(content), dtype=np.int64)
    part[order] = places[np.searchsorted(bounds, middle, side="right")]
    counts = np.bincount(part, minlength=len(share))
    for empty in np.flatnonzero(counts == 0):
        spare = rng.choice(np.flatnonzero(counts[part] > 1))
        counts[part[spare]] -= 1
        part[spare], counts[empty] = empty, 1
    return part


def _unevenness(part: Codes, content: NDArray[np.float64], share: NDArray[np.float64]) -> float:
    """How far the parts are from holding their share of every class: a sum of squares over the parts, as chi-squared."""
    held = np.stack([np.bincount(part, weights=one, minlength=len(share)) for one in content.T], axis=1)
    wanted = np.outer(share, content.sum(axis=0))
    return float(((held - wanted) ** 2 / np.maximum(wanted, 1e-12)).sum())
