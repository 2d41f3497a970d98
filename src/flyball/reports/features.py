"""What was made from other tables, what each feature bought, and what was left out and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flyball.charts import percent
from flyball.reports.evidence import Evidence
from flyball.reports.html import code, e, note, section, table, tag

__all__ = ["made_features"]

_MOST_LEFT_OUT = 30


def made_features(evidence: Evidence) -> str:
    """The section; empty for a model of one table."""
    judged = evidence.part("features")
    features = judged.get("features") or ()
    if not features:
        return ""
    kept = [one for one in features if one.get("kept")]
    gone = [one for one in features if not one.get("kept")]
    lead = (
        "Columns made from other tables along their keys, each as of its row's time. What a feature buys is how much the loss "
        "on training rows that were not learned from rises when its values are shuffled."
    )
    parts = [note(e(judged.get("text")), "plain" if kept else "warn")]
    if kept:
        parts.append(_listed(kept, "Features that pay"))
    if gone:
        parts.append("<h3>Left out</h3>" + _listed(gone[:_MOST_LEFT_OUT], "Features left out"))
    if len(gone) > _MOST_LEFT_OUT:
        parts.append(f"<p class=lead>… and {len(gone) - _MOST_LEFT_OUT} more: flyball features lists all.</p>")
    return section("features", "Features of other tables", lead, *parts)


def _listed(features: list[Mapping[str, Any]], caption: str) -> str:
    rows = [
        [code(one.get("name")) + f"<small>{e(one.get('text'))}</small>", e(_gain(one.get("gain"))),
         tag("good", "kept") if one.get("kept") else e(one.get("why"))]
        for one in features
    ]  # fmt: skip
    return table(["Feature", "Buys", ""], rows, caption=caption, numeric=[1], wide=0)


def _gain(gain: Mapping[str, Any] | None) -> str:
    if not gain or gain.get("value") is None:
        return "–"
    ends = "" if gain.get("low") is None else f" [{100 * gain['low']:.2g}, {100 * gain['high']:.2g}]"
    return percent(gain["value"], 1) + ends
