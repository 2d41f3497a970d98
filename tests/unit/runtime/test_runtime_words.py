"""A text is spelled as its words, folded and bounded, whatever stands in it."""

from __future__ import annotations

import pytest

from flyball_runtime.schema import Field
from flyball_runtime.words import (
    MISSING_TEXT,
    MOST_PIECES,
    MOST_WORDS,
    PIECE_MARK,
    PIECES,
    WORDS,
    spelled,
    spelling,
    words_of,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The pump BROKE, again!", ["the", "pump", "broke", "again"]),
        ("Straße STRASSE straße", ["strasse", "strasse", "strasse"]),
        ("ﬁne fine", ["fine", "fine"]),
        ("東京の天気", ["東", "京", "の", "天", "気"]),
        ("ok 👍", ["ok", "👍"]),
        ("tab\tline\nspace\u00a0end", ["tab", "line", "space", "end"]),
        ("under_score x-ray 3.5", ["under", "score", "x", "ray", "3", "5"]),
        ("half \ud800 a pair", ["half", "a", "pair"]),
        ("a" * 100, ["a" * 32]),
    ],
)
def test_words_are_runs_of_letters_and_digits_without_regard_to_case(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize("text", [None, "", "   ", "?!", "\ue000"])
def test_a_text_without_a_word_is_missing(text: str | None) -> None:
    assert spelling(text, pieces=True) == [MISSING_TEXT]


def test_a_text_of_any_length_is_spelled_in_bounds() -> None:
    long = " ".join(f"word{number}" for number in range(100_000))
    assert len(spelling(long, pieces=False)) == MOST_WORDS
    assert len(spelling(long, pieces=True)) == MOST_WORDS + 1 + MOST_PIECES
    assert len(spelled("x" * 10_000_000, Field("text", "text", PIECES))) < 1_000


def test_pieces_follow_the_words_and_are_taken_for_none() -> None:
    assert spelled("Cats, cats", Field("text", "text", WORDS)) == "cats cats"
    tokens = spelling("Cats, cats ~ats", pieces=True)
    assert tokens[:3] == ["cats", "cats", "ats"]
    assert tokens[3] == PIECE_MARK
    assert all(token.startswith(PIECE_MARK) for token in tokens[3:])
