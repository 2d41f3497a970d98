"""Rules against evidence: what was asked, what was measured, and what would pass."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from flyball.charts import number, span
from flyball.evaluation import METRICS
from flyball.governance.result import RuleResult, measured_span, metrics_of, tested
from flyball.governance.rival import judge_rival
from flyball.governance.rules import AtMost, BeatsBaseline, Bound, Rule, Where, Within, parse_rules, subject
from flyball_runtime.errors import Refused

__all__ = ["GateRefused", "Verdict", "judge"]

_IMPORTED = "nothing: imported, not evaluated"
_BETTER = "flyball run --budget 10m    for a better version"
_WAYS = {
    "overrules": "take the overrules named above out of the project file, then flyball run",
    "leaks kept": "take the columns named above out of keep, then flyball run",
    "latency": "set a lower latency for the model in the project file, then flyball run",
    "size": "set a smaller size for the model in the project file, then flyball run",
}
_REGISTERED = "a version that was made or registered here"


def _fix(refusals: Sequence[RuleResult]) -> str:
    """What helps against what refused: a longer search changes neither what is overruled nor how large a model may be."""
    ways = []
    for result in refusals:
        way = _WAYS.get(result.rule.partition(":")[0], _BETTER)
        ways += [] if way in ways else [way]
    return "; ".join([*(ways or [_BETTER]), "or change the rule, if the rule is wrong"])


@dataclass(frozen=True, slots=True)
class Verdict:
    """A gate's outcome: passed when every rule passes. A gate without rules passes."""

    gate: str
    passed: bool
    results: tuple[RuleResult, ...] = ()

    @property
    def refusals(self) -> tuple[RuleResult, ...]:
        return tuple(result for result in self.results if not result.passes)

    def to_dict(self) -> dict[str, Any]:
        return {"gate": self.gate, "passed": self.passed, "results": [asdict(result) for result in self.results]}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Verdict:
        return cls(raw["gate"], bool(raw["passed"]), tuple(RuleResult(**result) for result in raw["results"]))


class GateRefused(Refused):
    """A rule of the gate was not met, so the version was not promoted. Nothing changed but the ledger, which says so."""

    code = "FB-GATE-003"

    def __init__(self, version: str, verdict: Verdict) -> None:
        facts: dict[str, str] = {}
        for place, result in enumerate(verdict.refusals):
            mark = "" if place == 0 else f" {place + 1}"
            facts |= {f"rule{mark}": result.rule, f"measured{mark}": result.measured}
            facts[f"passes at{mark}"] = result.passes_at
        first = verdict.refusals[0].where if verdict.refusals else None
        super().__init__(
            f"{version} was not promoted to {verdict.gate}",
            where=first,
            fix=_fix(verdict.refusals),
            facts=facts,
        )
        self.version = version
        self.verdict = verdict

    def lines(self) -> list[tuple[str, str]]:
        """Rule, measured value and what would pass, for every rule that refused; then the next step."""
        shown: list[tuple[str, str]] = []
        for result in self.verdict.refusals:
            place = f"    {result.where}" if result.where else ""
            shown += [("rule", result.rule + place), ("measured", result.measured), ("passes at", result.passes_at)]
        return [*shown, ("next", self.fix or "")]

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "version": self.version, "verdict": self.verdict.to_dict()}


def judge(
    gate: str,
    rules: Mapping[str, Any] | Sequence[Rule],
    evidence: Mapping[str, Any],
    *,
    reference: Mapping[str, Any] | None = None,
    reference_name: str | None = None,
    paired: Mapping[str, Any] | None = None,
    where: Where | None = None,
) -> Verdict:
    """Judge an evidence document by a gate's rules.

    reference: the evidence of the version that `no_worse_than` means (None: no version holds that alias, or the judged
    one does, which passes). reference_name: how to call the holder, if there is one. paired: both compared on the same
    rows, as `comparisons.champion` of an evidence document; without it (or where it is not fair) the intervals are
    compared. An imported version meets no rule: what its source states was not evaluated here. Raises RuleInvalid or
    UnknownMetric for rules that cannot be read.
    """
    parsed = parse_rules(gate, rules, where) if isinstance(rules, Mapping) else list(rules)
    if evidence.get("imported"):
        refused = (RuleResult(rule.text, _IMPORTED, False, _REGISTERED, rule.where) for rule in parsed)
        return Verdict(gate, not parsed, tuple(refused))
    results = []
    for rule in parsed:
        if isinstance(rule, Bound):
            results.append(_judge_bound(rule, evidence))
        elif isinstance(rule, AtMost):
            results.append(_judge_count(rule, evidence))
        elif isinstance(rule, Within):
            results.append(_judge_within(rule, evidence))
        elif isinstance(rule, BeatsBaseline):
            results.append(_judge_baseline(rule, evidence))
        else:
            results.append(judge_rival(rule, evidence, reference, reference_name, paired))
    return Verdict(gate, all(result.passes for result in results), tuple(results))


def _judge_bound(rule: Bound, evidence: Mapping[str, Any]) -> RuleResult:
    found = tested(evidence, rule.metric)
    wanted = _wanted(rule)
    compared = found.get(rule.of) if found else None
    if found is None or compared is None:
        return RuleResult(rule.text, _unmeasured(rule.metric, rule.of, evidence, found), False, wanted, rule.where)
    above = _reaches(compared, rule)
    below = rule.max is None or compared < rule.max or (compared == rule.max and not rule.exclusive)
    more = "" if above else _hits_missing(rule, evidence, compared)
    return RuleResult(rule.text, measured_span(found, evidence), above and below, wanted + more, rule.where)


def _wanted(rule: Bound) -> str:
    sides = []
    if rule.min is not None:
        sides.append(
            f"{'more than ' if rule.exclusive else ''}{number(rule.min, 6)}{'' if rule.exclusive else ' or more'}"
        )
    if rule.max is not None:
        sides.append(
            f"{'less than ' if rule.exclusive else ''}{number(rule.max, 6)}{'' if rule.exclusive else ' or less'}"
        )
    return f"{subject(rule.metric, rule.of)} of {' and '.join(sides)}"


def _judge_count(rule: AtMost, evidence: Mapping[str, Any]) -> RuleResult:
    """Overrules are counted that can flatter; a stricter split than was found, say, is none of them."""
    made = evidence.get("overrules")
    if made is None:
        return RuleResult(rule.text, "nothing: made before overrules were recorded", False, "a new run", rule.where)
    leaks = rule.counted == "leaks_kept"
    counted = [one for one in made if (one["kind"] == "leak kept" if leaks else one["loosens"])]
    named = ", ".join(str(one["column"] or one["kind"]) for one in counted[:5]) + (", …" if len(counted) > 5 else "")
    measured = f"{len(counted):,}" + (f": {named}" if counted else "")
    return RuleResult(rule.text, measured, len(counted) <= rule.most, f"{rule.most:,} or fewer", rule.where)


def _judge_within(rule: Within, evidence: Mapping[str, Any]) -> RuleResult:
    """The median of one row as it was proved, or the graph's own size."""
    found = (evidence.get("latency") or {}).get("single_row_ms")
    if rule.measured == "size":
        found = None if evidence.get("size_bytes") is None else evidence["size_bytes"] / 1e6
    wanted = f"{rule.amount(rule.most)} or less"
    if found is None:
        return RuleResult(rule.text, "not measured", False, wanted, rule.where)
    return RuleResult(rule.text, rule.amount(found), found <= rule.most, wanted, rule.where)


def _judge_baseline(rule: BeatsBaseline, evidence: Mapping[str, Any]) -> RuleResult:
    """By the paired difference on the same rows; evidence that holds none is judged by its interval."""
    name = str(evidence.get("metric"))
    found, guess = tested(evidence, name), metrics_of(evidence, "baseline").get(name)
    if found is None or guess is None or name not in METRICS:
        return RuleResult(rule.text, f"{name} was not measured", False, "a measured metric", rule.where)
    paired = (((evidence.get("comparisons") or {}).get("baseline") or {}).get("metrics") or {}).get(name)
    if paired is not None and paired.get("outcome") != "not enough data":
        gap = paired["difference"]
        measured = f"{name} {number(paired['ours'])}, baseline {number(paired['theirs'])}; "
        measured += f"difference {span(gap['value'], gap['low'], gap['high'])}, paired"
        return RuleResult(rule.text, measured, paired["outcome"] == "better", "a difference clear of 0", rule.where)
    better = METRICS[name].better
    end = found.get("low" if better == "higher" else "high")
    passes = end is not None and METRICS[name].improves(end, guess["value"])
    side, sense = ("low", "above") if better == "higher" else ("high", "below")
    wanted = f"{name} whose {side} end is {sense} the baseline's {number(guess['value'])}"
    measured = f"{name} {measured_span(found, evidence)}; baseline {number(guess['value'])}"
    return RuleResult(rule.text, measured, passes, wanted, rule.where)


def _unmeasured(name: str, of: str, evidence: Mapping[str, Any], found: Mapping[str, Any] | None) -> str:
    if found is not None:
        return f"{measured_span(found, evidence)}: too few independent rows to know the {of} end"
    task = evidence.get("task")
    if name in METRICS and task not in METRICS[name].tasks:
        return f"nothing: {name} does not apply to a {task} model"
    return f"nothing: {name} is undefined on the test rows, or was not measured"


def _hits_missing(rule: Bound, evidence: Mapping[str, Any], compared: float) -> str:
    """For recall of rows that count alike: how many more positives must be found, easier to picture than a share."""
    counts = (evidence.get("confusion") or {}).get("counts")
    classes, positive = evidence.get("classes"), evidence.get("positive_class")
    if (
        rule.metric != "recall"
        or rule.of != "value"
        or rule.min is None
        or not counts
        or not classes
        or positive not in classes
        or (evidence.get("data") or {}).get("weight") is not None
    ):
        return ""
    place = classes.index(positive)
    hits, positives = counts[place][place], sum(counts[place])
    if not positives or not math.isclose(hits / positives, compared, abs_tol=1e-9):  # recall of weighted rows
        return ""
    enough = (count for count in range(hits + 1, positives + 1) if _reaches(count / positives, rule))
    fewest = next(enough, None)
    return f": {fewest - hits:,} more of its {positives:,} positive rows found" if fewest is not None else ""


def _reaches(share: float, rule: Bound) -> bool:
    return rule.min is None or share > rule.min or (share == rule.min and not rule.exclusive)
