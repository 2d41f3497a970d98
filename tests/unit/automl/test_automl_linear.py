"""The linear family: right coefficients, missing values, categories, and shares that add up."""

from __future__ import annotations

import numpy as np
import pytest

from flyball.automl.linear_fit import fit_linear
from flyball.automl.losses import loss_for
from flyball.automl.problem import Problem
from flyball.data import Table
from flyball.features import fit_frame
from flyball_runtime.schema import Field, Schema


def problem(table: Table, target: np.ndarray, task: str, outputs: int = 1) -> Problem:
    frame = fit_frame(table)
    rows = np.arange(table.rows)
    return Problem(
        frame=frame,
        task=task,  # type: ignore[arg-type]
        loss=loss_for(task, None, outputs),  # type: ignore[arg-type]
        matrix=frame.apply(table.columns),
        target=target,
        weight=np.ones(table.rows),
        weighted=False,
        folds=[(rows, rows)],
        seed=0,
        threads=1,
        all_threads=1,
    )


@pytest.fixture
def table() -> Table:
    rng = np.random.default_rng(0)
    color = np.empty(800, dtype=object)
    color[:] = rng.choice(["red", "green", "blue"], 800).tolist()
    x = rng.normal(5, 2, 800)
    x[::10] = np.nan
    schema = Schema((Field("x", "number"), Field("z", "number"), Field("color", "text")))
    return Table(schema, {"x": x, "z": rng.normal(size=800), "color": color})


def test_a_line_is_found_again_with_its_missing_values_and_categories(table: Table) -> None:
    known = ~np.isnan(table["x"])
    target = np.where(known, 2 * table["x"], 30.0) - table["z"] + 4.0 * (table["color"] == "red")
    scaled = (target - target.mean()) / target.std()
    fitted = problem(table, scaled, "regression")
    model = fit_linear(fitted, np.arange(800), stop=lambda: False, penalties=(1e-6,))[0]
    np.testing.assert_allclose(model.predict(fitted.matrix)[:, 0], scaled, atol=0.02)


@pytest.mark.parametrize("outputs", [1, 3])
def test_shares_and_mean_add_up_to_the_margin(table: Table, outputs: int) -> None:
    target = np.random.default_rng(1).integers(0, max(2, outputs), 800).astype(float)
    fitted = problem(table, target, "binary" if outputs == 1 else "multiclass", outputs)
    model = fit_linear(fitted, np.arange(800), stop=lambda: False)[-1]
    margin = model.predict(fitted.matrix)
    np.testing.assert_allclose(model.contributions(fitted.matrix).sum(axis=1) + model.intercept, margin, atol=1e-9)
    shares = model.attributions(fitted.matrix)
    np.testing.assert_allclose(shares.sum(axis=1) + model.expected, margin, atol=1e-9)
    np.testing.assert_allclose(shares.mean(axis=0), 0, atol=1e-9)


def test_logistic_regression_agrees_with_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    X = np.random.default_rng(2).normal(size=(600, 3)).astype(np.float32)
    target = (X @ [1.0, -2.0, 0.5] + np.random.default_rng(3).logistic(size=600) > 0).astype(float)
    schema = Schema(tuple(Field(f"x{i}", "number") for i in range(3)))
    numeric = Table(schema, {f"x{i}": X[:, i].astype(np.float64) for i in range(3)})
    fitted = problem(numeric, target, "binary")
    penalty = 0.01
    ours = fit_linear(fitted, np.arange(600), stop=lambda: False, penalties=(penalty,))[0]
    scaled = (fitted.matrix - fitted.matrix.mean(axis=0)) / fitted.matrix.std(axis=0)
    theirs = LogisticRegression(C=1 / (600 * penalty), tol=1e-8).fit(scaled, target)
    np.testing.assert_allclose(ours.coef[:, 0], theirs.coef_[0], atol=2e-3)


def test_an_outlier_cannot_carry_the_answer_away(table: Table) -> None:
    fitted = problem(table, table["z"], "regression")
    model = fit_linear(fitted, np.arange(800), stop=lambda: False, penalties=(1e-6,))[0]
    far = fitted.matrix[:1].copy()
    far[0, 1] = 1e30
    assert abs(model.predict(far)[0, 0]) < 15


def test_a_fit_that_is_stopped_at_once_answers_the_prior(table: Table) -> None:
    fitted = problem(table, (table["z"] > 0).astype(float), "binary")
    model = fit_linear(fitted, np.arange(800), stop=lambda: True)[0]
    assert np.ptp(model.predict(fitted.matrix)) == 0
