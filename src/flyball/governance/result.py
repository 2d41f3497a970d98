"""What a rule's judgement says, and the figures of an evidence document that it is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flyball.charts import number, span

__all__ = ["RuleResult", "measured_span", "metrics_of", "tested"]


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule's outcome: what it asks, what was measured, whether that passes, what would, and the rule's line."""

    rule: str
    measured: str
    passes: bool
    passes_at: str
    where: str | None = None


def metrics_of(evidence: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    """The metrics of one part ("test", "baseline"), empty when it is absent."""
    return (evidence.get("metrics") or {}).get(part) or {}


def tested(evidence: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """A metric on the test rows; None when it was not measured."""
    found = metrics_of(evidence, "test").get(name)
    return found if found is not None and found.get("value") is not None else None


def measured_span(found: Mapping[str, Any], evidence: Mapping[str, Any]) -> str:
    """A metric with its interval and the number of rows behind it."""
    rows = (evidence.get("split") or {}).get("test_rows")
    low, high = found.get("low"), found.get("high")
    shown = number(found["value"]) if low is None and high is None else span(found["value"], low, high)
    return f"{shown} on {rows:,} test rows" if rows is not None else shown
