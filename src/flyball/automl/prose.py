"""What columns of prose say about the target: linear scores of their terms, each row's from models that did not see it.

A score is ridge regression on tf-idf, solved in a few sparse products, so that thousands of terms cost little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from flyball.data import Table
from flyball.features import Frame, WordsEncoder, fit_frame, fit_words
from flyball.features.absent import blanked
from flyball.features.words import LARGEST_WEIGHT, reads_as_prose

__all__ = ["QUICK", "Framed", "Reading", "ReadingAllowance", "framed", "scores_of"]

_MOST_OUTPUTS = 24  # classes with a score each; of more, the scores are random mixtures of all
_PENALTIES = (0.3, 1.0, 3.0, 10.0)  # in rows' worth
_PIECES_GAIN = 0.99  # of the loss: pieces of words cost more than words, and must pay for it
_CHOICE_ROWS = 4_000
_MOST_STEPS = 25
_SMALL = 1e-6  # of the first residual's square: steps beyond change nothing that counts
_PARTS = 4
_SECONDS_PER_CHARACTER = 6e-7  # counting, finding and choosing
_SHARE = 0.4  # of the budget that reading may take at most
_READ_OF_A_TEXT = 4_000  # characters: what follows hardly adds to the time, as only so many words are read
Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class ReadingAllowance:
    """How much reading a budget allows: terms of a column, rows that weigh them, characters in all.

    pieced: up to how many characters pieces of words are tried too, which take three times as long as words.
    """

    terms: int
    rows: int
    characters: float
    pieced: float = math.inf

    @classmethod
    def within(cls, seconds: float) -> ReadingAllowance:
        """What fits a budget; equal budgets allow the same, however fast the machine is."""
        characters = _SHARE * seconds / _SECONDS_PER_CHARACTER
        if seconds < 10:
            return cls(2_000, 4_000, characters, characters / 3)
        if seconds < 30:
            return cls(4_000, 10_000, characters, characters / 3)
        return cls(6_000, 25_000, characters, characters / 3)

    def shared(self, columns: int, outputs: int) -> ReadingAllowance:
        """What each of several columns is allowed: terms go into the artefact, and outputs multiply the work."""
        return replace(self, terms=max(300, 2 * self.terms // max(2, columns)), rows=min(self.rows, 200_000 // outputs))


QUICK = ReadingAllowance(2_000, 5_000, 20_000_000, 3_000_000)  # for models that only compare


@dataclass(frozen=True, eq=False)
class Reading:
    """A column of prose as learning sees it.

    encoder: fitted on all rows, as it will score; measures: (rows, 2) its features that need no fit; held: (rows, terms)
    csr, one where a text holds a term; norm: (rows,) root of the rarity of what it holds; goal: (rows, outputs) what
    scores are fitted to; labels: (rows,) the fold that validates a row, or -1; penalty: in rows' worth of all rows; most:
    rows that a fit looks at.
    """

    encoder: WordsEncoder
    measures: NDArray[np.float32]
    held: Any
    norm: Floats
    goal: Floats
    weight: Floats
    labels: NDArray[np.int64]
    penalty: float
    most: int
    seed: int

    @property
    def outputs(self) -> int:
        """Scores of a row."""
        return int(self.goal.shape[1])

    @property
    def missing(self) -> NDArray[np.bool_]:
        return np.isnan(self.measures[:, 0])


@dataclass(frozen=True, slots=True)
class Framed:
    """A table ready to learn from: the frame as it will score, and a matrix in which no row's score saw its own target.

    readings: columns of prose by the position of their first score in the matrix; unread: columns of prose beyond what the
    budget allows.
    """

    frame: Frame
    matrix: NDArray[np.float32]
    readings: Mapping[int, Reading] = field(default_factory=dict)
    unread: tuple[str, ...] = ()


def framed(
    table: Table,
    missing: Mapping[str, Sequence[Any]] | None,
    target: Floats,
    weight: Floats,
    *,
    outputs: int,
    folds: Sequence[tuple[Indices, Indices]],
    seed: int,
    allowance: ReadingAllowance = QUICK,
    known: dict[str, Reading] | None = None,
) -> Framed:
    """The frame of a table and its matrix, columns of prose scored.

    target: (rows,) class positions or standard scores; outputs: margins of a row. known: readings of the same rows by
    column, which are used again and added to. Text beyond the allowance is not read: its columns count as levels.
    """
    texts = [table[name] for name in table.schema.of_kind("text")]
    written = sum(
        min(len(value), _READ_OF_A_TEXT) for values in texts for value in values.tolist() if value is not None
    )
    enough = written <= allowance.characters
    frame = fit_frame(table, missing, prose=enough)
    if not frame.prose:
        unread = () if enough else tuple(name for name in table.schema.of_kind("text") if reads_as_prose(table[name]))
        return Framed(frame, frame.apply(table.columns), unread=unread)
    kept = {} if known is None else known
    labels = np.full(len(target), -1, dtype=np.int64)
    for number, (_, validate) in enumerate(folds):
        labels[validate] = number
    goal = _goal(target, outputs, seed)
    shared = allowance.shared(len(frame.prose), goal.shape[1])
    with _one_thread():
        for encoder in frame.prose.values():
            if encoder.column not in kept:
                values = blanked(table[encoder.column], "text", encoder.missing)
                kept[encoder.column] = _read(
                    encoder, values, goal, weight, labels, seed=seed, allowance=shared,
                    tried=(False, True) if written <= allowance.pieced else (False,),
                )  # fmt: skip
        return _filled(frame, table, {encoder.column: kept[encoder.column] for encoder in frame.prose.values()})


def _filled(frame: Frame, table: Table, made: Mapping[str, Reading]) -> Framed:
    everything = np.arange(table.rows)
    blocks = {
        name: np.hstack([reading.measures, _scores(reading, everything, everything[:0])[0]])
        for name, reading in made.items()
    }
    frame = frame.with_prose({name: reading.encoder for name, reading in made.items()})
    readings = {position + 2: made[encoder.column] for position, encoder in frame.prose.items()}
    return Framed(frame, frame.apply(table.columns, blocks), readings)


def _one_thread() -> AbstractContextManager[Any]:
    """Products and solutions this small lose more than they gain by threads that wait for one another."""
    from threadpoolctl import threadpool_limits

    return cast("AbstractContextManager[Any]", threadpool_limits(limits=1, user_api="blas"))


def scores_of(reading: Reading, fit: Indices, validate: Indices) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scores of the rows to fit on, cross-fitted among them, and of those to validate on: (rows, outputs) float32 each."""
    with _one_thread():
        return _scores(reading, fit, validate)


def _scores(reading: Reading, fit: Indices, validate: Indices) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    parts = _parts(reading, fit)
    taken = np.isin(fit, _sampled(fit, reading.most, reading.seed))
    inside = np.empty((len(fit), reading.outputs), dtype=np.float32)
    for part in range(int(parts.max(initial=0)) + 1):
        rows = parts == part
        inside[rows] = _scored(reading, _fitted(reading, fit[taken & ~rows]), fit[rows])
    if not len(validate):
        return inside, inside[:0]
    return inside, _scored(reading, _fitted(reading, fit[taken]), validate)


def _read(
    encoder: WordsEncoder, values: NDArray[Any], goal: Floats, weight: Floats, labels: NDArray[np.int64], *,
    seed: int, allowance: ReadingAllowance, tried: Sequence[bool],
) -> Reading:  # fmt: skip
    """Choose whether pieces of words are read, and the penalty, on some rows; then read all."""
    name, absent = encoder.column, encoder.missing

    def reading(rows: Indices, pieces: bool, terms: int) -> Reading:
        fitted = fit_words(name, values[rows], absent, pieces=pieces, most=terms)
        return _found(fitted, values[rows], goal[rows], weight[rows], labels[rows], most=allowance.rows, seed=seed)

    some = _sampled(np.arange(len(values)), min(_CHOICE_ROWS, allowance.rows), seed)
    chosen: tuple[float, bool, float] | None = None
    for pieces in tried:
        for loss, penalty in _losses(reading(some, pieces, allowance.terms)):
            pays = _PIECES_GAIN if chosen is not None and pieces and not chosen[1] else 1.0
            if chosen is None or loss < pays * chosen[0]:
                chosen = (loss, pieces, penalty)
    assert chosen is not None
    everything = np.arange(len(values))
    whole = replace(reading(everything, chosen[1], allowance.terms), penalty=chosen[2])
    return replace(whole, encoder=_fitted(whole, _sampled(everything, allowance.rows, seed)))


def _found(
    encoder: WordsEncoder, values: NDArray[Any], goal: Floats, weight: Floats, labels: NDArray[np.int64], *,
    most: int, seed: int,
) -> Reading:  # fmt: skip
    from scipy import sparse

    found = encoder.find(values)
    held = sparse.csr_array(
        (np.ones(len(found.terms)), found.terms.astype(np.int64), found.starts), shape=(found.rows, len(encoder.terms))
    )
    norm = np.sqrt(np.maximum(np.asarray(held @ encoder.rarity), 1.0))
    return Reading(encoder, encoder.encode(found), held, norm, goal, weight, labels, 1.0, most, seed)


def _losses(reading: Reading) -> list[tuple[float, float]]:
    """The squared error of each penalty on rows that were left out, with the penalty."""
    parts = _parts(reading, np.arange(len(reading.goal)))
    found = []
    for penalty in _PENALTIES:
        tried, loss = replace(reading, penalty=penalty), 0.0
        for part in range(int(parts.max(initial=0)) + 1):
            fit, rows = np.flatnonzero(parts != part), np.flatnonzero((parts == part) & ~reading.missing)
            gap = _scored(tried, _fitted(tried, fit), rows) - reading.goal[rows]
            loss += float(reading.weight[rows] @ (gap**2).sum(axis=1))
        found.append((loss, penalty))
    return found


def _fitted(reading: Reading, rows: Indices) -> WordsEncoder:
    """The encoder with the weights that these rows give: ridge regression by conjugate gradients on the normal equations.

    The penalty is relative to the rows, so that the scores of all parts shrink alike.
    Hestenes & Stiefel (1952), Journal of Research of the National Bureau of Standards 49(6).
    """
    from scipy import sparse

    encoder = reading.encoder
    weight = reading.weight[rows] * ~reading.missing[rows]
    total, whole = float(weight.sum()), float(reading.weight.sum())
    mean = weight @ reading.goal[rows] / total if total > 0 else np.zeros(reading.outputs)
    roots = np.sqrt(encoder.rarity)
    scaled = sparse.diags_array(np.sqrt(weight) / reading.norm[rows]) @ reading.held[rows] @ sparse.diags_array(roots)
    design, turned = scaled.tocsr(), scaled.T.tocsr()
    residual = turned @ (np.sqrt(weight)[:, None] * (reading.goal[rows] - mean))
    penalty = max(reading.penalty * total / max(whole, 1e-9), 1e-6)
    slopes, search = np.zeros_like(residual), residual.copy()
    power = (residual**2).sum(axis=0)
    enough = _SMALL * power
    for _ in range(_MOST_STEPS):
        active = power > enough
        if not active.any():
            break
        pushed = turned @ (design @ search) + penalty * search
        step = np.where(active, power / np.maximum((search * pushed).sum(axis=0), 1e-300), 0.0)
        slopes += step * search
        residual -= step * pushed
        before, power = power, (residual**2).sum(axis=0)
        search = residual + np.where(active, power / np.maximum(before, 1e-300), 0.0) * search
    return _stepped(encoder, slopes * roots[:, None] / 4, mean)


def _stepped(encoder: WordsEncoder, weights: Floats, intercept: Floats) -> WordsEncoder:
    """With the weights as whole numbers, as fine as the largest of them allows."""
    largest = float(np.abs(weights).max(initial=0.0))
    exponent = int(np.clip(np.floor(np.log2(LARGEST_WEIGHT / largest)), -60, 60)) if largest > 1e-15 else 0
    whole = np.clip(np.rint(weights * 2.0**exponent), -LARGEST_WEIGHT, LARGEST_WEIGHT) + 0.0  # no negative zero
    return replace(encoder, weights=whole, intercept=intercept, exponent=exponent)


def _scored(reading: Reading, encoder: WordsEncoder, rows: Indices) -> NDArray[np.float32]:
    """What `encoder` says of rows whose terms are known, (rows, outputs): the same bits as from their texts."""
    sums = np.asarray(reading.held[rows] @ encoder.weights)
    score = sums / reading.norm[rows, None] * encoder.unit + encoder.intercept
    score[reading.missing[rows]] = np.nan
    return np.asarray(score.astype(np.float32))


def _goal(target: Floats, outputs: int, seed: int) -> Floats:
    """What scores are fitted to, (rows, outputs): the value, class indicators, or random mixtures of many of these."""
    if outputs == 1:
        return target[:, None]
    if outputs <= _MOST_OUTPUTS:
        return np.eye(outputs)[target.astype(np.intp)]
    mixtures = np.random.default_rng([seed, 17]).normal(size=(outputs, _MOST_OUTPUTS))
    return np.asarray(mixtures[target.astype(np.intp)])


def _parts(reading: Reading, fit: Indices) -> NDArray[np.int64]:
    """The part of each row to fit on: by the folds that validate them, which keep together what belongs together."""
    labels, places = np.unique(reading.labels[fit], return_inverse=True)
    if len(labels) > 1:
        return np.asarray(places % _PARTS, dtype=np.int64)
    rng = np.random.default_rng([reading.seed, 13])
    return np.asarray(rng.permutation(len(fit)) % min(3, max(1, len(fit))), dtype=np.int64)


def _sampled(rows: Indices, most: int, seed: int) -> Indices:
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng([seed, 19]).choice(rows, most, replace=False))
