"""What a judged window says: whether something moved, what, and by how much."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from flyball.monitoring import Baseline, Reference, judge_window
from flyball_runtime.schema import Field, Schema
from support.worlds import WORLDS, Columns, judged, schema_of, shares

LEVEL = 0.001


def world(rng: np.random.Generator, rows: int) -> Columns:
    return {**WORLDS["independent"](rng, rows), "positive": rng.lognormal(size=rows)}


def gap(columns: Columns, rng: np.random.Generator) -> None:
    columns["n1"][rng.random(len(columns["n1"])) < 0.10] = np.nan


def moved(columns: Columns, rng: np.random.Generator) -> None:
    columns["n2"] += 0.4


def unit(columns: Columns, rng: np.random.Generator) -> None:
    columns["positive"][rng.random(len(columns["positive"])) < 0.03] *= 1000


def stuck(columns: Columns, rng: np.random.Generator) -> None:
    columns["n4"][:] = 0.1234


def novel(columns: Columns, rng: np.random.Generator) -> None:
    columns["few"][rng.random(len(columns["few"])) < 0.03] = "never seen"


def common(columns: Columns, rng: np.random.Generator) -> None:
    switched = (columns["few"] == "v0") & (rng.random(len(columns["few"])) < 0.35)
    columns["few"][switched] = "v1"


Change = Callable[[Columns, np.random.Generator], None]


@pytest.mark.parametrize("profile", [False, True], ids=["rows", "profile"])
@pytest.mark.parametrize(
    ("change", "column", "words"),
    [
        (gap, "n1", "missing in"),
        (moved, "n2", "standard deviations"),
        (unit, "positive", "of the rows lie"),
        (stuck, "n4", "stuck: every value is"),
        (novel, "few", "never seen before"),
        (common, "few", '"v'),
    ],
)
def test_a_change_is_found_at_once_and_only_its_column_is_named(
    change: Change, column: str, words: str, *, profile: bool
) -> None:
    rng = np.random.default_rng(5)
    before, after = world(rng, 5000), world(rng, 600)
    assert judged(before, after, level=LEVEL, profile=profile).verdict == "healthy"
    change(after, rng)
    result = judged(before, after, level=LEVEL, profile=profile)
    assert result.verdict == "alarm"
    assert [finding.name for finding in result.moved] == [column]
    if not profile:  # a profile knows bins, not values
        assert words in result.moved[0].what
    assert result.moved[0].p <= LEVEL
    assert result.moved[0].distance > 0.02


def test_a_shift_of_several_columns_names_each() -> None:
    rng = np.random.default_rng(6)
    before, after = world(rng, 5000), world(rng, 600)
    moved(after, rng)
    gap(after, rng)
    assert {finding.name for finding in judged(before, after, level=LEVEL).moved} == {"n1", "n2"}


def test_too_few_rows_are_an_answer_not_a_guess() -> None:
    rng = np.random.default_rng(7)
    result = judged(world(rng, 5000), world(rng, 19), level=LEVEL)
    assert (result.verdict, result.p, result.why) == ("not enough data", None, "19 rows; 20 are needed")
    little = judged(world(rng, 15), world(rng, 100), level=LEVEL)
    assert little.verdict == "not enough data"
    assert "the reference has 15 rows" in little.why


def test_the_same_window_gets_the_same_judgement() -> None:
    rng = np.random.default_rng(8)
    before, after = world(rng, 900), world(rng, 80)
    assert judged(before, after, level=0.05, seed=3) == judged(before, after, level=0.05, seed=3)


def test_scores_share_the_budget_and_are_held_against_scores_of_unseen_rows() -> None:
    rng = np.random.default_rng(9)
    before, after = world(rng, 2000), world(rng, 300)
    scores = {"P(yes)": rng.beta(2, 5, 700)}
    schema = schema_of(before)
    baseline = Baseline(Reference(schema, before, ordered=False), Reference(schema_of(scores), scores, ordered=False))
    quiet = judge_window(baseline, after, {"P(yes)": rng.beta(2, 5, 300)}, level=LEVEL, fewest=20, seed=1)
    assert quiet.verdict == "healthy"
    loud = judge_window(baseline, after, {"P(yes)": rng.beta(4, 5, 300)}, level=LEVEL, fewest=20, seed=1)
    assert [(finding.name, finding.output) for finding in loud.moved] == [("P(yes)", True)]


def test_a_time_moves_on_without_being_a_change() -> None:
    rng = np.random.default_rng(10)
    schema = Schema((Field("at", "time"), Field("n", "number")))
    before = {"at": np.arange(1000, dtype=np.int64), "n": rng.normal(size=1000)}
    after = {"at": np.arange(10**6, 10**6 + 200, dtype=np.int64), "n": rng.normal(size=200)}
    baseline = Baseline(Reference(schema, before, ordered=True))
    assert judge_window(baseline, after, None, level=0.01, fewest=20, seed=1).verdict == "healthy"
    after["at"][::5] = np.iinfo(np.int64).min
    result = judge_window(baseline, after, None, level=0.01, fewest=20, seed=1)
    assert [(finding.name, finding.what) for finding in result.moved] == [
        ("at", "missing in 20.0 % of the rows; 0 % before")
    ]


@pytest.mark.parametrize("rows", [60, 5000])
def test_columns_without_anything_to_tell_are_no_trouble(rows: int) -> None:
    rng = np.random.default_rng(11)
    constant, empty = np.full(rows, 3.0), np.full(rows, np.nan)
    nothing = np.full(rows, None, dtype=object)
    before = {
        "constant": constant,
        "empty": empty,
        "nothing": nothing,
        "huge": np.full(rows, np.inf),
        "n": rng.normal(size=rows),
    }
    after = {name: values[:50].copy() for name, values in before.items()}
    assert judged(before, after, level=LEVEL).verdict == "healthy"
    assert judged(before, after, level=LEVEL, profile=True).verdict == "healthy"
    after["constant"][:20] = 4.0
    assert [finding.name for finding in judged(before, after, level=LEVEL).moved] == ["constant"]


def test_ten_thousand_rows_of_thirty_columns_take_well_under_a_second() -> None:
    import time

    rng = np.random.default_rng(12)

    def wide(rows: int) -> Columns:
        texts = {f"t{i}": shares(rng, rows, 3 + 10 * i) for i in range(10)}
        return {**{f"n{i}": rng.normal(size=rows) for i in range(20)}, **texts}

    before, after = wide(20_000), wide(10_000)
    began = time.process_time()
    assert judged(before, after, level=LEVEL).verdict == "healthy"
    assert time.process_time() - began < 3.0  # a busy machine; about 0.4 s on a quiet one
