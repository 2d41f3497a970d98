"""Very many classes of few rows are told apart by their means, within size and by one linear margin."""

from __future__ import annotations

import numpy as np
import pytest

from flyball.automl import learn
from flyball.automl.class_means import fit_class_means, tempered
from flyball.automl.export import check_parity, export_graph
from flyball.automl.losses import loss_for
from flyball.automl.problem import Problem
from flyball.automl.task import TargetUnfit, encode_target, infer_task
from flyball.data import Table
from flyball.features import fit_frame
from flyball_runtime.schema import Field, Schema
from support.prose import texts

CLASSES, PER = 300, 4


def drawn(seed: int, *, apart: float) -> tuple[Table, np.ndarray]:
    """Rows about class means of five columns, one of them often missing; and a level that a third of the classes share."""
    rng = np.random.default_rng(seed)
    kind = rng.permutation(np.repeat(np.arange(CLASSES), PER))
    means = np.random.default_rng(99).normal(size=(CLASSES, 5)) * apart
    values = means[kind] + rng.normal(size=(len(kind), 5))
    values[rng.random(len(kind)) < 0.2, 4] = np.nan
    schema = Schema((*(Field(f"x{n}", "number") for n in range(5)), Field("family", "text")))
    family = texts([f"f{one % 3}" for one in kind])
    return Table(schema, {**{f"x{n}": values[:, n] for n in range(5)}, "family": family}), texts(
        [f"k{one:03}" for one in kind]
    )


def folds_of(rows: int) -> list[tuple[np.ndarray, np.ndarray]]:
    part = np.arange(rows) % 4
    return [(np.flatnonzero(part != number), np.flatnonzero(part == number)) for number in range(4)]


def test_hundreds_of_classes_with_four_rows_each_are_learned_and_exported() -> None:
    table, target = drawn(1, apart=4.0)
    learned = learn(table, target, folds=folds_of(len(target)), budget_seconds=20, seed=0)
    later, truth = drawn(2, apart=4.0)
    said = np.array(learned.pipeline.classes)[learned.pipeline.predict(later)["class_index"]]
    assert (said == truth).mean() > 0.5, "one in 300 is chance"
    held = learned.pipeline.predict(later)["in_set"]
    codes = np.searchsorted(learned.pipeline.classes, truth.astype(str))
    assert held[np.arange(len(truth)), codes].mean() > 0.85
    graph = export_graph(learned.pipeline)
    assert len(graph) < 1_000_000
    assert check_parity(graph, learned, table).label_mismatches == 0
    assert any("nearest class mean" in note for note in learned.notes)


def test_classes_that_nothing_tells_apart_are_answered_by_the_prior() -> None:
    table, target = drawn(3, apart=0.0)
    shuffled = np.random.default_rng(0).permutation(target)
    learned = learn(table, shuffled, folds=folds_of(len(target)), budget_seconds=20, seed=0)
    probability = learned.pipeline.predict(table)["probability"]
    assert probability.max() < 0.05


@pytest.mark.parametrize("trials", [1, 2])
def test_a_work_budget_learns_them_too_and_alike(trials: int) -> None:
    table, target = drawn(4, apart=3.0)
    made = [
        learn(table, target, folds=folds_of(len(target)), budget_seconds=1, trials=trials, seed=0).pipeline.to_bytes()
        for _ in range(2)
    ]
    assert made[0] == made[1]


def test_the_number_of_classes_is_bounded_by_rows_and_by_memory() -> None:
    many = texts([f"k{number % 2_000}" for number in range(8_000)])
    assert infer_task(many).task == "multiclass"
    assert len(encode_target(many, "multiclass").classes or ()) == 2_000
    with pytest.raises(TargetUnfit, match="FB-AUTOML-001"):
        encode_target(np.arange(12_000) % 6_000, "multiclass")


def test_the_temperature_scales_what_tells_classes_apart_and_leaves_the_prior() -> None:
    table, target = drawn(5, apart=1.0)
    codes = np.unique(target.astype(str), return_inverse=True)[1].astype(np.float64)
    frame, rows = fit_frame(table), np.arange(len(codes))
    problem = Problem(
        frame=frame, task="multiclass", loss=loss_for("multiclass", None, CLASSES), matrix=frame.apply(table.columns),
        target=codes, weight=np.ones(len(rows)), weighted=False, folds=[(rows, rows)], seed=0, threads=1, all_threads=1,
    )  # fmt: skip
    model = fit_class_means(problem, rows, problem.matrix, (0.2,))[0]
    prior = problem.prior(rows)
    cold = tempered(model, 0.0, prior).predict(problem.matrix[:3])
    np.testing.assert_allclose(cold, np.tile(prior, (3, 1)), atol=1e-12)
    np.testing.assert_array_equal(tempered(model, 1.0, prior).predict(problem.matrix), model.predict(problem.matrix))
