"""Adversarial validation: can a quick model tell the test rows from the training rows, and by which columns?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl.gbm import BoostingSettings, boost, boosted_margin
from flyball.automl.losses import loss_for
from flyball.automl.problem import Problem, View
from flyball.automl.prose import framed
from flyball.data import Table
from flyball.evaluation import Interval, auc_interval

__all__ = ["ALPHA", "LEAST_AUC", "Shift", "split_shift"]

ALPHA = 0.02  # of exchangeable splits, at most this share is called shifted
LEAST_AUC = 0.55  # below, a difference is too small to mind, however sure
_MOST_BLOCKS, _UNITS_OF_A_BLOCK = 4, 3  # test units that a block needs at least
_MOST_ROWS, _LEAST_ROWS = 12_000, 1_000
_MOST_CELLS = 2_000_000
_DRAWS = 999
_MOST_TOLD = 5
_LEAST_TOLD = 0.05  # of the model's gain
_SETTINGS = BoostingSettings("shift", learning_rate=0.15, iterations=40, leaves=15)
Indices = NDArray[np.intp]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shift:
    """How well test rows are told from training rows. auc: 0.5 for not at all, with its 90 % interval; p: of a split of
    exchangeable rows to be told apart as well; columns: those by which, with their shares of the model's gain.
    """

    auc: Interval
    p: float
    columns: tuple[tuple[str, float], ...]
    rows: int
    test_rows: int

    @property
    def demonstrated(self) -> bool:
        """Whether the rows differ beyond chance, and enough to matter."""
        return self.p < ALPHA and self.auc.value >= LEAST_AUC

    def to_dict(self) -> dict[str, Any]:
        return {
            "auc": self.auc.to_dict(), "p": self.p, "demonstrated": self.demonstrated, "rows": self.rows,
            "test_rows": self.test_rows, "columns": [{"column": name, "share": share} for name, share in self.columns],
        }  # fmt: skip


def split_shift(
    table: Table,
    train: Indices,
    test: Indices,
    *,
    units: NDArray[np.integer] | None = None,
    missing: Mapping[str, Sequence[Any]] | None = None,
    seed: int = 0,
) -> Shift | None:
    """Look for a difference between two sets of rows of a table of features.

    units: (rows of the table,) codes of rows that belong together. Units are dealt into up to four blocks; each block is
    judged by a model of the blocks before it alone, so that its p-value, by permutation of whole units, is valid whatever
    was learned before, and Fisher's method joins them. None where a side has too few units to tell: fewer than six.
    Lopez-Paz & Oquab (2017), "Revisiting classifier two-sample tests"; Fisher (1925).
    """
    rng = np.random.default_rng([seed, 23])
    rows, later = _drawn(train, test, len(table.names), rng)
    whole = np.concatenate([rows, later])
    side = np.repeat([0.0, 1.0], [len(rows), len(later)])
    codes = whole if units is None else units[whole]
    unit = np.unique(np.stack([codes, side.astype(np.int64)]), axis=1, return_inverse=True)[1].ravel()
    block = _blocks(unit, side, rng)
    if block is None or not table.names:
        return None
    count = int(block.max()) + 1
    folds = [(np.flatnonzero(block < number), np.flatnonzero(block == number)) for number in range(1, count)]
    chosen = table.take(whole)
    ones = np.ones(len(whole))
    made = framed(chosen, missing, side, ones, outputs=1, folds=folds, seed=seed)
    problem = Problem(
        frame=made.frame, task="binary", loss=loss_for("binary", None, 1), matrix=made.matrix, target=side, weight=ones,
        weighted=False, folds=folds, seed=seed, threads=1, all_threads=1, readings=made.readings,
    )  # fmt: skip
    scores, gains, logs = np.full(len(whole), np.nan), dict.fromkeys(table.names, 0.0), 0.0
    for number, (fit, judged) in enumerate(folds):
        view = View(problem, fit, judged, number)
        blind = replace(view, validate=np.zeros(0, dtype=np.intp), cache={})  # nothing is tuned on the judged rows
        booster = boost(blind, _SETTINGS, stop=lambda: False).booster
        ranks = _ranks(boosted_margin(booster, view.validation(), 1)[:, 0])
        scores[judged] = ranks
        logs += math.log(_chance(ranks, side[judged] == 1, unit[judged], rng))
        for column, gain in zip(view.feature_columns, booster.feature_importance("gain"), strict=True):
            gains[column] += float(gain)
    seen = ~np.isnan(scores)
    together = None if units is None else np.unique(unit[seen], return_inverse=True)[1]
    auc = auc_interval(scores[seen], side[seen] == 1, units=together)
    return Shift(auc, _fisher(logs, len(folds)), _telling(gains), len(rows), len(later))


def _drawn(train: Indices, test: Indices, columns: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """At most so many rows, of either side the same share."""
    most = min(_MOST_ROWS, max(_LEAST_ROWS, _MOST_CELLS // max(1, columns)))
    share = min(1.0, most / max(1, len(train) + len(test)))
    if share == 1.0:
        return train, test
    drawn = [np.sort(rng.choice(rows, max(1, round(share * len(rows))), replace=False)) for rows in (train, test)]
    return drawn[0], drawn[1]


def _blocks(unit: NDArray[np.intp], side: Floats, rng: np.random.Generator) -> NDArray[np.intp] | None:
    """The block of each row: whole units, those of either side dealt evenly. None with too few units to deal."""
    first = np.unique(unit, return_index=True)[1]
    of_side = [np.flatnonzero(side[first] == value) for value in (0.0, 1.0)]
    count = min(_MOST_BLOCKS, min(len(members) for members in of_side) // _UNITS_OF_A_BLOCK)
    if count < 2:
        return None
    dealt = np.empty(len(first), dtype=np.intp)
    for members in of_side:
        dealt[rng.permutation(members)] = np.arange(len(members)) % count
    return dealt[unit]


def _chance(ranks: Floats, later: NDArray[np.bool_], unit: NDArray[np.intp], rng: np.random.Generator) -> float:
    """The p-value of the later rows' mean rank, units being as likely on either side."""
    _, first, codes = np.unique(unit, return_index=True, return_inverse=True)
    sums, sizes = np.bincount(codes, ranks), np.bincount(codes)
    chosen = later[first]
    seen = sums[chosen].sum() / sizes[chosen].sum()
    count, reached = int(chosen.sum()), 0
    for _ in range(_DRAWS):
        drawn = rng.permutation(len(sums))[:count]
        reached += bool(sums[drawn].sum() / sizes[drawn].sum() >= seen - 1e-12)
    return (1 + reached) / (1 + _DRAWS)


def _ranks(score: Floats) -> Floats:
    """Mid-ranks as shares of the rows, so that blocks can be held side by side."""
    _, codes, counts = np.unique(score, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray(((ends - (counts - 1) / 2) / len(score))[codes])


def _fisher(logs: float, count: int) -> float:
    """The joint p-value of independent ones, from the sum of their logarithms."""
    from scipy.special import gammaincc

    return float(gammaincc(count, -logs))


def _telling(gains: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    total = sum(gains.values())
    if total <= 0:
        return ()
    ranked = sorted(gains.items(), key=lambda item: (-item[1], item[0]))[:_MOST_TOLD]
    return tuple((name, gain / total) for name, gain in ranked if gain >= _LEAST_TOLD * total)
