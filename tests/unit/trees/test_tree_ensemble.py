"""The shared tree form: prediction, arithmetic on ensembles, storage."""

from __future__ import annotations

import numpy as np
import pytest

from flyball.trees import TreeEnsemble


def stump(feature: int, threshold: float, low: float, high: float, *, features: int = 2, missing_left: bool = False):
    """x[feature] <= threshold ? low : high."""
    return TreeEnsemble(
        tree_start=np.array([0]),
        tree_output=np.array([0]),
        feature=np.array([feature, -1, -1]),
        threshold=np.array([threshold, 0.0, 0.0]),
        left=np.array([1, 1, 2]),
        right=np.array([2, 1, 2]),
        missing_left=np.array([missing_left, False, False]),
        value=np.array([0.0, low, high]),
        cover=np.array([10.0, 4.0, 6.0]),
        base=np.array([0.0]),
        zero_missing=np.zeros(features, np.bool_),
    )


ROWS = np.array([[0.5, -1.0], [0.500001, 7.0], [np.nan, np.nan], [np.inf, -np.inf]], np.float32)


def test_a_value_on_the_threshold_goes_left() -> None:
    assert stump(0, 0.5, 1.0, 2.0).predict(ROWS)[:2, 0].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(("missing_left", "expected"), [(True, 1.0), (False, 2.0)])
def test_a_missing_value_goes_where_the_node_says(missing_left: bool, expected: float) -> None:
    assert stump(0, 0.5, 1.0, 2.0, missing_left=missing_left).predict(ROWS)[2, 0] == expected


def test_infinities_are_numbers() -> None:
    assert stump(0, 0.5, 1.0, 2.0).predict(ROWS)[3, 0] == 2.0
    assert stump(1, 0.5, 1.0, 2.0).predict(ROWS)[3, 0] == 1.0


def test_zeros_count_as_missing_only_in_the_features_that_say_so() -> None:
    tree = stump(0, -1.0, 1.0, 2.0, missing_left=True)
    zeros = np.array([[0.0, 0.0], [1e-36, 0.0], [0.5, 0.0]], np.float32)
    assert tree.predict(zeros)[:, 0].tolist() == [2.0, 2.0, 2.0]
    marked = TreeEnsemble.from_arrays({**tree.to_arrays(), "zero_missing": np.array([True, False])})
    assert marked.predict(zeros)[:, 0].tolist() == [1.0, 1.0, 2.0]


def test_a_constant_ensemble_answers_its_base() -> None:
    constant = TreeEnsemble.constant(np.array([3.0, -1.0]), 2)
    assert constant.predict(ROWS).tolist() == [[3.0, -1.0]] * 4


def test_no_rows_give_no_margins() -> None:
    assert stump(0, 0.5, 1.0, 2.0).predict(ROWS[:0]).shape == (0, 1)


def test_merging_adds_and_scaling_multiplies() -> None:
    first, second = stump(0, 0.5, 1.0, 2.0), stump(1, 0.0, 10.0, 20.0, missing_left=True)
    merged = TreeEnsemble.merge([first.scaled(0.5), second.scaled(2.0), TreeEnsemble.constant(np.array([7.0]), 2)])
    expected = 0.5 * first.predict(ROWS) + 2.0 * second.predict(ROWS) + 7.0
    assert merged.predict(ROWS).tolist() == expected.tolist()
    assert merged.trees == 2


@pytest.mark.parametrize("other", [stump(0, 0.0, 1.0, 2.0, features=3), TreeEnsemble.constant(np.zeros(2), 2)])
def test_ensembles_that_do_not_fit_are_not_merged(other: TreeEnsemble) -> None:
    with pytest.raises(ValueError, match="same features"):
        TreeEnsemble.merge([stump(0, 0.5, 1.0, 2.0), other])


def test_merging_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        TreeEnsemble.merge([])


def test_a_remapped_ensemble_reads_the_same_features_elsewhere() -> None:
    tree = stump(1, 0.0, 10.0, 20.0)
    wide = np.stack([ROWS[:, 1], np.zeros(4, np.float32), ROWS[:, 0]], axis=1)
    assert tree.remapped(np.array([2, 0]), 3).predict(wide).tolist() == tree.predict(ROWS).tolist()


@pytest.mark.parametrize("columns", [[0], [0, 3], [-1, 0]])
def test_a_remapping_outside_the_matrix_is_refused(columns: list[int]) -> None:
    with pytest.raises(ValueError, match="columns"):
        stump(0, 0.5, 1.0, 2.0).remapped(np.array(columns), 3)


def test_choosing_trees_keeps_their_sum() -> None:
    parts = [stump(0, 0.5, 1.0, 2.0), stump(1, 0.0, 10.0, 20.0), stump(0, 9.0, 5.0, 6.0)]
    chosen = TreeEnsemble.merge(parts).of_trees(np.array([True, False, True]))
    assert chosen.predict(ROWS).tolist() == (parts[0].predict(ROWS) + parts[2].predict(ROWS)).tolist()


def test_bytes_bring_back_the_same_ensemble() -> None:
    ensemble = TreeEnsemble.merge([stump(0, 0.5, 1.0, 2.0), stump(1, 0.1, 0.3, -2.0)])
    again = TreeEnsemble.from_bytes(ensemble.to_bytes())
    for name, array in ensemble.to_arrays().items():
        assert again.to_arrays()[name].dtype == array.dtype
        assert np.array_equal(again.to_arrays()[name], array)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("left", np.array([0, 1, 2])),  # a loop
        ("left", np.array([2, 1, 2])),  # one node with two parents
        ("right", np.array([9, 1, 2])),
        ("feature", np.array([5, -1, -1])),
        ("tree_output", np.array([1])),
        ("tree_start", np.array([1])),
        ("threshold", np.array([0.5])),
    ],
)
def test_arrays_that_are_no_forest_are_refused(name: str, value: np.ndarray) -> None:
    arrays = {**stump(0, 0.5, 1.0, 2.0).to_arrays(), name: value}
    with pytest.raises(ValueError, match="not a forest"):
        TreeEnsemble.from_arrays(arrays)


def test_a_matrix_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        stump(0, 0.5, 1.0, 2.0).predict(ROWS[:, :1])
