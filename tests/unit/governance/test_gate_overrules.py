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
