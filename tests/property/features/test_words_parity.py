"""Prose gives the same float32 bits in numpy and in ONNX Runtime, whatever is written and however rows are batched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnxruntime
from hypothesis import given, settings
from hypothesis import strategies as st

from flyball.data import Table
from flyball.features import Frame, WordsEncoder, fit_frame, fit_words
from flyball.features.frame import DroppedColumn
from flyball.graph import GraphBuilder
from flyball_runtime.schema import Field, Schema
from flyball_runtime.words import spelled
from support.prose import reviews, texts

SEEN, _ = reviews(300, seed=1)
TEXTS = st.one_of(
    st.none(),
    st.sampled_from(["", "n/a", "N/A", "the", "THE pump", "\ue000", "pump " * 900, "東京", "\ud800"]),
    st.sampled_from(SEEN.tolist()),
    st.text(max_size=60),
    st.lists(st.sampled_from(" ".join(SEEN[:20]).split()), max_size=30).map(" ".join),
)


def fitted(*, pieces: bool, outputs: int, seed: int) -> WordsEncoder:
    encoder = fit_words("note", SEEN, ("n/a",), pieces=pieces)
    rng = np.random.default_rng(seed)
    weights = rng.integers(-8191, 8192, size=(len(encoder.terms), outputs)).astype(np.float64)
    return replace(encoder, weights=weights, intercept=rng.normal(size=outputs), exponent=int(rng.integers(-5, 30)))


def answers(frame: Frame, table: Table, batch: int) -> np.ndarray:
    builder = GraphBuilder()
    builder.output("matrix", frame.emit(builder).matrix, np.dtype(np.float32), len(frame.names))
    session = onnxruntime.InferenceSession(builder.build("test"), providers=["CPUExecutionProvider"])
    names = frame.schema.of_kind("text")
    cells = [
        ["\ue000" if cell is None else cell for cell in table[name].tolist()] if frame.schema[name].logical == ""
        else [spelled(cell, frame.schema[name]) for cell in table[name].tolist()]
        for name in names
    ]  # fmt: skip
    given_texts = np.array(cells, dtype=object).T
    parts = [given_texts[start : start + batch] for start in range(0, table.rows, batch)]
    return np.concatenate([session.run(["matrix"], {"texts": part})[0] for part in parts])


@settings(max_examples=40, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=12), st.booleans(), st.sampled_from([0, 1, 3]), st.integers(0, 1000))
def test_numpy_and_the_graph_agree_in_every_bit(
    written: list[str | None], pieces: bool, outputs: int, seed: int
) -> None:
    encoder = fitted(pieces=pieces, outputs=outputs, seed=seed)
    frame = Frame(Schema((encoder.field,)), (encoder,))
    table = Table(Schema((Field("note", "text"),)), {"note": texts(written)})
    ours = frame.apply(table.columns)
    for batch in (1, len(written)):
        np.testing.assert_array_equal(answers(frame, table, batch).view(np.int32), ours.view(np.int32))
    again = Frame.from_dict(frame.to_dict())
    np.testing.assert_array_equal(again.apply(table.columns), ours)
    assert again.schema == frame.schema


def test_prose_stands_beside_levels_in_any_order_of_columns() -> None:
    sites = texts(["north", "south", None] * 100)
    table = Table(
        Schema((Field("site", "text"), Field("note", "text"), Field("row", "text"))),
        {"site": sites, "note": SEEN, "row": texts([f"k{number}x" for number in range(300)])},
    )
    frame = fit_frame(table)
    assert [encoder.column for encoder in frame.encoders] == ["note", "site"]
    assert frame.dropped == (DroppedColumn("row", "every row holds a different text"),)
    assert frame.schema["note"].logical == "words"
    np.testing.assert_array_equal(answers(frame, table, 50), frame.apply(table.columns))


def test_what_each_term_adds_sums_to_the_score() -> None:
    encoder = fitted(pieces=True, outputs=2, seed=4)
    for text in SEEN[:20].tolist():
        added = sum(share for _, share in encoder.shares(text, 1))
        score = encoder.apply(texts([text]))[0, 3]
        np.testing.assert_allclose(added + encoder.intercept[1], score, rtol=1e-5)
