"""Tables in memory through the Python interface: each is read, or refused with a coded error that says how to go on."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import flyball as fb
from flyball.data import read_source
from support.projects import standing

ROWS = 60
A = np.random.default_rng(5).normal(size=ROWS)
Y = (A + np.random.default_rng(6).normal(size=ROWS) > 0).astype(int)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[fb.Project]:
    with_path: Path = standing("binary").copy(tmp_path_factory.mktemp("python") / "p")
    opened = fb.open(with_path)
    yield opened
    opened.close()


REFUSED: dict[str, tuple[Any, Any, str]] = {
    # what: (table, target, code)
    "nothing": (None, "y", "FB-TABLE-001"), "a number": (5, "y", "FB-TABLE-001"), "bytes": (b"a,y", "y", "FB-TABLE-001"),
    "a generator": ((row for row in range(3)), "y", "FB-TABLE-001"), "a series": (pd.Series(A), "y", "FB-TABLE-001"),
    "one dimension": (A, "y", "FB-TABLE-001"), "three dimensions": (np.zeros((3, 3, 3)), "y", "FB-TABLE-001"),
    "no columns": ({}, "y", "FB-DATA-003"), "no rows": ({"a": [], "y": []}, "y", "FB-DATA-003"),
    "no such file": ("nope.csv", "y", "FB-DATA-001"), "ragged": ({"a": [1, 2], "y": [1]}, "y", "FB-TABLE-003"),
    "one name twice": (pd.DataFrame(np.zeros((20, 2)), columns=["y", "y"]), "y", "FB-DATA-005"),
    "a near miss": ({"alpha": A, "y": Y}, "alhpa", "FB-TARGET-001"), "no target": ({"a": A}, None, "FB-PROJECT-005"),
    "a number for a target": ({"a": A, "y": Y}, 3, "FB-CONFIG-004"),
    "one class": ({"a": A, "y": np.ones(ROWS)}, "y", "FB-TARGET-003"),
    "no values": ({"a": A, "y": np.full(ROWS, np.nan)}, "y", "FB-TARGET-002"),
    "nine rows": ({"a": A[:9], "y": Y[:9]}, "y", "FB-TARGET-004"), "the target only": ({"y": Y}, "y", "FB-PIPE-001"),
    "objects": ({"a": [object()] * ROWS, "y": Y}, "y", "FB-PIPE-001"),
    "complex numbers": ({"a": A + 1j, "y": Y}, "y", "FB-PIPE-001"),
    "half a surrogate pair": ({"a": ["\udcff", "b"] * 30, "y": Y}, "y", "FB-DATA-004"),
    "half a surrogate pair in a name": ({"\udcff": A, "y": Y}, "y", "FB-DATA-004"),
    "a zero byte in a name": ({"a\0b": A, "y": Y}, "y", "FB-DATA-004"),
    "nested values": (pl.DataFrame({"a": [[1]] * ROWS, "y": Y}), "y", "FB-PIPE-001"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_learned_from_is_refused(kind: str, project: fb.Project) -> None:
    table, target, code = REFUSED[kind]
    with pytest.raises(fb.BadInput) as caught:
        project.learn(table, target=target, budget="0s")
    assert caught.value.code == code
    assert caught.value.fix


@pytest.mark.parametrize("budget", ["soon", -3, float("nan"), float("inf"), [], True, "1e400s"])
def test_a_budget_that_is_none_is_refused(budget: Any, project: fb.Project) -> None:
    with pytest.raises(fb.BadInput) as caught:
        project.learn({"a": A, "y": Y}, target="y", budget=budget)
    assert caught.value.code == "FB-CONFIG-005"


TAKEN: dict[str, Any] = {
    "lists": {"a": A.tolist(),
    "y": Y.tolist()},
    "pandas": pd.DataFrame({"a": A, "y": Y}),
    "polars": pl.DataFrame({"a": A, "y": Y}),
    "lazy": pl.DataFrame({"a": A, "y": Y}).lazy(),
    "rows": [{"a": a, "y": y} for a, y in zip(A.tolist(), Y.tolist(), strict=True)],
    "a name of no letters": {"": A, "y": Y},
    "names that are numbers": pd.DataFrame({0: A, "y": Y}),
    "a name of bytes": {b"a": A, "y": Y},
    "masked": {"a": np.ma.masked_greater(A, 1), "y": Y}, "float16": {"a": A.astype(np.float16), "y": Y},
    "decimals": {"a": [decimal.Decimal("1.5"), decimal.Decimal("NaN")] * 30, "b": A, "y": Y},
    "durations": {"a": pd.to_timedelta(A, unit="h"),
    "y": Y},
    "zoned times": {"a": pd.date_range("2020", periods=ROWS, tz="Europe/Zurich"),
    "b": A, "y": Y},
    "dates before 1800": {"a": [dt.date(1700 + place, 1, 1) for place in range(ROWS)], "b": A, "y": Y},
    "dates after 3000": {"a": [dt.datetime(3000 + place, 1, 1, tzinfo=dt.UTC) for place in range(ROWS)], "b": A, "y": Y},
    "categories": {"a": pd.Series(["x", "y"] * 30, dtype="category"), "b": A, "y": Y},
    "missing integers": pd.DataFrame({"a": pd.array([1, None] * 30, dtype="Int64"), "b": A, "y": Y}),
    "numbers beyond float64": {"a": [10**400, 1] * 30, "b": A, "y": Y}, "numbers beyond 2^53": {"a": A * 1e17, "y": Y},
    "zero bytes in text": {"a": ["x\0", "b"] * 30, "b": A, "y": Y},
    "periods": {"a": pd.Series(pd.period_range("2020", periods=ROWS, freq="M")),
    "b": A, "y": Y},
}  # fmt: skip


@pytest.mark.parametrize("kind", TAKEN)
def test_what_can_be_learned_from_is_taken_whatever_its_form(kind: str, project: fb.Project) -> None:
    model = project.learn(TAKEN[kind], target="y", budget="0s")
    assert model.evidence["task"] == "binary"


def test_a_few_texts_among_numbers_become_missing_and_the_rows_are_said() -> None:
    found = read_source({"a": [*A.tolist() * 5, "n.k.", *A.tolist()], "b": ["x"] * 361})
    assert found.table.schema["a"].kind == "number"
    assert np.isnan(found.table["a"][300])
    assert found.notes == ['"a": 1 cell is no number of 361, read as missing: row 300 holds "n.k."']
    mixed = read_source({"a": [1, "u", 2.5] * 20})
    assert (mixed.table.schema["a"].kind, "row 1 holds a str" in mixed.notes[0]) == ("text", True)
