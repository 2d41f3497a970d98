"""A gate says what it asked, what was measured and what would pass; it lets nothing through by accident."""

from __future__ import annotations

from typing import Any

import pytest

from flyball.evaluation import UnknownMetric
from flyball.governance import GateRefused, RuleInvalid, Verdict, judge, parse_rules


def evidence(
    value: float = 0.8, low: float | None = 0.7, high: float | None = 0.9, metric: str = "roc_auc", data: str = "d1"
) -> dict[str, Any]:
    return {
        "task": "regression" if metric == "rmse" else "binary",
        "metric": metric,
        "data": {"version": data},
        "split": {"test_rows": 1912},
        "metrics": {
            "test": {metric: {"value": value, "low": low, "high": high}},
            "baseline": {metric: {"value": 0.5, "low": 0.5, "high": 0.5}},
        },
    }


@pytest.mark.parametrize(
    ("rule", "passes"),
    [
        (">= 0.80", True), ("> 0.80", False), (">= 80 %", True), (">= 0.81", False), ("<= 0.80", True), ("< 0.8", False),
        ({"min": 0.8}, True), ({"min": 0.8, "exclusive": True}, False), ({"max": 0.79}, False),
        ({"min": 0.7, "max": 0.9}, True), ({"min": 0.75, "of": "low"}, False), ({"min": 0.7, "of": "low"}, True),
        ({"max": 0.9, "of": "high"}, True), ({"max": 0.89, "of": "high"}, False),
    ],
)  # fmt: skip
def test_a_metric_is_held_within_its_bounds(rule: Any, passes: bool) -> None:
    verdict = judge("production", {"roc_auc": rule}, evidence())
    assert verdict.passed is passes
    assert verdict.results[0].measured == "0.80 [0.70, 0.90] on 1,912 test rows"


def test_the_refusal_reads_like_a_page_of_the_manual() -> None:
    rules = {"roc_auc": ">= 0.90", "beats_baseline": True}
    verdict = judge(
        "production", rules, evidence(), where=lambda key: {"gate.production.roc_auc": "flyball.toml:31"}.get(key, "?")
    )
    assert str(GateRefused("machines@4", verdict)).splitlines() == [
        "FB-GATE-003  machines@4 was not promoted to production",
        "  rule       roc_auc >= 0.9    flyball.toml:31",
        "  measured   0.80 [0.70, 0.90] on 1,912 test rows",
        "  passes at  roc_auc of 0.9 or more",
        "  next       flyball run --budget 10m    for a better version; or change the rule, if the rule is wrong",
    ]


@pytest.mark.parametrize(
    ("rules", "found", "advice"),
    [
        ({"overrules": 0}, {"overrules": [{"kind": "split", "column": None, "loosens": True}]}, "take the overrules"),
        ({"leaks_kept": 0}, {"overrules": [{"kind": "leak kept", "column": "paid", "loosens": True}]}, "out of keep"),
        ({"size": 1_000}, {"size_bytes": 5_000_000}, "a smaller size"),
        ({"latency": 1e-9}, {"latency": {"single_row_ms": 1.0}}, "a lower latency"),
    ],
)
def test_a_refusal_advises_what_helps(rules: Any, found: Any, advice: str) -> None:
    refused = GateRefused("machines@4", judge("production", rules, {**evidence(), **found}))
    assert advice in (refused.fix or "")
    assert "--budget" not in (refused.fix or "")


def test_a_refusal_carries_every_failed_rule_and_only_those() -> None:
    verdict = judge("production", {"roc_auc": ">= 0.9", "recall": ">= 0.5", "beats_baseline": True}, evidence())
    refused = GateRefused("machines@4", verdict)
    assert [result.rule for result in verdict.refusals] == ["roc_auc >= 0.9", "recall >= 0.5"]
    assert str(refused).count("passes at") == 2
    assert refused.exit_code == 1
    body = refused.to_dict()
    assert body["code"] == "FB-GATE-003"
    assert Verdict.from_dict(body["verdict"]) == verdict
    assert body["facts"]["rule 2"] == "recall >= 0.5"


def test_what_was_not_measured_does_not_pass() -> None:
    verdict = judge("production", {"recall": ">= 0", "rmse": "<= 9"}, evidence())
    assert [result.passes for result in verdict.results] == [False, False]
    assert "undefined" in verdict.results[0].measured
    assert "does not apply to a binary model" in verdict.results[1].measured


def test_an_interval_end_that_the_data_cannot_tell_does_not_pass() -> None:
    found = judge("production", {"roc_auc": {"min": 0.1, "of": "low"}}, evidence(low=None)).results[0]
    assert not found.passes
    assert "too few independent rows" in found.measured


@pytest.mark.parametrize(("metric", "low", "high", "passes"), [
    ("roc_auc", 0.51, 0.9, True), ("roc_auc", 0.5, 0.9, False), ("roc_auc", None, None, False),
    ("rmse", 0.1, 0.49, True), ("rmse", 0.1, 0.51, False),
])  # fmt: skip
def test_beating_the_baseline_means_the_bad_end_of_the_interval(
    metric: str, low: float | None, high: float | None, passes: bool
) -> None:
    value = 0.8 if metric == "roc_auc" else 0.4
    found = judge("staging", {"beats_baseline": True}, evidence(value, low, high, metric)).results[0]
    assert found.passes is passes
    assert "baseline 0.5" in found.measured


@pytest.mark.parametrize(("outcome", "passes"), [("better", True), ("no clear difference", False), ("worse", False)])
def test_the_baseline_is_beaten_by_the_paired_difference_where_the_evidence_has_one(outcome: str, passes: bool) -> None:
    paired = {
        "ours": 0.4,
        "theirs": 0.5,
        "difference": {"value": -0.1, "low": -0.12, "high": -0.08},
        "outcome": outcome,
    }
    document = {**evidence(0.4, 0.1, 0.9, "rmse"), "comparisons": {"baseline": {"metrics": {"rmse": paired}}}}
    found = judge("staging", {"beats_baseline": True}, document).results[0]
    assert found.passes is passes
    assert "difference -0.10 [-0.12, -0.08], paired" in found.measured.replace("−", "-")


@pytest.mark.parametrize(("value", "metric", "passes"), [
    (0.80, "roc_auc", True), (0.70, "roc_auc", True), (0.69, "roc_auc", False), (0.95, "roc_auc", True),
    (0.90, "rmse", True), (0.91, "rmse", False), (0.1, "rmse", True),
])  # fmt: skip
def test_no_worse_means_within_the_others_interval_or_better(value: float, metric: str, passes: bool) -> None:
    found = judge(
        "production", {"no_worse_than": "production"}, evidence(value, metric=metric),
        reference=evidence(metric=metric), reference_name="machines@1",
    ).results[0]  # fmt: skip
    assert found.passes is passes
    assert "machines@1 0.80 [0.70, 0.90]" in found.measured


def test_the_first_version_is_no_worse_than_none() -> None:
    assert judge("production", {"no_worse_than": "production"}, evidence()).passed


def test_comparing_on_different_data_is_said() -> None:
    found = judge("p", {"no_worse_than": "p"}, evidence(), reference=evidence(data="d2")).results[0]
    assert "measured on different data" in found.measured


def test_a_recall_gap_is_told_in_rows() -> None:
    document = evidence(0.62, 0.5, 0.7, "recall")
    document |= {"classes": ["no", "yes"], "positive_class": "yes", "confusion": {"counts": [[90, 10], [19, 31]]}}
    assert "7 more of its 50 positive rows" in judge("p", {"recall": ">= 0.75"}, document).results[0].passes_at


def test_a_gate_without_rules_passes() -> None:
    assert judge("staging", {}, evidence()) == Verdict("staging", True, ())
    assert judge("staging", {"beats_baseline": False}, evidence()).results == ()


@pytest.mark.parametrize(
    "rules",
    [
        {"roc_auc": "about 0.6"}, {"roc_auc": 0.6}, {"roc_auc": {}}, {"roc_auc": {"min": "0.6"}}, {"roc_auc": {"min": True}},
        {"roc_auc": {"min": 0.6, "by": "site"}}, {"roc_auc": {"min": 0.9, "max": 0.1}}, {"roc_auc": {"min": 0.1, "of": "middle"}},
        {"roc_auc": {"min": float("nan")}}, {"beats_baseline": "yes"}, {"no_worse_than": 3}, {"roc_auc": ">= 0.6 or so"},
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_read_is_refused_with_its_line(rules: dict[str, Any]) -> None:
    with pytest.raises(RuleInvalid) as caught:
        parse_rules("production", rules, lambda key: f"flyball.toml:9 {key}")
    assert "flyball.toml:9 gate.production." in str(caught.value)


def test_an_unknown_metric_gets_a_near_miss() -> None:
    with pytest.raises(UnknownMetric, match="roc_acu") as caught:
        judge("production", {"roc_acu": ">= 0.5"}, evidence())
    assert '"roc_auc"' in str(caught.value)


def counted(hits: int, positives: int, **more: Any) -> dict[str, Any]:
    document = evidence(hits / positives, 0.0, 1.0, "recall")
    counts = [[90, 10], [positives - hits, hits]]
    return document | {"classes": ["no", "yes"], "positive_class": "yes", "confusion": {"counts": counts}} | more


@pytest.mark.parametrize(("hits", "positives", "rule", "more"), [
    (32, 50, ">= 0.66", 1), (56, 100, ">= 0.57", 1), (0, 100, ">= 0.29", 29), (32, 50, "> 0.66", 2), (1, 3, ">= 66 %", 1),
    (4, 10, {"min": 0.7}, 3), (4, 10, {"min": 0.7, "exclusive": True}, 4),
])  # fmt: skip
def test_the_rows_still_to_be_found_are_the_fewest_that_pass(hits: int, positives: int, rule: Any, more: int) -> None:
    passes_at = judge("p", {"recall": rule}, counted(hits, positives)).results[0].passes_at
    assert passes_at.endswith(f": {more} more of its {positives} positive rows found")
    assert judge("p", {"recall": rule}, counted(hits + more, positives)).passed
    assert not judge("p", {"recall": rule}, counted(hits + more - 1, positives)).passed


def test_rows_still_to_be_found_are_not_told_where_no_number_would_do_or_rows_weigh_differently() -> None:
    weighted = counted(30, 50, data={"version": "d1", "weight": "importance"})
    older = counted(30, 50) | {"metrics": {"test": {"recall": {"value": 0.55, "low": 0.5, "high": 0.7}}}}
    for document, rule in ((counted(30, 50), "> 1"), (weighted, ">= 0.75"), (older, ">= 0.75")):
        assert "more of its" not in judge("p", {"recall": rule}, document).results[0].passes_at
