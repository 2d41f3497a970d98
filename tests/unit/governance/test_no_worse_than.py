"""`no_worse_than` goes by the difference on the same rows; where that cannot be had it says what it went by instead."""

from __future__ import annotations

from typing import Any

import pytest

from flyball.governance import GateRefused, RuleInvalid, Verdict, judge, parse_rules


def evidence(value: float = 0.8, metric: str = "roc_auc", data: str = "d1") -> dict[str, Any]:
    return {
        "task": "binary", "metric": metric, "data": {"version": data}, "split": {"test_rows": 400},
        "metrics": {"test": {metric: {"value": value, "low": value - 0.1, "high": value + 0.1}}},
    }  # fmt: skip


def paired(low: float, value: float, high: float, *, metric: str = "roc_auc", **more: Any) -> dict[str, Any]:
    higher = metric != "log_loss"
    outcome = "no clear difference"
    if low > 0 or high < 0:
        outcome = "better" if (low > 0) == higher else "worse"
    one = {"ours": 0.8, "theirs": 0.8 - value, "difference": {"value": value, "low": low, "high": high},
           "p_value": 0.04, "outcome": outcome}  # fmt: skip
    return {"comparable": True, "fair": True, "caution": None, "rows": 400, "metrics": {metric: one}, **more}


def judged(rule: Any, found: dict[str, Any] | None, metric: str = "roc_auc") -> Verdict:
    return judge(
        "production", {"no_worse_than": rule}, evidence(metric=metric),
        reference=evidence(0.82, metric=metric), reference_name="plant@1", paired=found,
    )  # fmt: skip


MARGIN = {"alias": "production", "margin": 0.01}


@pytest.mark.parametrize(
    ("metric", "rule", "interval", "passes"),
    [
        ("roc_auc", "production", (-0.03, -0.01, 0.01), True), ("roc_auc", "production", (-0.03, -0.02, -0.01), False),
        ("roc_auc", MARGIN, (-0.03, -0.01, 0.01), False), ("roc_auc", MARGIN, (-0.01, 0.0, 0.01), True),
        ("roc_auc", MARGIN, (-0.009, -0.005, -0.001), True), ("log_loss", "production", (0.01, 0.02, 0.03), False),
        ("log_loss", "production", (-0.03, -0.02, -0.01), True), ("log_loss", MARGIN, (-0.02, 0.0, 0.02), False),
        ("log_loss", MARGIN, (-0.02, 0.0, 0.01), True),
    ],
)  # fmt: skip
def test_the_paired_interval_decides(metric: str, rule: Any, interval: tuple[float, ...], passes: bool) -> None:
    assert judged(rule, paired(*interval, metric=metric), metric).passed is passes


def test_the_refusal_shows_the_difference_and_what_would_pass() -> None:
    refused = GateRefused("plant@2", judged("production", paired(-0.03, -0.02, -0.01)))
    assert str(refused).splitlines()[1:4] == [
        "  rule       no worse than production",
        "  measured   roc_auc 0.8, plant@1 0.82; difference −0.020 [−0.030, −0.010], paired on 400 rows (p 0.04)",
        "  passes at  a difference whose high end reaches 0",
    ]
    strict = judged(MARGIN, paired(-0.03, -0.02, -0.01)).results[0]
    assert (strict.rule, strict.passes_at) == (
        "no worse than production by more than 0.01", "a difference whose low end is −0.01 or more",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (None, ""),
        ({"comparable": False, "reason": "plant@1 predicts another target"}, "plant@1 predicts another target"),
        (paired(-0.5, -0.4, -0.3, fair=False, caution="plant@1 learned from these rows"), "learned from these rows"),
        (paired(-0.5, -0.4, -0.3, metrics={}), "too few independent rows"),
    ],
)
def test_without_a_fair_paired_test_the_intervals_decide_and_that_is_said(found: Any, why: str) -> None:
    result = judged("production", found).results[0]
    assert result.passes  # 0.80 is above 0.72, the low end of the holder's own interval
    assert result.passes_at == "roc_auc of 0.72 or more"
    assert ("not paired" in result.measured) is bool(why)
    assert why in result.measured
    assert not judged(MARGIN, found).passed  # 0.80 is below 0.82 - 0.01


def test_evidence_of_before_is_judged_as_before() -> None:
    verdict = judge("p", {"no_worse_than": "p"}, evidence(), reference=evidence(data="d2"))
    assert verdict.passed
    assert "different data" in verdict.results[0].measured
    assert Verdict.from_dict(verdict.to_dict()) == verdict


@pytest.mark.parametrize(
    "rule", [3, "", {"alias": 3}, {"margin": 0.1}, {"alias": "p", "margin": -1}, {"alias": "p", "margin": "0.1"},
             {"alias": "p", "more": 1}, {"alias": "p", "margin": float("inf")}],
)  # fmt: skip
def test_a_rule_in_no_known_form_is_refused(rule: Any) -> None:
    with pytest.raises(RuleInvalid):
        parse_rules("production", {"no_worse_than": rule})
