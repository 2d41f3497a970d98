"""The rule `no_worse_than`: by the paired difference on the same rows, or by the intervals where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flyball.charts import number, span
from flyball.evaluation import METRICS
from flyball.governance.result import RuleResult, measured_span, tested
from flyball.governance.rules import NoWorseThan

__all__ = ["judge_rival"]

Document = Mapping[str, Any]


def judge_rival(
    rule: NoWorseThan, evidence: Document, reference: Document | None, called: str | None, paired: Document | None
) -> RuleResult:
    """Hold a version against the one that the rule's alias names; against none, or itself, it passes."""
    name = str(evidence.get("metric"))
    if reference is None:
        if called is not None:
            return RuleResult(rule.text, f"{called} itself holds {rule.alias}", True, "always", rule.where)
        return RuleResult(rule.text, f"no version holds {rule.alias} yet", True, "always, the first time", rule.where)
    holder = called or rule.alias
    found, doubt = _paired_metric(name, paired)
    if found is not None and paired is not None:
        return _by_difference(rule, name, holder, found, paired)
    return _by_intervals(rule, holder, evidence, reference, doubt)


def _paired_metric(name: str, paired: Document | None) -> tuple[Document | None, str]:
    """The metric's paired difference, or None with the reason why there is none to go by."""
    if paired is None:
        return None, ""
    if not paired.get("comparable"):
        return None, str(paired.get("reason") or "")
    if not paired.get("fair"):
        return None, str(paired.get("caution") or "")
    found = (paired.get("metrics") or {}).get(name)
    if found is None or name not in METRICS or found.get("outcome") == "not enough data":
        return None, "too few independent rows for a paired test"
    return found, ""


def _by_difference(rule: NoWorseThan, name: str, holder: str, found: Document, paired: Document) -> RuleResult:
    gap = found["difference"]
    higher = METRICS[name].better == "higher"
    if rule.margin is None:
        passes = found["outcome"] != "worse"
        wanted = f"a difference whose {'high' if higher else 'low'} end reaches 0"
    else:
        passes = gap["low"] >= -rule.margin if higher else gap["high"] <= rule.margin
        end = (
            f"low end is {number(-rule.margin, 6)} or more"
            if higher
            else f"high end is {number(rule.margin, 6)} or less"
        )
        wanted = f"a difference whose {end}"
    measured = (
        f"{name} {number(found['ours'])}, {holder} {number(found['theirs'])}; difference "
        f"{span(gap['value'], gap['low'], gap['high'])}, paired on {paired['rows']:,} rows{_chance(found)}"
    )
    return RuleResult(rule.text, measured, passes, wanted, rule.where)


def _chance(found: Document) -> str:
    chance = found.get("p_value")
    return "" if chance is None else f" (p {number(chance, 2)})" if chance >= 0.001 else " (p below 0.001)"


def _by_intervals(rule: NoWorseThan, holder: str, evidence: Document, reference: Document, doubt: str) -> RuleResult:
    """Each version by its own test: at least the bad end of the holder's interval or, with a margin, its value less that."""
    name = str(evidence.get("metric"))
    found, theirs = tested(evidence, name), tested(reference, name)
    if found is None or theirs is None or name not in METRICS:
        missing = holder if found is not None else "this version"
        return RuleResult(rule.text, f"{name} was not measured for {missing}", False, f"{name} of both", rule.where)
    higher = METRICS[name].better == "higher"
    end = theirs.get("low" if higher else "high")
    least = theirs["value"] if end is None else end
    if rule.margin is not None:
        least = theirs["value"] - rule.margin if higher else theirs["value"] + rule.margin
    passes = not METRICS[name].improves(least, found["value"])
    data, other = ((document.get("data") or {}).get("version") for document in (evidence, reference))
    caution = "" if data == other else " (measured on different data)"
    if doubt:
        caution += f" (not paired: {doubt})"
    measured = (
        f"{name} {measured_span(found, evidence)}; {holder} {span(theirs['value'], theirs['low'], theirs['high'])}"
    )
    side = "or more" if higher else "or less"
    return RuleResult(rule.text, measured + caution, passes, f"{name} of {number(least)} {side}", rule.where)
