"""Prose is scored honestly: no row's score saw its own target, pieces must pay, and a budget bounds the reading."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm as normal
from sklearn.metrics import roc_auc_score

from flyball.automl.prose import QUICK, ReadingAllowance, framed, scores_of
from flyball.data import Table
from flyball_runtime.schema import Field, Schema
from support.prose import reviews, texts


def folds_of(rows: int, count: int = 5) -> list[tuple[np.ndarray, np.ndarray]]:
    part = np.arange(rows) % count
    return [(np.flatnonzero(part != number), np.flatnonzero(part == number)) for number in range(count)]


def prose(values: np.ndarray) -> Table:
    return Table(Schema((Field("review", "text"),)), {"review": values})


def read(values: np.ndarray, target: np.ndarray, allowance: ReadingAllowance = QUICK, outputs: int = 1):
    rows = len(values)
    return framed(
        prose(values), None, target.astype(float), np.ones(rows), outputs=outputs, folds=folds_of(rows), seed=0,
        allowance=allowance,
    )  # fmt: skip


def test_scores_of_rows_tell_the_classes_apart_on_rows_to_come() -> None:
    values, good = reviews(1_500, seed=3)
    made = read(values[:1000], good[:1000])
    assert made.frame.names == ("review: length", "review: known terms", "review: score")
    later = made.frame.apply(prose(values[1000:]).columns)
    found, promised = roc_auc_score(good[1000:], later[:, 2]), roc_auc_score(good[:1000], made.matrix[:, 2])
    assert found > 0.85
    assert promised == pytest.approx(found, abs=0.05), "scores of training rows are as good as those of new rows"


@pytest.mark.parametrize("seed", range(4))
def test_texts_that_say_nothing_score_by_chance_on_the_rows_they_were_fitted_on(seed: int) -> None:
    values, _ = reviews(600, seed=seed)
    target = np.random.default_rng(100 + seed).random(600) < 0.5
    made = read(values, target)
    auc, spread = roc_auc_score(target, made.matrix[:, 2]), 1 / np.sqrt(3 * 600)
    assert abs(auc - 0.5) < normal.ppf(0.9995) * spread
    inside = made.frame.apply(prose(values).columns)[:, 2]
    assert roc_auc_score(target, inside) > 0.6, "the final weights saw these rows, and would have flattered"


def test_a_folds_scores_do_not_change_with_the_targets_of_the_rows_it_validates() -> None:
    values, good = reviews(400, seed=5)
    fit, validate = folds_of(400)[1]
    turned = good.copy()
    turned[validate] = ~turned[validate]
    scores = []
    for target in (good, turned):
        (reading,) = read(values, target).readings.values()
        from dataclasses import replace

        scores.append(scores_of(replace(reading, penalty=1.0), fit, validate))
    for before, after in zip(*scores, strict=True):
        np.testing.assert_array_equal(before, after)


def test_pieces_of_words_are_read_where_misspelling_makes_them_pay() -> None:
    words = np.random.default_rng(1).permutation(2_000).reshape(400, 5)
    codes = texts(
        [" ".join(f"{number * 7919 % 100_003:05}" for number in row) + f" kind{i % 2}" for i, row in enumerate(words)]
    )
    assert not next(iter(read(codes, np.arange(400) % 2).frame.prose.values())).pieces
    misspelt, told = reviews(1_200, seed=7, misspelt=0.7)
    assert next(iter(read(misspelt, told).frame.prose.values())).pieces


@pytest.mark.parametrize("classes", [3, 40])
def test_many_classes_share_a_bounded_number_of_scores(classes: int) -> None:
    kinds = np.random.default_rng(2).integers(0, classes, 1_200)
    values = texts([f"this is about thing{kind} and so on number{number}" for number, kind in enumerate(kinds)])
    made = read(values, kinds, outputs=classes)
    assert made.matrix.shape == (1_200, 2 + min(classes, 24))
    nearest = _nearest(made.matrix[:, 2:], kinds)
    assert nearest > 0.95


def _nearest(scores: np.ndarray, truth: np.ndarray) -> float:
    """How often the mean of the own class is the nearest, its means from the first half and judged on the second."""
    half = len(scores) // 2
    means = np.stack([scores[:half][truth[:half] == label].mean(axis=0) for label in np.unique(truth)])
    gaps = ((scores[half:, None, :] - means[None]) ** 2).sum(axis=2)
    return float((gaps.argmin(axis=1) == truth[half:]).mean())


def test_more_text_than_a_budget_can_read_counts_as_levels() -> None:
    values, good = reviews(400, seed=9)
    made = read(values, good, ReadingAllowance(100, 100, characters=10.0))
    assert made.readings == {}
    assert made.unread == ("review",)
    assert made.frame.names == ("review",)


def test_missing_texts_have_no_score_and_no_say() -> None:
    values, good = reviews(400, seed=11)
    values[::4] = None
    made = read(values, good)
    assert np.isnan(made.matrix[::4]).all()
    assert not np.isnan(made.matrix[1::4]).any()
