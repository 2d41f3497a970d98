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
    """Part of each group: (groups,), 0 test, 1..folds.

    Large groups first, each to the part that lacks its classes most; every part gets a group.
    """
    groups, classes = int(group.max()) + 1, int(stratum.max()) + 1
    content = np.zeros((groups, classes))
    np.add.at(content, (group, stratum), 1.0)
    share = np.array([test, *([(1 - test) / folds] * folds)])
    total = content.sum(axis=0)
    lacking = np.outer(share, total)
    part = np.empty(groups, dtype=np.int64)
    taken = np.zeros(folds + 1, dtype=np.int64)
    shuffled = rng.permutation(groups)
    for place, number in enumerate(shuffled[np.argsort(-content[shuffled].sum(axis=1), kind="stable")]):
        need = (lacking / (share[:, None] * total)) @ (content[number] / total)
        empty = taken == 0
        if empty.sum() >= groups - place:  # as many groups are left as parts without one
            need = np.where(empty, need, -np.inf)
        chosen = int(need.argmax())
        part[number], taken[chosen] = chosen, taken[chosen] + 1
        lacking[chosen] -= content[number]
    return part
