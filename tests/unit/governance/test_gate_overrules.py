"""A gate can refuse what was decided against the look."""

from __future__ import annotations

from typing import Any

import pytest

from flyball.config import ConfigInvalid, parse_project
from flyball.governance import RuleInvalid, judge, parse_rules

KEPT = {"kind": "leak kept", "column": "TWF", "loosens": True}
STRICTER = {"kind": "split", "column": None, "loosens": False}


@pytest.mark.parametrize(
    ("rules", "made", "passes"),
    [
        ({"leaks_kept": 0}, [KEPT], False),
        ({"leaks_kept": 1}, [KEPT], True),
        ({"leaks_kept": 0}, [STRICTER], True),
        ({"overrules": 0}, [STRICTER], True),
        ({"overrules": 0}, [KEPT, STRICTER], False),
        ({"overrules": 0}, None, False),
    ],
)
def test_overrules_that_can_flatter_are_counted(rules: dict[str, Any], made: Any, passes: bool) -> None:
    verdict = judge("production", rules, {} if made is None else {"overrules": made})
    assert verdict.passed is passes
    if made and not passes:
        assert "TWF" in verdict.results[0].measured


@pytest.mark.parametrize("raw", [True, -1, "0", 0.5])
def test_a_number_of_overrules_is_a_whole_number(raw: Any) -> None:
    with pytest.raises(RuleInvalid, match="leaks_kept"):
        parse_rules("production", {"leaks_kept": raw})


def test_the_project_file_knows_these_rules_and_hands_them_on() -> None:
    config = parse_project('[project]\nname = "p"\n[gate.production]\noverrules = 2\nleaks_kept = 0\n')
    assert config.gate["production"].raw == {"overrules": 2, "leaks_kept": 0}
    with pytest.raises(ConfigInvalid, match=r"leaks_kept|-1"):
        parse_project('[project]\nname = "p"\n[gate.production]\nleaks_kept = -1\n')


@pytest.mark.parametrize(
    ("rules", "measured", "passes"),
    [
        ({"latency": "0.2ms"}, {"latency": {"single_row_ms": 0.15}}, True),
        ({"latency": "0.1ms"}, {"latency": {"single_row_ms": 0.15}}, False),
        ({"size": "2MB"}, {"size_bytes": 2_000_000}, True),
        ({"size": "2MB"}, {"size_bytes": 2_000_001}, False),
        ({"latency": "1s"}, {}, False),
    ],
)
def test_a_gate_can_hold_a_row_to_a_time_and_the_graph_to_a_size(rules, measured, passes) -> None:
    verdict = judge("production", rules, measured)
    assert verdict.passed is passes
    assert [result.rule.split(":")[0] for result in verdict.results] == list(rules)


def test_times_and_sizes_of_gates_and_models_are_read_from_the_file() -> None:
    text = '[project]\nname = "p"\n[data.d]\nsource = "d.csv"\n[model.m]\ndata = "d"\ntarget = "y"\n'
    config = parse_project(text + 'latency = "2ms"\nsize = "1.5MB"\n[gate.production]\nlatency = "3ms"\nsize = "2MB"\n')
    assert (config.model["m"].latency, config.model["m"].size) == (0.002, 1_500_000)
    (latency, size) = parse_rules("production", config.gate["production"].raw)
    assert (latency.text, size.text) == ("latency: at most 3 ms", "size: at most 2 MB")
    for wrong in ('latency = "0s"\n', 'size = "2 parsecs"\n', "size = 10\n"):
        with pytest.raises(ConfigInvalid):
            parse_project(text + wrong)
