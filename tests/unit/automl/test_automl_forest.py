"""Forests for many classes: the same leaves as scikit-learn's, cut to size, heated by what their folds say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyball.automl.allowance import Allowance
from flyball.automl.forest import Forest, ForestSettings, forest_for, plant
from flyball.automl.losses import loss_for
from flyball.automl.problem import Problem, View
from flyball.data import Table
from flyball.features import fit_frame
from flyball.trees import LeafForest, TreeAttributor, attributions
from flyball_runtime.schema import Field, Schema

ROWS, CLASSES = 900, 5
SETTINGS = ForestSettings("extra trees", trees=12)
WIDE = Allowance(leaves=1_000_000, row_us=10_000.0)


@pytest.fixture(scope="module")
def problem() -> Problem:
    rng = np.random.default_rng(3)
    columns = {name: rng.normal(size=ROWS) for name in ("a", "b", "c")}
    target = np.digitize(columns["a"] * columns["b"] + 0.1 * rng.normal(size=ROWS), [-1.0, -0.2, 0.2, 1.0])
    columns["b"] = np.where(rng.random(ROWS) < 0.1, np.nan, columns["b"])
    table = Table(Schema(tuple(Field(name, "number") for name in columns)), columns)
    frame = fit_frame(table)
    part = rng.permutation(ROWS) % 3
    return Problem(
        frame=frame,
        task="multiclass",
        loss=loss_for("multiclass", None, CLASSES),
        matrix=frame.apply(table.columns),
        target=target.astype(np.float64),
        weight=np.ones(ROWS),
        weighted=False,
        folds=[(np.flatnonzero(part != fold), np.flatnonzero(part == fold)) for fold in range(3)],
        seed=0,
        threads=1,
        all_threads=1,
    )


@pytest.fixture(scope="module")
def forest(problem: Problem) -> LeafForest:
    return plant(problem, np.arange(ROWS), SETTINGS, number=0, stop=lambda: False).forests[1]


def views(problem: Problem) -> list[View]:
    return [View(problem, fit, validate, number) for number, (fit, validate) in enumerate(problem.folds)]


def test_rows_reach_the_leaves_that_they_reach_in_scikit_learn(problem: Problem) -> None:
    from sklearn.ensemble import ExtraTreesClassifier

    from flyball.automl.forest import _converted, _grown

    settings = ForestSettings("one", trees=6, least_rows=(2,))
    grown = _grown(problem, np.arange(ROWS), problem.matrix, settings, seed=7, stop=lambda: False)
    ours = _converted(grown, problem.prior(np.arange(ROWS)), 0.3, 3)
    theirs = ExtraTreesClassifier(4, min_samples_leaf=2, random_state=7, warm_start=True)
    theirs.fit(problem.matrix, problem.target.astype(int)).set_params(n_estimators=6).fit(
        problem.matrix, problem.target.astype(int)
    )
    counts = np.zeros((ROWS, CLASSES))
    for tree in theirs.estimators_:
        reached = tree.apply(problem.matrix)
        counts += np.log1p(tree.tree_.value[reached, 0] * tree.tree_.weighted_n_node_samples[reached, None] / (
            0.3 * np.exp(problem.prior(np.arange(ROWS)))
        ))  # fmt: skip
    expected = counts / 6 + problem.prior(np.arange(ROWS))
    assert np.abs(ours.predict(problem.matrix) - expected).max() <= 0.5 * ours.step * 6 + 1e-9


def test_shares_of_a_row_add_up_and_are_those_of_one_forest_per_class(problem: Problem, forest: LeafForest) -> None:
    rows = problem.matrix[:40]
    attributor = TreeAttributor(forest)
    shares = attributor.values(rows)
    np.testing.assert_allclose(shares.sum(axis=1) + attributor.expected, forest.predict(rows), atol=1e-9)
    paths = forest.paths
    for output in range(CLASSES):
        arrays = {
            **paths.to_arrays(),
            "tree_output": np.zeros_like(paths.tree_output),
            "value": np.where(paths.leaf, forest.step * forest.table[paths.value.astype(int), output], 0.0),
            "base": forest.base[[output]],
        }
        alone, expected = attributions(type(paths)(**arrays), rows)
        np.testing.assert_allclose(shares[..., output], alone[..., 0], atol=1e-9)
        assert attributor.expected[output] == pytest.approx(expected[0])


@given(st.integers(1, 12), st.floats(0.1, 5))
def test_fewer_trees_and_a_factor_keep_the_meaning(
    problem: Problem, forest: LeafForest, count: int, heat: float
) -> None:
    rows = problem.matrix[:20]
    part = forest.of_trees(count).scaled(heat)
    again = LeafForest.from_arrays(part.to_arrays())
    each = forest.table[forest.rows_of(rows)[:, :count]].astype(float)
    expected = heat * (forest.base + each.mean(axis=1) * forest.step * forest.trees)
    np.testing.assert_allclose(again.predict(rows), expected, atol=1e-9)
    assert len(part.table) == part.paths.leaf.sum()


def test_leaves_that_name_no_row_of_the_table_are_refused(forest: LeafForest) -> None:
    with pytest.raises(ValueError, match="rows that the table does not have"):
        LeafForest.from_arrays({**forest.to_arrays(), "table": forest.table[:3]})


def test_the_folds_choose_a_factor_and_a_small_allowance_takes_trees_away(problem: Problem) -> None:
    found = {}
    for allowance in (WIDE, Allowance(leaves=10_000, row_us=60.0)):
        candidate = Forest(SETTINGS, allowance)
        fits = [candidate.fit(view, lambda: False) for view in views(problem)]
        found[allowance] = candidate.gather(views(problem), fits)
    wide, narrow = found.values()
    prior = problem.loss.value(np.tile(problem.prior(np.arange(ROWS)), (ROWS, 1)), problem.target, problem.weight)
    assert wide.score < 0.65 * prior
    assert wide.chosen["trees"] == 12
    assert wide.chosen["heat"] > 1
    assert 8 <= narrow.chosen["trees"] < 12
    assert narrow.cost.leaves < wide.cost.leaves


def test_a_deadline_cuts_trees_off_and_is_told(problem: Problem) -> None:
    short = plant(problem, np.arange(ROWS), SETTINGS, number=0, stop=lambda: True)
    assert short.stopped
    assert [forest.trees for forest in short.forests] == [4]


def test_the_same_seed_grows_the_same_forest_and_two_classes_need_none(problem: Problem, forest: LeafForest) -> None:
    again = plant(problem, np.arange(ROWS), SETTINGS, number=0, stop=lambda: False).forests[1]
    assert all(np.array_equal(value, again.to_arrays()[name]) for name, value in forest.to_arrays().items())
    assert forest_for(problem, WIDE) is not None
    from dataclasses import replace

    assert forest_for(replace(problem, task="binary"), WIDE) is None
