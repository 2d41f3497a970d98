"""What a model may cost: leaves, and time of a row."""

import numpy as np

from flyball.automl.allowance import Allowance, Caps, Cost, tree_us
from flyball.automl.losses import Loss
from flyball.automl.weights import choose_weights
from flyball.data import read_source
from flyball.features import fit_frame


def frame(texts: int):
    columns = {"x": np.arange(10.0)} | {f"t{number}": np.array(["a", "b"] * 5) for number in range(texts)}
    return fit_frame(read_source(columns).table, None)


def test_larger_trees_cost_more_each_and_less_a_leaf() -> None:
    sizes = np.array([4, 16, 31, 96, 255, 1000])
    costs = np.array([tree_us(leaves) for leaves in sizes])
    assert np.all(np.diff(costs) > 0)
    assert np.all(np.diff(costs / sizes) < 0)


def test_what_an_allowance_says_it_has_room_for_it_holds() -> None:
    for caps in (Caps(), Caps(size_mb=1.0), Caps(row_ms=1.0), Caps(size_mb=100.0, row_ms=0.12)):
        allowed = Allowance.under(caps, frame(2), 60.0)
        for leaves in (8, 31, 255):
            trees = allowed.trees(leaves)
            assert allowed.holds(Cost.of_trees(trees, leaves))
            assert not allowed.holds(Cost.of_trees(trees + 1, leaves).times(2))


def test_caps_columns_and_time_all_narrow_the_allowance() -> None:
    usual = Allowance.under(Caps(), frame(0), 60.0)
    assert Allowance.under(Caps(size_mb=1.0), frame(0), 60.0).leaves < usual.leaves / 8
    assert Allowance.under(Caps(row_ms=0.1), frame(0), 60.0).row_us < usual.row_us
    assert Allowance.under(Caps(), frame(6), 60.0).row_us < usual.row_us
    assert Allowance.under(Caps(), frame(0), 5.0).leaves < usual.leaves


def test_a_member_that_knows_nothing_is_not_let_in_to_damp_one_that_is_too_sure_of_itself() -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 2, 4000).astype(float)
    margin = 4.0 * (rng.normal(size=4000) + 0.8 * (2 * truth - 1))
    margins = {"sure": margin[:, None], "blind": np.zeros((4000, 1))}
    assert choose_weights(margins, truth, np.ones(4000), Loss("log loss", 1)) == {"sure": 1.0}
