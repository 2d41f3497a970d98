"""Members of every family in one ensemble: one exact graph, shares that add up, and the same after a round trip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from flyball.automl import FittedPipeline, Learned, check_parity, export_graph, learn
from flyball.core.executor import LocalExecutor
from flyball.explain import explain
from integration.automl.conftest import folds_of, make_table, target_for

FAMILIES = {"multiclass": {"gbm", "linear", "forest", "network"}, "regression": {"gbm", "linear", "network"}}


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def mixed(request: pytest.FixtureRequest) -> tuple[Learned, str]:
    """What each family learned by itself, put together with equal weights."""
    from flyball.automl.search import _Search

    table = make_table(700, 9)
    chosen = {"weights": {}}
    original = _Search._choose

    def all_of_them(search: _Search) -> dict[str, float]:
        original(search)
        names = [result.candidate.name for result in search.results if result.candidate.family != "prior"]
        chosen["weights"] = dict.fromkeys(names, 1 / len(names))
        return chosen["weights"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Search, "_choose", all_of_them)
        learned = learn(
            table,
            target_for(request.param, table, 9),
            folds=folds_of(700),
            budget_seconds=60,
            trials=len(FAMILIES[request.param]),
            seed=2,
            executor=LocalExecutor(2),
            task=request.param,
        )
    return learned, request.param


def test_every_family_is_in_the_ensemble_and_the_graph_is_exact(mixed: tuple[Learned, str]) -> None:
    learned, task = mixed
    assert {member.family for member in learned.pipeline.members} == FAMILIES[task]
    parity = check_parity(export_graph(learned.pipeline), learned, make_table(700, 9))
    assert parity.max_abs_diff < 1e-9
    assert parity.label_mismatches == 0
    assert {"nulls", "tree thresholds", "extreme values", "unseen categories"} <= set(parity.cases)


def test_shares_of_the_columns_add_up_over_all_families(mixed: tuple[Learned, str]) -> None:
    learned, _ = mixed
    found = explain(learned.pipeline, make_table(30, 4))
    scale = np.abs(found.margin).max()
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), found.margin, atol=1e-7 * scale)


def test_a_pipeline_of_every_family_comes_back_from_its_bytes(mixed: tuple[Learned, str]) -> None:
    pipeline = mixed[0].pipeline
    again = FittedPipeline.from_bytes(pipeline.to_bytes())
    assert export_graph(again) == export_graph(pipeline)
    rows = make_table(50, 3)
    assert np.array_equal(again.margins(rows), pipeline.margins(rows))


def test_each_family_is_a_graph_by_itself(mixed: tuple[Learned, str]) -> None:
    learned, _ = mixed
    for member in learned.pipeline.members:
        alone = replace(learned, pipeline=replace(learned.pipeline, members=(replace(member, weight=1.0),)))
        assert check_parity(export_graph(alone.pipeline), alone, make_table(200, 8)).max_abs_diff < 1e-8
