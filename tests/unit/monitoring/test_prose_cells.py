"""Prose is watched by its words: a new subject moves, other texts of the same kind do not, and no sample is favoured."""

from __future__ import annotations

import numpy as np
import pytest

from flyball.monitoring.cells import Column, cut_columns
from flyball.monitoring.evidence import describe_column
from flyball.monitoring.permutation import permutation_test
from flyball_runtime.schema import Field, Schema
from flyball_runtime.words import WORDS
from support.prose import reviews, texts

SCHEMA = Schema((Field("review", "text", WORDS),))


def cut(before: np.ndarray, after: np.ndarray) -> Column:
    return cut_columns({"review": before}, {"review": after}, SCHEMA).columns[0]


def moved(before: np.ndarray, after: np.ndarray, seed: int) -> bool:
    cells = cut_columns({"review": before}, {"review": after}, SCHEMA)
    return bool(permutation_test(cells, level=0.01, rng=np.random.default_rng(seed)).p < 0.01)


def on_heat(rows: int, seed: int) -> np.ndarray:
    """Reviews, of which every third speaks of heat."""
    plain, _ = reviews(rows, seed)
    return texts([f"{text} overheated" if place % 3 == 0 else text for place, text in enumerate(plain.tolist())])


def test_a_new_subject_is_found_and_named() -> None:
    before, after = reviews(800, seed=1)[0], on_heat(250, seed=2)
    assert moved(before, after, 0)
    finding = describe_column(cut(before, after), before, after, p=0.001, moved=True, kind="text", output=False)
    assert "overheated" in finding.what
    assert "never seen before" in finding.what


def test_texts_of_the_same_kind_do_not_move() -> None:
    assert sum(moved(reviews(500, seed=seed)[0], reviews(200, seed=1000 + seed)[0], seed) for seed in range(12)) <= 1


@pytest.mark.parametrize("seed", range(3))
def test_a_text_has_the_same_cell_whichever_sample_it_is_from(seed: int) -> None:
    both = [*reviews(150, seed=seed)[0].tolist(), *on_heat(50, seed=seed + 10).tolist(), None, "", "!!", "?"]
    order = np.random.default_rng(seed).permutation(len(both))
    one, other = (
        cut(texts(both[:140]), texts(both[140:])),
        cut(texts([both[place] for place in order[:140]]), texts([both[place] for place in order[140:]])),
    )
    assert one.levels == other.levels
    codes = np.concatenate([one.reference, one.window])
    np.testing.assert_array_equal(np.concatenate([other.reference, other.window]), codes[order])
    assert codes.max() < one.size
    assert codes[-1] == one.missing


def test_texts_that_share_no_word_have_one_cell() -> None:
    column = cut(texts([f"a{number} b{number}" for number in range(30)]), texts(["z y x"]))
    assert (column.size, column.levels) == (1, ())
