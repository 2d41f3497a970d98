"""Costs, slices and margins in the project file: read, or refused with their line and a near miss."""

from __future__ import annotations

import pytest

from flyball.config import ConfigInvalid, ConfigUnknownKey, ProjectConfig, parse_project

FILE = """[project]
name = "plant"
[data.plant]
source = "plant.csv"
[model.plant]
data = "plant"
target = "y"
{model}
[gate.production]
{gate}
"""


def parsed(model: str = "", gate: str = "") -> ProjectConfig:
    return parse_project(FILE.format(model=model, gate=gate))


def test_costs_and_slices_are_read() -> None:
    model = parsed('costs = { false_positive = 1, false_negative = 20.5 }\nslices = "site"').model["plant"]
    assert model.costs is not None
    assert model.costs.model_dump() == {
        "false_positive": 1, "false_negative": 20.5, "true_positive": 0, "true_negative": 0,
    }  # fmt: skip
    assert model.slices == ("site",)


def test_a_margin_goes_into_the_rule_that_the_ledger_keeps() -> None:
    assert parsed(gate='no_worse_than = "staging"').gate["production"].raw == {"no_worse_than": "staging"}
    rule = {"alias": "staging", "margin": 0.005}
    gate = parsed(gate='no_worse_than = { alias = "staging", margin = 0.005 }').gate["production"]
    assert gate.raw == {"no_worse_than": rule}


@pytest.mark.parametrize(
    ("model", "gate", "says"),
    [
        ("costs = [[0, 1], [20, 0]]", "", "a matrix of costs is not known"),
        ("costs = 20", "", "costs are a table"),
        ("costs = { false_positive = 1 }", "", '"false_negative" is missing'),
        ("costs = { false_positive = 0, false_negative = 20 }", "", "must cost more than true_negative"),
        ("costs = { false_positive = '1', false_negative = 20 }", "", "'1' does not fit"),
        ('task = "multiclass"\ncosts = { false_positive = 1, false_negative = 20 }', "", "a multiclass model has none"),
        ('slices = ["a", ""]', "", "must not be empty"),
        ("", 'no_worse_than = { alias = "production", margin = -1 }', "greater than or equal to 0"),
        ("", 'no_worse_than = { alias = "not a name" }', "cannot be an alias"),
        ("", "no_worse_than = 3", "write the name of an alias"),
    ],
)
def test_what_makes_no_sense_is_refused(model: str, gate: str, says: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        parsed(model, gate)
    assert says in caught.value.what
    assert (caught.value.where or "").startswith("flyball.toml:")


def test_misspelt_keys_within_them_have_a_near_miss() -> None:
    with pytest.raises(ConfigUnknownKey) as caught:
        parsed(gate='no_worse_than = { alias = "production", margn = 0.1 }')
    assert caught.value.fix == 'did you mean "margin"?'
    with pytest.raises(ConfigUnknownKey) as caught:
        parsed("costs = { false_positiv = 1, false_negative = 20 }")
    assert (caught.value.fix or "").startswith('did you mean "false_positive"')
