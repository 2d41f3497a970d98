"""Columns of prose: how long a text is, how many known terms it holds, and how these speak for each output.

Every sum is one of whole numbers that float32 holds exactly, so that no order of adding changes a bit: training, graph and
device agree whatever their kernels do. Roots and quotients are rounded once, as IEEE 754 says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flyball_runtime.schema import Field
from flyball_runtime.words import MISSING_TEXT, MOST_PIECES, PIECE_MARK, PIECES, WORDS, pieces_of, spelling, words_of

if TYPE_CHECKING:
    from flyball.graph import GraphBuilder

__all__ = ["Found", "WordsEncoder", "choose_terms", "emit_words", "fit_words", "reads_as_prose", "words_encoder"]

# Times 2,048, more different terms than any text may have (400 words, 399 pairs of them, 1,200 pieces), it stays below
# 2**24, up to which float32 holds every whole number.
LARGEST_WEIGHT = 8_191
MOST_TERMS = 6_000
_LOOKED_AT = 2_000  # texts by which a column is known for prose
_COUNTED = 10_000  # texts whose terms are counted
_PIECES_SHARE = 0.4  # of the terms, where pieces are read
_NEARLY_ALL = 0.95  # of the texts
_ROWS_AT_ONCE = 4_096
_RARITY_UNIT = 16  # steps of a squared inverse document frequency per one


@dataclass(frozen=True, slots=True)
class Found:
    """The different known terms of each row: those of row i are `terms[starts[i]:starts[i + 1]]`, in rising order.

    length: (rows,) tokens; missing: (rows,) whether there is no text.
    """

    starts: NDArray[np.int64]
    terms: NDArray[np.int32]
    length: NDArray[np.int64]
    missing: NDArray[np.bool_]

    @property
    def rows(self) -> int:
        return len(self.length)


@dataclass(frozen=True, eq=False)
class WordsEncoder:
    """Length in tokens, number of different known terms, and a score per output: NaN where there is no text.

    score = 4 * 2**-exponent * sum of weights / sqrt(max(1, sum of rarity)) + intercept, both sums over the different
    known terms of a text: a linear model on tf-idf of length one, terms counted once. rarity: (terms,) 16 times the
    squared inverse document frequency; weights: (terms, outputs); both whole numbers. A term is a word, two words in a
    row, or a piece of a word.
    """

    column: str
    terms: tuple[str, ...]
    rarity: NDArray[np.float64]
    weights: NDArray[np.float64]
    intercept: NDArray[np.float64]
    exponent: int = 0
    pieces: bool = False
    missing: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (f"{self.column}: length", f"{self.column}: known terms", *self.score_names)

    @property
    def score_names(self) -> tuple[str, ...]:
        """One per output, none before the weights are fitted."""
        if self.outputs == 1:
            return (f"{self.column}: score",)
        return tuple(f"{self.column}: score {number}" for number in range(1, self.outputs + 1))

    @property
    def outputs(self) -> int:
        return int(self.weights.shape[1])

    @property
    def field(self) -> Field:
        """The column as the graph reads it: `logical` says how its texts are spelled."""
        return Field(self.column, "text", PIECES if self.pieces else WORDS)

    @cached_property
    def absent(self) -> tuple[str, ...]:
        """Every spelling that counts as missing."""
        spelt = (" ".join(spelling(word, pieces=self.pieces)) for word in self.missing)
        return tuple(dict.fromkeys((MISSING_TEXT, *spelt)))

    @cached_property
    def _index(self) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
        """Position of each single term, and of each second word by its first."""
        single: dict[str, int] = {}
        double: dict[str, dict[str, int]] = {}
        for position, term in enumerate(self.terms):
            first, space, second = term.partition(" ")
            if space:
                double.setdefault(first, {})[second] = position
            else:
                single[first] = position
        return single, double

    def find(self, values: NDArray[Any]) -> Found:
        """The known terms of raw texts: (rows,) of str or None."""
        rows = len(values)
        length, missing = np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.bool_)
        counts = np.zeros(rows + 1, dtype=np.int64)
        terms: list[int] = []
        absent = frozenset(self.absent)
        known: dict[str, tuple[int, frozenset[int]]] = {}
        for row, value in enumerate(values.tolist()):
            words = words_of(value) if value else []
            missing[row] = not words or (len(absent) > 1 and " ".join(spelling(value, pieces=self.pieces)) in absent)
            if not missing[row]:
                length[row], held = self._held(words, known)
                terms += sorted(held)
                counts[row + 1] = len(held)
        return Found(np.cumsum(counts), np.array(terms, dtype=np.int32), length, missing)

    def _held(self, words: list[str], known: dict[str, tuple[int, frozenset[int]]]) -> tuple[int, set[int]]:
        """Number of tokens and the known terms; `known`: how many pieces a word has and which of them are terms."""
        single, double = self._index
        held = {single[word] for word in words if word in single}
        if double:
            for first, second in pairwise(words):
                follows = double.get(first)
                if follows is not None and second in follows:
                    held.add(follows[second])
        if not self.pieces:
            return len(words), held
        left = MOST_PIECES
        for word in dict.fromkeys(words):
            if word not in known:
                parts = pieces_of(word)
                known[word] = len(parts), frozenset(single[part] for part in parts if part in single)
            if known[word][0] > left:  # the last word that is read, in part
                held |= {single[part] for part in pieces_of(word)[:left] if part in single}
                left = 0
                break
            left -= known[word][0]
            held |= known[word][1]
        return len(words) + 1 + MOST_PIECES - left, held

    @property
    def table(self) -> NDArray[np.float32]:
        """What each term adds: its weights, its rarity, and one. (terms, outputs + 2)"""
        return np.column_stack([self.weights, self.rarity, np.ones(len(self.terms))]).astype(np.float32)

    def encode(self, found: Found) -> NDArray[np.float32]:
        """The features of texts whose terms were found: (rows, 2 + outputs) float32."""
        table = self.table.astype(np.float64)
        features = np.empty((found.rows, 2 + self.outputs), dtype=np.float32)
        for start in range(0, found.rows, _ROWS_AT_ONCE):
            end = min(found.rows, start + _ROWS_AT_ONCE)
            starts = found.starts[start : end + 1]
            sums = _sums(table[found.terms[starts[0] : starts[-1]]], starts - starts[0])
            norm = np.sqrt(np.maximum(sums[:, [-2]], 1.0))
            score = sums[:, :-2] / norm * self.unit + self.intercept
            block = np.column_stack([found.length[start:end].astype(np.float64), sums[:, -1], score])
            block[found.missing[start:end]] = np.nan
            features[start:end] = block
        return features

    @property
    def unit(self) -> float:
        """What a quotient of the two sums is multiplied with: a power of two."""
        return float(4.0 * 2.0**-self.exponent)

    def apply(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """(rows,) str or None -> (rows, 2 + outputs) float32."""
        return self.encode(self.find(values))

    def shares(self, text: str | None, output: int) -> list[tuple[str, float]]:
        """Each known term of a text with what it adds to one score, the largest first; ties in alphabetical order."""
        values = np.empty(1, dtype=object)
        values[0] = text
        terms = self.find(values).terms
        norm = float(np.sqrt(max(float(self.rarity[terms].sum()), 1.0)))
        found = [(self.terms[term], float(self.weights[term, output]) / norm * self.unit) for term in terms]
        return sorted(found, key=lambda item: (-abs(item[1]), item[0]))

    def to_dict(self) -> dict[str, Any]:
        described = {
            "kind": "words", "column": self.column, "terms": list(self.terms), "pieces": self.pieces,
            "rarity": self.rarity.astype(np.int64).tolist(), "weights": self.weights.astype(np.int64).tolist(),
            "intercept": self.intercept.tolist(), "exponent": self.exponent,
        }  # fmt: skip
        return {**described, "missing": list(self.missing)} if self.missing else described


def words_encoder(raw: Mapping[str, Any]) -> WordsEncoder:
    """The encoder of `to_dict`."""
    outputs = len(raw["intercept"])
    return WordsEncoder(
        raw["column"],
        tuple(raw["terms"]),
        np.array(raw["rarity"], dtype=np.float64),
        np.array(raw["weights"], dtype=np.float64).reshape(len(raw["terms"]), outputs),
        np.array(raw["intercept"], dtype=np.float64),
        raw["exponent"],
        raw["pieces"],
        tuple(raw.get("missing", ())),
    )


def _sums(rows: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sums of consecutive rows of whole numbers, exact in any order: (groups, columns); a group may be empty."""
    running = np.zeros((len(rows) + 1, rows.shape[1]))
    np.cumsum(rows, axis=0, out=running[1:])
    return running[starts[1:]] - running[starts[:-1]]


def reads_as_prose(values: NDArray[Any]) -> bool:
    """Whether most texts of a column, (rows,) of str or None, are several words that hardly ever come again as a whole."""
    present = [value for value in values.tolist() if value is not None]
    if not present:
        return False
    sample = present[:: max(1, len(present) // _LOOKED_AT)][:_LOOKED_AT]
    if len(set(sample)) <= 0.5 * len(sample):
        return False
    return sum(_several(value) for value in sample) > 0.5 * len(sample)


def _several(text: str) -> bool:
    """Three words with spaces between them, or as many signs of a script that has none."""
    words = words_of(text[:200])
    if len(words) < 3:
        return False
    return text.count(" ") >= 2 or sum(len(word) == 1 for word in words) > len(words) // 2


def fit_words(
    column: str,
    values: NDArray[Any],
    missing: tuple[str, ...] = (),
    *,
    pieces: bool = False,
    most: int = MOST_TERMS,
    counted: int = _COUNTED,
) -> WordsEncoder:
    """The column's terms without any weight. `values`, (rows,) of str or None, hold none of the `missing` ones.

    counted: how many texts decide which terms are known.
    """
    present = [value for value in values.tolist() if value is not None]
    chosen = present[:: max(1, -(-len(present) // counted))]
    terms, counts = choose_terms((spelling(value, pieces=pieces) for value in chosen), len(chosen), most)
    rarity = (np.log((1 + len(chosen)) / (1 + counts)) + 1) ** 2
    stepped = np.clip(np.rint(_RARITY_UNIT * rarity), 1, LARGEST_WEIGHT)
    nothing = np.zeros((len(terms), 0))
    return WordsEncoder(column, terms, stepped, nothing, np.zeros(0), 0, pieces, missing)


def choose_terms(texts: Iterable[Sequence[str]], rows: int, most: int) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """The terms that most of the spelled texts hold, and how many texts hold each; ties stand in alphabetical order.

    A term stands in at least three texts, of fewer than 200 in two, and not in nearly all: that would tell none from
    another. Where pieces are read they are four tenths.
    """
    counts: Counter[str] = Counter()
    for tokens in texts:
        end = tokens.index(PIECE_MARK) if PIECE_MARK in tokens else len(tokens)
        words = tokens[:end]
        counts.update({*words, *tokens[end + 1 :], *(f"{a} {b}" for a, b in pairwise(words))})
    del counts[MISSING_TEXT]
    least, most_held = 3 if rows >= 200 else 2, _NEARLY_ALL * rows
    ranked = sorted((-count, term) for term, count in counts.items() if least <= count <= most_held)
    parts = [(count, term) for count, term in ranked if term[0] == PIECE_MARK][: int(_PIECES_SHARE * most)]
    whole = [(count, term) for count, term in ranked if term[0] != PIECE_MARK][: most - len(parts)]
    kept = sorted(
        [*whole, *parts], key=lambda item: (" " in item[1], item[0], item[1])
    )  # the graph wants singles first
    return tuple(term for _, term in kept), np.array([-count for count, _ in kept], dtype=np.float64)


def emit_words(builder: GraphBuilder, texts: str, position: int | None, encoder: WordsEncoder) -> str:
    """The graph's twin of `apply`: string [N, c], spelled -> float32 [N, 2 + outputs]; position: None for a lone column."""
    column = texts
    if position is not None:
        column = builder.node("Gather", texts, builder.constant(np.array([position]), "column"), axis=1)
    flat = builder.node("Reshape", column, builder.constant(np.array([-1]), "flat"))
    tokens, count = builder.node("StringSplit", flat, outputs=2, delimiter=" ")
    sums = builder.cast(
        builder.node("MatMul", _emit_found(builder, tokens, encoder), _table(builder, encoder)), np.float64
    )

    def part(columns: list[int]) -> str:
        return builder.node("Gather", sums, builder.constant(np.array(columns), "columns"), axis=1)

    upright = builder.node("Reshape", count, builder.constant(np.array([-1, 1]), "upright"))
    blocks = [builder.cast(upright, np.float64), part([encoder.outputs + 1])]
    if encoder.outputs:
        norm = builder.node("Max", part([encoder.outputs]), builder.constant(np.array(1.0), "one"))
        quotient = builder.node("Div", part(list(range(encoder.outputs))), builder.node("Sqrt", norm))
        scaled = builder.node("Mul", quotient, builder.constant(np.array(encoder.unit), "unit"))
        blocks.append(builder.node("Add", scaled, builder.constant(encoder.intercept[None, :], "intercept")))
    gone = builder.node(
        "LabelEncoder", column, domain="ai.onnx.ml", keys_strings=list(encoder.absent),
        values_int64s=[1] * len(encoder.absent), default_int64=0,
    )  # fmt: skip
    nothing = builder.constant(np.array(np.nan), "nothing")
    features = builder.node("Where", builder.cast(gone, np.bool_), nothing, builder.node("Concat", *blocks, axis=1))
    return builder.cast(features, np.float32)


def _table(builder: GraphBuilder, encoder: WordsEncoder) -> str:
    return builder.constant(encoder.table, "terms")


def _emit_found(builder: GraphBuilder, tokens: str, encoder: WordsEncoder) -> str:
    """float32 [N, terms]: one where a text holds the term."""
    single = [term for term in encoder.terms if " " not in term]
    double = [word for term in encoder.terms if " " in term for word in term.split(" ")]
    longest = 2 if double else 1
    return builder.node(
        "TfIdfVectorizer", tokens, mode="IDF", min_gram_length=1, max_gram_length=longest, max_skip_count=0,
        ngram_counts=[0, len(single)][:longest], ngram_indexes=list(range(len(encoder.terms))),
        pool_strings=[*single, *double],
    )  # fmt: skip
