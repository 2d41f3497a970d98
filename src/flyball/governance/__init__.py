"""What may be let in, and why: gate rules over evidence, verdicts, bills of materials and signatures."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyball.governance.materials import SbomInvalid, sbom
    from flyball.governance.origin import environment, git_commit
    from flyball.governance.promotion import Compare, judge_evidence, judge_version, let_pass, promote
    from flyball.governance.result import RuleResult
    from flyball.governance.rules import (
        AtMost,
        BeatsBaseline,
        Bound,
        NoWorseThan,
        Rule,
        RuleInvalid,
        Within,
        parse_rules,
    )
    from flyball.governance.sign import SigningKeys, sign_bundle
    from flyball.governance.verdict import GateRefused, Verdict, judge

__all__ = [
    "AtMost",
    "BeatsBaseline",
    "Bound",
    "Compare",
    "GateRefused",
    "NoWorseThan",
    "Rule",
    "RuleInvalid",
    "RuleResult",
    "SbomInvalid",
    "SigningKeys",
    "Verdict",
    "Within",
    "environment",
    "git_commit",
    "judge",
    "judge_evidence",
    "judge_version",
    "let_pass",
    "parse_rules",
    "promote",
    "sbom",
    "sign_bundle",
]

_HOMES = {
    "origin": ("environment", "git_commit"),
    "result": ("RuleResult",),
    "verdict": ("GateRefused", "Verdict", "judge"),
    "promotion": ("Compare", "judge_evidence", "judge_version", "let_pass", "promote"),
    "rules": ("AtMost", "BeatsBaseline", "Bound", "NoWorseThan", "Rule", "RuleInvalid", "Within", "parse_rules"),
    "materials": ("SbomInvalid", "sbom"),
    "sign": ("SigningKeys", "sign_bundle"),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"flyball.governance.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
