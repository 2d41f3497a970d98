"""Two samples in the same cells: every row in exactly one, and neither sample favoured."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from flyball.monitoring.cells import cut_columns
from flyball_runtime.schema import Field, Schema

NUMBERS = st.lists(
    st.one_of(st.floats(allow_nan=True, allow_infinity=True, width=32), st.sampled_from([0.0, 1.0, 2.0])),
    min_size=1,
    max_size=120,
)
TEXTS = st.lists(st.one_of(st.none(), st.sampled_from("abcdefg"), st.text(max_size=2)), min_size=1, max_size=120)
SCHEMA = Schema((Field("n", "number"), Field("t", "text")))


def columns(numbers: list[float], texts: list[str | None]) -> dict[str, np.ndarray]:
    rows = min(len(numbers), len(texts))
    text = np.empty(rows, dtype=object)
    text[:] = texts[:rows]
    return {"n": np.array(numbers[:rows], dtype=np.float64), "t": text}


@settings(deadline=None, max_examples=80)
@given(NUMBERS, TEXTS, NUMBERS, TEXTS)
def test_every_row_is_in_one_cell_and_equal_values_in_the_same(a: list, b: list, c: list, d: list) -> None:
    before, after = columns(a, b), columns(c, d)
    cells = cut_columns(before, after, SCHEMA)
    for column in cells.columns:
        codes = np.concatenate([column.reference, column.window])
        values = np.concatenate([before[column.name], after[column.name]])
        assert codes.min() >= 0
        assert codes.max() < column.size
        groups: dict[object, set[int]] = {}
        for value, code in zip(values.tolist(), codes.tolist(), strict=True):
            groups.setdefault("gap" if value is None or value != value else value, set()).add(code)
        assert all(len(group) == 1 for group in groups.values())
        if column.ordered:
            known = ~np.isnan(values)
            order = np.argsort(values[known], kind="stable")
            assert (np.diff(codes[known][order]) >= 0).all()


@settings(deadline=None, max_examples=60)
@given(NUMBERS, TEXTS, NUMBERS, TEXTS, st.integers(0, 2**32 - 1))
def test_cells_depend_on_both_samples_together_not_on_who_has_which_row(
    a: list, b: list, c: list, d: list, seed: int
) -> None:
    before, after = columns(a, b), columns(c, d)
    both = {name: np.concatenate([before[name], after[name]]) for name in before}
    order = np.random.default_rng(seed).permutation(len(both["n"]))
    split = len(before["n"])
    mixed = {name: values[order] for name, values in both.items()}
    one = cut_columns(before, after, SCHEMA)
    other = cut_columns(
        {name: values[:split] for name, values in mixed.items()},
        {name: values[split:] for name, values in mixed.items()},
        SCHEMA,
    )
    for mine, theirs in zip(one.columns, other.columns, strict=True):
        codes = np.concatenate([mine.reference, mine.window])
        assert np.array_equal(codes[order], np.concatenate([theirs.reference, theirs.window]))
