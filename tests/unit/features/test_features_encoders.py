"""Which columns are kept, how levels are coded, and that encodings do not leak."""

from __future__ import annotations

import numpy as np

from flyball.data import Table
from flyball.features import cross_fitted, fit_encoding, fit_frame
from flyball.features.texts import fit_text
from flyball_runtime.schema import MISSING_TIME, Field, Schema


def texts(*values: str | None) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def test_columns_that_cannot_teach_are_left_out_with_the_reason() -> None:
    schema = Schema((Field("same", "number"), Field("gone", "time"), Field("unique", "text"), Field("kept", "number")))
    table = Table(
        schema,
        {
            "same": np.ones(3),
            "gone": np.full(3, MISSING_TIME, dtype=np.int64),
            "unique": texts("a", "b", "c"),
            "kept": np.array([1.0, 1.0, np.nan]),
        },
    )
    frame = fit_frame(table)
    assert frame.schema.names == ("kept",)
    assert {item.column: item.why for item in frame.dropped} == {
        "same": "every row holds the same value",
        "gone": "every value is missing",
        "unique": "every row holds a different text",
    }


def test_a_table_of_constants_keeps_one_column_so_that_rows_can_be_counted() -> None:
    table = Table(Schema((Field("a", "number"), Field("b", "number"))), {"a": np.ones(4), "b": np.zeros(4)})
    assert fit_frame(table).schema.names == ("a",)


def test_levels_are_ranked_by_frequency_and_rare_ones_share_the_code_of_unseen_ones() -> None:
    encoder = fit_text("s", texts("b", "a", "a", "a", "b", "once", None))
    assert encoder.levels == ("a", "b")
    assert encoder.codes(texts("a", "b", "once", "never", None, "")).tolist() == [0, 1, 2, 2, -1, -1]


def test_at_most_so_many_levels_get_a_code_of_their_own() -> None:
    values = texts(*[f"level {index % 50:02d}" for index in range(200)])
    assert len(fit_text("s", values, most=10).levels) == 10


def test_an_encoding_is_the_smoothed_mean_and_the_prior_where_nothing_was_seen() -> None:
    codes = np.array([0.0] * 85 + [1.0] * 15)
    target = np.array([1.0] * 85 + [0.0] * 15)[:, None]
    table = fit_encoding(0, "s", codes, target, slots=4).table[:, 0]
    np.testing.assert_allclose(table, [0.85, (85 + 15 * 0.85) / 100, 15 * 0.85 / 30, 0.85], rtol=1e-6)


def test_doubling_every_weight_changes_no_encoding() -> None:
    rng = np.random.default_rng(0)
    codes, target = rng.integers(-1, 4, 200).astype(float), rng.random((200, 1))
    weight = rng.random(200)
    once = fit_encoding(0, "s", codes, target, slots=6, weight=weight).table
    twice = fit_encoding(0, "s", codes, target, slots=6, weight=2 * weight).table
    np.testing.assert_allclose(once, twice, rtol=1e-6)


def test_cross_fitting_hides_each_rows_own_target() -> None:
    """Levels of two rows and a target of noise: a leaking encoding would correlate with it, an honest one cannot."""
    rng = np.random.default_rng(1)
    codes = np.repeat(np.arange(1000.0), 2)
    target = rng.normal(size=(2000, 1))
    naive = fit_encoding(0, "s", codes, target, slots=1002).apply(codes)[:, 0]
    honest = cross_fitted(0, "s", codes, target, slots=1002, rng=rng)[:, 0]
    assert np.corrcoef(naive, target[:, 0])[0, 1] > 0.6
    assert np.corrcoef(honest, target[:, 0])[0, 1] < 0.1
