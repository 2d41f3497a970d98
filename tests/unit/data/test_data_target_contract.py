"""Targets that cannot be learnt are refused; contracts name what a new version breaks."""

from __future__ import annotations

import numpy as np
import pytest

from flyball.data import Contract, check_contract, infer_contract, prepare_target, read_source
from flyball.data.target import TargetConstant, TargetMissing, TargetUnknown, TargetUnusable, TooFewRows


def table(rows: int = 40, **columns):
    rng = np.random.default_rng(0)
    given = {"x": rng.normal(size=rows), "site": rng.choice(["a", "b"], rows), "n": np.arange(rows)}
    return read_source(given | columns).table


def test_rows_without_a_target_are_left_out_and_said():
    values = np.arange(40.0)
    values[[3, 5]] = np.nan
    values[7] = np.inf
    target = prepare_target(table(y=values), "y")
    assert set(range(40)) - set(target.rows_kept.tolist()) == {3, 5, 7}
    assert np.isfinite(target.values).all()
    assert target.notes == [
        '2 rows are left out: the target "y" is missing there',
        '1 row is left out: the target "y" is infinite there',
    ]


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ([None] * 40, TargetMissing),
        ([1] * 40, TargetConstant),
        ([1] * 30 + [None] * 10, TargetConstant),
        ([1, 0] * 4 + [None] * 32, TooFewRows),
        ([f"t{row}" for row in range(40)], TargetUnusable),
        (np.arange(40).astype("datetime64[D]"), TargetUnusable),
        (np.linspace(-1, 1, 40) * 1e200, TargetUnusable),
    ],
)
def test_a_target_that_cannot_be_learnt_is_refused(values, error):
    with pytest.raises(error) as caught:
        prepare_target(table(y=values), "y")
    assert caught.value.exit_code == 2


def test_an_unknown_target_offers_the_nearest_name():
    with pytest.raises(TargetUnknown, match='did you mean "site"'):
        prepare_target(table(), "Stie")


def test_a_table_keeps_the_contract_inferred_from_it_also_after_storage():
    contract = infer_contract(table())
    assert check_contract(table(), contract) == []
    assert Contract.from_dict(contract.to_dict()) == contract
    assert contract.schema.names == ("x", "site", "n")


def test_every_broken_promise_is_named_with_its_rows():
    contract = infer_contract(table())
    site = np.array(["a", "c"] * 19 + ["b", None], dtype=object)
    broken = check_contract(table(x=[99.0] * 40, site=site, n=[1] * 40).drop([]), contract)
    assert {(item.column, item.rule, item.rows) for item in broken} == {
        ("x", "range", 40),
        ("site", "missing", 1),
        ("site", "levels", 19),
        ("n", "unique", 39),
    }
    assert not any(item.blocking for item in broken)


def test_a_missing_column_and_another_type_block():
    contract = infer_contract(table())
    found = check_contract(table(x=["word"] * 40).drop(["site"]), contract)
    assert {(item.column, item.rule) for item in found if item.blocking} == {("x", "type"), ("site", "missing_column")}
