"""Small networks: exact first layers, shares that add up, and what was never seen counts as average."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from flyball.automl.losses import loss_for
from flyball.automl.network import NetworkModel
from flyball.automl.network_fit import CHECKPOINTS, NetworkSettings, fit_network, readable, seconds_per_epoch
from flyball.automl.problem import Problem
from flyball.data import Table
from flyball.features import fit_frame
from flyball_runtime.schema import Field, Schema

SETTINGS = NetworkSettings("network", hidden=(24, 12), pieces=8, epochs=12, batch=64)
ROWS = 1200


def problem(task: str = "regression", outputs: int = 1, metric: str | None = None) -> Problem:
    """Two numbers whose product matters, one with gaps, and a text."""
    rng = np.random.default_rng(0)
    color = np.empty(ROWS, dtype=object)
    color[:] = rng.choice(["red", "green", "blue"], ROWS).tolist()
    first, second = rng.normal(5, 2, ROWS), rng.normal(size=ROWS)
    answer = np.sign(first - 5) * second + 0.5 * (color == "red")
    first[::10] = np.nan
    schema = Schema((Field("x", "number"), Field("z", "number"), Field("color", "text")))
    table = Table(schema, {"x": first, "z": second, "color": color})
    frame = fit_frame(table)
    if task != "regression":
        answer = np.digitize(answer, np.quantile(answer, np.linspace(0, 1, max(2, outputs) + 1)[1:-1])).astype(float)
    rows = np.arange(ROWS)
    return Problem(
        frame=frame,
        task=task,  # type: ignore[arg-type]
        loss=loss_for(task, metric, outputs),  # type: ignore[arg-type]
        matrix=frame.apply(table.columns),
        target=answer,
        weight=np.ones(ROWS),
        weighted=False,
        folds=[(rows, rows)],
        seed=0,
        threads=1,
        all_threads=1,
    )


def trained(given_: Problem, number: int = 0) -> NetworkModel:
    return fit_network(given_, np.arange(900), SETTINGS, number=number, stop=lambda: False).models[-1]


@pytest.fixture(scope="module")
def plain() -> tuple[Problem, NetworkModel]:
    made = problem()
    return made, NetworkModel.stack([trained(made, 0), trained(made, 1)])


HOSTILE = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.just(2)),
    elements=st.floats(width=32, allow_nan=True, allow_infinity=False),
)


@settings(max_examples=60)
@given(numbers=HOSTILE, color=st.integers(-1, 3), order=st.randoms(use_true_random=False))
def test_the_first_layer_is_the_same_in_any_order_of_its_sum(plain, numbers, color, order) -> None:
    _, model = plain
    rows = np.column_stack([numbers, np.full(len(numbers), min(color, 2))]).astype(np.float32)
    parts, gone = model.pieces(rows)
    columns = np.concatenate([parts, gone.astype(np.float32)], axis=1)
    weights = np.concatenate([model.first, model.missing])
    mixed = list(range(len(weights)))
    order.shuffle(mixed)
    total = np.zeros((len(rows), len(model.bias)), np.float32)
    for place in mixed:
        total = (total + columns[:, [place]] * weights[place]).astype(np.float32)
    for table in model.tables:
        total = (total + table.values[table.rows_of(rows[:, table.feature])]).astype(np.float32)
    assert np.array_equal(total + model.bias, model._first(rows).astype(np.float32))
    assert np.isfinite(model.predict(rows)).all()


@settings(max_examples=40)
@given(numbers=HOSTILE)
def test_shares_add_up_from_the_mean_input_to_the_margin(plain, numbers) -> None:
    _, model = plain
    rows = np.column_stack([numbers, np.zeros(len(numbers))]).astype(np.float32)
    shares = model.attributions(rows)
    np.testing.assert_allclose(shares.sum(axis=1) + model.expected, model.predict(rows), atol=1e-9)


def test_a_feature_that_no_weight_reads_has_no_share(plain) -> None:
    made, model = plain
    deaf = replace(
        model,
        first=np.where((model.piece == 1)[:, None], np.float32(0), model.first),
        missing=np.where((np.arange(2) == 1)[:, None], np.float32(0), model.missing),
        center=np.where((np.arange(3) == 1)[:, None], 0.0, model.center),
    )
    shares = deaf.attributions(made.matrix[:50])
    assert np.abs(shares[:, 1]).max() < 1e-12
    assert np.abs(shares[:, 0]).max() > 0.01


@pytest.mark.parametrize(("task", "outputs"), [("binary", 1), ("multiclass", 4), ("regression", 1)])
def test_what_multiplies_is_learned_which_a_line_cannot(task: str, outputs: int) -> None:
    made = problem(task, outputs)
    held = np.arange(900, ROWS)
    margin = trained(made).predict(made.matrix[held])
    prior = np.tile(made.prior(np.arange(900)), (300, 1))
    ones = np.ones(300)
    reached, nothing = (made.loss.value(one, made.target[held], ones) for one in (margin, prior))
    assert reached < 0.6 * nothing


def test_the_absolute_error_is_learned_by_the_median() -> None:
    made = problem(metric="mae")
    held = np.arange(900, ROWS)
    error = np.abs(trained(made).predict(made.matrix[held])[:, 0] - made.target[held])
    assert error.mean() < 0.5 * np.abs(made.target[held] - np.median(made.target)).mean()


def test_networks_side_by_side_answer_their_mean(plain) -> None:
    made, both = plain
    apart = [trained(made, number).predict(made.matrix) for number in (0, 1)]
    np.testing.assert_allclose(both.predict(made.matrix), np.mean(apart, axis=0), atol=1e-12)


def test_a_value_missing_for_the_first_time_and_an_unseen_level_count_as_average(plain) -> None:
    made, model = plain
    row = made.matrix[[1]].copy()
    row[0, 1] = np.nan
    row[0, 2] = -1  # levels that training never saw
    shares = model.attributions(np.concatenate([row, made.matrix[:1]]))
    np.testing.assert_allclose(shares[0, 1:], 0, atol=2e-3)
    assert np.abs(shares).max() > 0.05


def test_the_same_training_gives_the_same_bits_and_arrays_give_the_model_back() -> None:
    made = problem("multiclass", 3)
    one, other = trained(made), trained(made)
    again = NetworkModel.from_arrays(one.to_arrays())
    for model in (other, again):
        assert np.array_equal(model.predict(made.matrix), one.predict(made.matrix))
        assert all(np.array_equal(value, one.to_arrays()[name]) for name, value in model.to_arrays().items())


def test_a_stopped_training_is_still_a_network_and_says_so() -> None:
    made, calls = problem(), []

    def stop() -> bool:
        calls.append(0)
        return len(calls) >= 3

    short = fit_network(made, np.arange(900), SETTINGS, number=0, stop=stop)
    assert short.stopped
    assert len(calls) == 3
    assert len(short.models) == 1
    assert np.isfinite(short.models[0].predict(made.matrix)).all()
    whole = fit_network(made, np.arange(900), SETTINGS, number=0, stop=lambda: False)
    assert not whole.stopped
    assert len(whole.models) == CHECKPOINTS


def test_a_checkpoint_reached_alone_is_the_checkpoint_of_a_whole_training() -> None:
    made = problem()
    whole = fit_network(made, np.arange(900), SETTINGS, number=0, stop=lambda: False)
    part = fit_network(made, np.arange(900), SETTINGS, number=0, stop=lambda: False, checkpoints=4)
    assert len(part.models) == 4
    assert np.array_equal(part.models[-1].predict(made.matrix), whole.models[3].predict(made.matrix))


def test_the_time_of_a_pass_is_that_of_its_steps() -> None:
    ticks = iter(range(10**6))
    seconds = seconds_per_epoch(problem(), np.arange(900), SETTINGS, lambda: float(next(ticks)))
    assert seconds == pytest.approx(900 / min(SETTINGS.batch, 900 // 40))


def test_a_table_of_too_many_numbers_is_not_for_a_small_network() -> None:
    made = problem()
    assert readable(made)
    schema = Schema(tuple(Field(f"n{number}", "number") for number in range(500)))
    rng = np.random.default_rng(1)
    table = Table(schema, {name: rng.normal(size=40) for name in schema.names})
    frame = fit_frame(table)
    assert not readable(replace(made, frame=frame, matrix=frame.apply(table.columns)))
