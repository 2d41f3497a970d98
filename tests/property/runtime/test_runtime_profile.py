"""However a table is cut, its parts' profiles merge to the profile of the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from flyball_runtime.arrays import ArraysInvalid, pack_arrays
from flyball_runtime.moments import CoMoments, Moments
from flyball_runtime.profile import Profile, ProfilesDiffer
from flyball_runtime.schema import MISSING_TIME, Field, Schema
from flyball_runtime.sketch import add_distinct, empty_sketch, estimate_distinct

unhurried = settings(deadline=None, max_examples=60)  # a shared machine may stall; that is not what is tested
ALPHABET = "aZ0 -.:_é\x00\ud800"
SCHEMA = Schema((Field("a", "number"), Field("s", "text"), Field("t", "time"), Field("b", "number")))
CELLS = st.floats(-1e6, 1e6) | st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 1.0, 1.7e308, 5e-324])
MOMENTS = st.integers(-(2**60), 2**60) | st.just(MISSING_TIME)
WORDS = st.sampled_from(["red", "blue", "", "é", None]) | st.text(ALPHABET, max_size=3)


@st.composite
def tables(draw: st.DrawFn, least: int = 0) -> dict[str, Any]:
    rows = draw(st.integers(least, 40))
    words = draw(st.lists(WORDS, min_size=rows, max_size=rows))
    return {
        "a": draw(hnp.arrays(np.float64, rows, elements=CELLS)),
        "s": np.array([*words, None], dtype=object)[:-1],
        "t": draw(hnp.arrays(np.int64, rows, elements=MOMENTS)),
        "b": draw(hnp.arrays(np.float64, rows, elements=CELLS)),
    }


def counts_of(profile: Profile) -> list[np.ndarray]:
    numbers = [profile.rows, profile.missing, profile.infinite, profile.moments.count, profile.comoments.count]
    return [*numbers, profile.distinct, *profile.histogram.values(), *profile.counts.values()]


def assert_same(left: Profile, right: Profile) -> None:
    for mine, other in zip(counts_of(left), counts_of(right), strict=True):
        np.testing.assert_array_equal(mine, other)
    for key in ("low", "high"):
        np.testing.assert_array_equal(getattr(left.moments, key), getattr(right.moments, key))


@unhurried
@given(tables(), st.integers(0, 40))
def test_counts_of_two_parts_merge_bit_for_bit_to_those_of_the_whole(table: dict[str, Any], cut: int) -> None:
    whole = Profile.build(table, SCHEMA, blocks=1)
    left = Profile.build({k: v[:cut] for k, v in table.items()}, SCHEMA, blocks=1, edges_from=whole)
    right = Profile.build({k: v[cut:] for k, v in table.items()}, SCHEMA, blocks=1, edges_from=whole)
    assert_same(left.merge(right), whole)
    assert_same(right.merge(left), whole)
    assert_same(left.append(right).total(), whole)
    assert_same(left.update({k: v[cut:] for k, v in table.items()}), whole)


@unhurried
@given(tables(least=1), st.integers(1, 12))
def test_blocks_add_up_and_every_cell_is_counted_once(table: dict[str, Any], blocks: int) -> None:
    profile = Profile.build(table, SCHEMA, blocks=blocks)
    rows = len(table["a"])
    assert profile.blocks == min(blocks, rows)
    assert profile.rows.sum() == rows
    assert profile.rows.max() - profile.rows.min() <= 1
    for position, name in enumerate(profile.numeric):
        seen = profile.histogram[name].sum(axis=1) + profile.infinite[:, position].sum(axis=1)
        np.testing.assert_array_equal(seen + profile.missing[:, SCHEMA.names.index(name)], profile.rows)
    np.testing.assert_array_equal(profile.counts["s"].sum(axis=1) + profile.missing[:, 1], profile.rows)


@unhurried
@given(tables(), st.integers(1, 5))
def test_bytes_bring_a_profile_back_exactly(table: dict[str, Any], blocks: int) -> None:
    profile = Profile.build(table, SCHEMA, blocks=blocks)
    data = profile.to_bytes()
    restored = Profile.from_bytes(data)
    assert restored.to_bytes() == data
    assert restored.schema == SCHEMA
    assert_same(restored, profile)
    np.testing.assert_array_equal(restored.comoments.cross, profile.comoments.cross)


@unhurried
@given(
    hnp.arrays(np.float64, st.tuples(st.integers(0, 30), st.just(3)), elements=st.floats(-1e3, 1e3) | st.just(np.nan)),
    st.integers(0, 30),
)
def test_moments_and_comoments_of_parts_agree_with_those_of_the_whole(values: np.ndarray, cut: int) -> None:
    merged = Moments.of(values[:cut]).merge(Moments.of(values[cut:]))
    whole = Moments.of(values)
    np.testing.assert_allclose(merged.mean, whole.mean, atol=1e-9)
    np.testing.assert_allclose(merged.m2, whole.m2, atol=1e-5)
    pairs, together = CoMoments.of(values[:cut]).merge(CoMoments.of(values[cut:])), CoMoments.of(values)
    np.testing.assert_array_equal(pairs.count, together.count)
    np.testing.assert_allclose(pairs.mean, together.mean, atol=1e-9)
    np.testing.assert_allclose(pairs.cross, together.cross, atol=1e-5)


@unhurried
@given(
    hnp.arrays(np.float64, st.tuples(st.integers(0, 30), st.just(3)), elements=st.floats(-1e3, 1e3) | st.just(np.nan))
)
def test_comoments_are_those_of_the_rows_that_each_pair_shares(values: np.ndarray) -> None:
    pairs = CoMoments.of(values)
    for i in range(3):
        for j in range(3):
            shared = values[np.isfinite(values[:, i]) & np.isfinite(values[:, j])]
            assert pairs.count[i, j] == len(shared)
            if len(shared) > 1:
                expected = np.cov(shared[:, i], shared[:, j])[0, 1]
                np.testing.assert_allclose(pairs.covariance()[i, j], expected, atol=1e-6)
                np.testing.assert_allclose(pairs.mean[i, j], shared[:, i].mean(), atol=1e-9)


def test_moments_keep_their_digits_far_from_zero() -> None:
    values = 1e9 + np.random.default_rng(7).normal(size=(10_000, 1))
    merged = Moments.of(values[:1])
    for part in np.array_split(values[1:], 50):
        merged = merged.merge(Moments.of(part))
    np.testing.assert_allclose(merged.variance(), values.var(axis=0, ddof=1), rtol=1e-7)


def test_edges_are_quantiles_for_many_values_and_the_values_themselves_for_few() -> None:
    many = np.arange(1000.0)
    few = np.array([0.0, 1.0] * 500)
    schema = Schema((Field("many", "number"), Field("few", "number"), Field("none", "number"), Field("one", "number")))
    columns = {"many": many, "few": few, "none": np.full(1000, np.nan), "one": np.full(1000, 3.0)}
    profile = Profile.build(columns, schema, blocks=1)
    assert len(profile.edges["many"]) == 21
    assert profile.histogram["many"][0, 1:-1].tolist() == [50] * 19 + [50] or profile.histogram["many"].max() <= 51
    assert profile.histogram["few"].tolist() == [[0, 500, 500, 0]]
    assert profile.histogram["one"].tolist() == [[0, 1000, 0]]
    assert profile.histogram["none"].tolist() == [[0]]
    later = Profile.build({k: v + 1e6 for k, v in columns.items()}, schema, blocks=1, edges_from=profile)
    assert later.histogram["many"][0, -1] == 1000
    earlier = Profile.build({k: v - 1e6 for k, v in columns.items()}, schema, blocks=1, edges_from=profile)
    assert earlier.histogram["many"][0, 0] == 1000


def test_blocks_follow_the_order_given() -> None:
    schema = Schema((Field("x", "number"),))
    values = np.array([3.0, 1.0, 2.0, 0.0])
    profile = Profile.build({"x": values}, schema, blocks=2, order=np.argsort(values))
    np.testing.assert_array_equal(profile.moments.mean[:, 0], [0.5, 2.5])


def test_rare_texts_share_one_count_and_distinct_ones_are_estimated() -> None:
    words = np.array([f"id {i}" for i in range(20_000)] + ["common"] * 100, dtype=object)
    profile = Profile.build({"s": words}, Schema((Field("s", "text"),)), blocks=2)
    assert profile.levels["s"][0] == "common"
    assert len(profile.levels["s"]) == 50
    assert profile.counts["s"].sum() == len(words)
    assert profile.total().distinct_estimate("s")[0] == pytest.approx(20_001, rel=0.08)


def test_correlations_are_those_of_numpy() -> None:
    rng = np.random.default_rng(3)
    a = rng.normal(size=500)
    columns = {"a": a, "b": a + rng.normal(size=500), "c": np.zeros(500)}
    schema = Schema(tuple(Field(name, "number") for name in columns))
    correlation = Profile.build(columns, schema, blocks=1).correlation()[0]
    np.testing.assert_allclose(correlation[:2, :2], np.corrcoef(columns["a"], columns["b"]), rtol=1e-9)
    assert np.isnan(correlation[2]).all()


def test_profiles_of_other_columns_edges_levels_or_blocks_do_not_merge() -> None:
    schema = Schema((Field("x", "number"),))
    first = Profile.build({"x": np.arange(50.0)}, schema, blocks=2)
    others = [
        Profile.build({"x": np.arange(60.0)}, schema, blocks=2),
        Profile.build({"x": np.arange(50.0)}, schema, blocks=3, edges_from=first),
        Profile.build({"y": np.arange(50.0)}, Schema((Field("y", "number"),)), blocks=2),
    ]
    for other in others:
        with pytest.raises(ProfilesDiffer):
            first.merge(other)


def test_damaged_profiles_are_refused_with_a_code() -> None:
    data = Profile.build({"x": np.arange(50.0)}, Schema((Field("x", "number"),))).to_bytes()
    for broken in (b"", data[:100], data[:-30], pack_arrays({"header": np.zeros(3, dtype=np.uint8)})):
        with pytest.raises(ArraysInvalid):
            Profile.from_bytes(broken)


@pytest.mark.parametrize("distinct", [0, 1, 30, 1000, 20_000])
def test_the_sketch_counts_different_values_and_merges_by_maximum(distinct: int) -> None:
    values = [f"value {i}" for i in range(distinct)]
    whole = add_distinct(empty_sketch(), values * 2)
    parts = np.maximum(add_distinct(empty_sketch(), values[::2]), add_distinct(empty_sketch(), values[1::2]))
    np.testing.assert_array_equal(whole, parts)
    assert estimate_distinct(whole) == pytest.approx(distinct, rel=0.1, abs=2)
