"""The search under small budgets, odd folds, weights, cancellation and difficult targets."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from flyball.automl import TargetUnfit, check_parity, export_graph, learn, random_gap, search
from flyball.core.executor import LocalExecutor
from flyball.core.progress import Cancellation, Cancelled, NoProgress
from flyball.data import Table
from flyball_runtime.schema import Field, Schema


def numbers(rows: int, columns: int = 3, seed: int = 0) -> Table:
    X = np.random.default_rng(seed).normal(size=(rows, columns))
    schema = Schema(tuple(Field(f"x{index}", "number") for index in range(columns)))
    return Table(schema, {f"x{index}": X[:, index] for index in range(columns)})


def folds_of(rows: int, count: int = 3) -> list[tuple[np.ndarray, np.ndarray]]:
    part = np.arange(rows) % count
    return [(np.flatnonzero(part != fold), np.flatnonzero(part == fold)) for fold in range(count)]


def fit(table: Table, target: np.ndarray, **options: Any) -> Any:
    chosen = {"folds": folds_of(table.rows), "budget_seconds": 10, "seed": 0, "executor": LocalExecutor(2), **options}
    return learn(table, target, **chosen)


def test_no_budget_gives_the_prior_and_says_so() -> None:
    table = numbers(200)
    target = (table["x0"] > 0.5).astype(float)
    learned = fit(table, target, budget_seconds=0)
    assert [member.family for member in learned.pipeline.members] == ["prior"]
    assert any("no time to train" in note for note in learned.notes)
    check_parity(export_graph(learned.pipeline), learned, table)
    probability = learned.pipeline.predict(table)["probability"][:, 1]
    assert probability[0] == pytest.approx(target.mean(), abs=0.02)
    assert np.ptp(probability) == 0


@pytest.mark.parametrize("budget", [1.5, 4.0])
def test_a_small_budget_is_kept(budget: float) -> None:
    search._load_libraries()  # which is not what this measures

    table = numbers(20_000, columns=12)
    target = np.sin(table["x0"]) + table["x1"] ** 2
    began = time.monotonic()
    learned = fit(table, target, budget_seconds=budget, folds=folds_of(20_000, 5))
    assert time.monotonic() - began < budget + 2.0  # room for a machine that does other things as well
    check_parity(export_graph(learned.pipeline), learned, table)


def test_equal_arguments_give_equal_pipelines_when_time_is_ample() -> None:
    table = numbers(400)
    target = table["x0"] + 0.1 * table["x1"]
    first, second = (fit(table, target, budget_seconds=30).pipeline.to_bytes() for _ in range(2))
    assert first == second


def test_forward_chaining_leaves_early_rows_unjudged_and_fits_on_all_rows_in_the_end() -> None:
    table = numbers(900)
    target = table["x0"] * 2 + np.random.default_rng(1).normal(size=900)
    edges = np.linspace(0, 900, 5).astype(int)
    folds = [(np.arange(stop), np.arange(stop, end)) for stop, end in pairwise(edges[1:])]
    learned = fit(table, target, folds=folds)
    assert np.isnan(learned.oof[: edges[1]]).all()
    assert not np.isnan(learned.oof[edges[1] :]).any()
    assert not any("fold" in member.name for member in learned.pipeline.members)
    assert learned.pipeline.predict(table)["prediction"].std() > 0.8 * np.std(2 * table["x0"])
    check_parity(export_graph(learned.pipeline), learned, table)


def test_a_class_that_a_fold_never_saw_is_survived() -> None:
    table = numbers(300)
    target = np.empty(300, dtype=object)
    target[:] = np.where(table["x0"] > 0, "up", "down").tolist()
    target[::100] = "rare"  # all in one fold
    learned = fit(table, target, folds=folds_of(300, 4))
    assert learned.pipeline.classes == ("down", "rare", "up")
    assert np.isfinite(learned.oof).all()
    check_parity(export_graph(learned.pipeline), learned, table)


def test_a_column_of_noise_is_not_better_than_the_prior_by_much() -> None:
    table = numbers(300, columns=1, seed=4)
    target = np.random.default_rng(9).normal(size=300)
    learned = fit(table, target)
    assert learned.pipeline.predict(table)["prediction"].std() < 0.5 * target.std()


def test_weights_move_the_model_to_the_rows_that_count() -> None:
    table = numbers(600, columns=1)
    target = np.where(np.arange(600) % 2 == 0, 1.0, -1.0) * table["x0"]
    heavy_even = np.where(np.arange(600) % 2 == 0, 1.0, 0.01)
    predicted = fit(table, target, sample_weight=heavy_even).pipeline.predict(table)["prediction"]
    assert np.corrcoef(predicted, table["x0"])[0, 1] > 0.8


@pytest.mark.parametrize("weight", [np.zeros(200), np.full(200, -1.0), np.full(200, np.nan), np.ones(3)])
def test_unusable_weights_are_refused(weight: np.ndarray) -> None:
    table = numbers(200)
    with pytest.raises(TargetUnfit, match="sample weights"):
        fit(table, table["x0"], sample_weight=weight)


def test_absolute_error_follows_the_median_where_outliers_pull_the_mean() -> None:
    table = numbers(800, columns=1)
    target = table["x0"] + np.where(np.arange(800) % 5 == 0, 40.0, 0.0)
    robust = fit(table, target, metric="mae", folds=[(f[0], f[1]) for f in folds_of(800, 4)])
    assert np.median(np.abs(robust.pipeline.predict(table)["prediction"] - table["x0"])) < 1.0


def test_cancelling_ends_the_search_soon() -> None:
    table = numbers(30_000, columns=20)
    target = np.sin(3 * table["x0"]) * table["x1"]
    cancellation = Cancellation()

    class CancelOnFirstNews(NoProgress):
        def update(self, step: str, done: float | None, note: str = "") -> None:
            threading.Thread(target=cancellation.cancel).start()

    began = time.monotonic()
    with pytest.raises(Cancelled):
        fit(table, target, budget_seconds=60, cancellation=cancellation, progress=CancelOnFirstNews())
    assert time.monotonic() - began < 20


def test_the_gap_names_how_much_a_random_split_flatters_grouped_rows() -> None:
    """Each group has its own level, which a random split lets the model look up and an honest one does not."""
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(60), 20)
    level = rng.normal(size=60)[group]
    schema = Schema((Field("fingerprint", "number"), Field("noise", "number")))
    table = Table(schema, {"fingerprint": (group * 7919 % 61).astype(float), "noise": rng.normal(size=1200)})
    target = level + 0.1 * rng.normal(size=1200)
    held = np.isin(group, rng.choice(60, 12, replace=False))
    honest = [(np.flatnonzero(~held), np.flatnonzero(held))]
    part = rng.permutation(1200) % 5
    shuffled = [(np.flatnonzero(part != 0), np.flatnonzero(part == 0))]
    gap = random_gap(
        table, target, task="regression", metric="rmse", honest_folds=honest, random_folds=shuffled, seed=0
    )
    assert gap is not None
    assert gap["honest"] > 2 * gap["random"]
    assert gap["value"] == pytest.approx(gap["honest"] - gap["random"])
    assert 0 < gap["low"] <= gap["value"] <= gap["high"]


def test_the_gap_of_independent_rows_is_not_distinguishable_from_zero() -> None:
    table = numbers(1500, seed=3)
    target = (table["x0"] + np.random.default_rng(3).normal(size=1500) > 0).astype(float)
    folds = folds_of(1500, 5)
    gap = random_gap(
        table, target, task="binary", metric="roc_auc", honest_folds=folds[:1], random_folds=folds[1:2], seed=0
    )
    assert gap is not None
    assert gap["low"] <= 0 <= gap["high"]


def gap_of_groups(**options: Any) -> dict[str, Any]:
    """Twelve groups, of which three are tested, and which say one thing each."""
    rng = np.random.default_rng(4)
    group = np.repeat(np.arange(12), 60)
    level = np.array([0.0, 9, 1, 7, 3, 12, -4, 5, -9, 2, 15, -2])[group]
    table = Table(Schema((Field("mark", "number"),)), {"mark": group * 7 % 13 + rng.normal(0, 0.05, 720)})
    held, part = np.isin(group, [2, 5, 8]), rng.permutation(720) % 4
    gap = random_gap(
        table, level + rng.normal(0, 0.2, 720), task="regression", metric="rmse", seed=0,
        honest_folds=[(np.flatnonzero(~held), np.flatnonzero(held))],
        random_folds=[(np.flatnonzero(part != 0), np.flatnonzero(part == 0))],
        **({"honest_units": group} if options.pop("grouped", False) else {}), **options,
    )  # fmt: skip
    assert gap is not None
    return gap


def test_the_gap_over_few_groups_is_as_uncertain_as_they_are_few() -> None:
    rows, groups = gap_of_groups(), gap_of_groups(grouped=True)
    assert groups["value"] == rows["value"]
    assert groups["high"] - groups["low"] > 4 * (rows["high"] - rows["low"])


def test_the_gap_leaves_out_rows_that_weigh_nothing_and_takes_the_positive_class_that_was_named() -> None:
    table = numbers(900, seed=5)
    clean = (table["x0"] > 0.8).astype(float)
    spoilt = np.arange(900) % 3 == 2
    target = np.where(spoilt, 1 - clean, clean)
    folds = folds_of(900, 4)
    known: dict[str, Any] = {"task": "binary", "metric": "recall", "seed": 0, "honest_folds": folds[:1]}
    found = {
        (positive, weighed): random_gap(
            table, target, random_folds=folds[1:2], positive=positive, weights=np.where(spoilt, 0.0, 1.0) if weighed else None,
            **known,
        )
        for positive in (0, 1)
        for weighed in (False, True)
    }  # fmt: skip
    assert all(found.values())
    honest = {key: (gap or {})["honest"] for key, gap in found.items()}
    assert honest[0, True] > 0.97
    assert honest[1, True] > 0.9
    assert honest[0, False] < 0.9
    assert honest[0, False] != honest[1, False]


@pytest.mark.parametrize("weights", [np.zeros(90), np.full(90, np.nan)])
def test_what_learning_refuses_says_why_and_what_to_do(weights: np.ndarray) -> None:
    table = numbers(90)
    asked: tuple[dict[str, Any], ...] = ({"sample_weight": weights}, {"folds": []}, {"target": table["x0"][:80]})
    for options in asked:
        with pytest.raises(TargetUnfit) as caught:
            fit(table, options.pop("target", table["x0"]), **options)
        assert caught.value.why
        assert caught.value.fix


def test_a_linear_model_whose_refit_begins_late_is_still_that_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands at the end of the search when the ensemble is concluded; the answer must not be the prior."""
    clock = [0.0]
    run = search._Search.run

    def late(self: search._Search) -> None:
        run(self)
        clock[0] = 8.7

    monkeypatch.setattr(search._Search, "run", late)
    rng = np.random.default_rng(0)
    columns = {f"x{place}": rng.normal(size=1000) for place in range(3)}
    target = 3 * columns["x0"] + 2 * columns["x1"] + 0.1 * rng.normal(size=1000)
    table = Table(Schema(tuple(Field(name, "number", "float") for name in columns)), columns)
    rows = np.arange(1000)
    folds = [(rows[rows % 5 != k], rows[rows % 5 == k]) for k in range(5)]
    learned = search.learn(table, target, folds=folds, budget_seconds=10, seed=0, monotonic=lambda: clock[0])
    error = learned.pipeline.predict(table)["prediction"] - target
    assert float(np.sqrt(np.mean(error**2))) < 0.5


def learned_by(clock: list[float]) -> Any:
    table = numbers(600)
    target = 3 * table["x0"] + 2 * table["x1"]
    return search.learn(
        table, target, folds=folds_of(600), budget_seconds=10, seed=0, monotonic=lambda: clock[0],
    )  # fmt: skip


def test_loading_the_libraries_takes_nothing_from_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(search, "_load_libraries", lambda: clock.__setitem__(0, 60.0))
    families = {member.family for member in learned_by(clock).pipeline.members}
    assert families
    assert families != {"prior"}


def test_a_budget_that_is_gone_before_the_first_candidate_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, measure = [0.0], search.measure_pace

    def slow(*arguments: Any) -> Any:
        pace = measure(*arguments)
        clock[0] = 9.9
        return pace

    monkeypatch.setattr(search, "measure_pace", slow)
    learned = learned_by(clock)
    assert [member.family for member in learned.pipeline.members] == ["prior"]
    assert any("no time to train" in note for note in learned.notes)
