"""Where the model is weak, whether it beats the champion, and what deciding by its threshold costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flyball.charts import Span, by_threshold, intervals, number, percent, span
from flyball.core.counting import counted
from flyball.evaluation import METRICS
from flyball.reports.evidence import Evidence
from flyball.reports.html import e, figure, note, section, table, tag

__all__ = ["comparisons", "decision", "slices"]

_ARMS = (
    ("chosen", "At the threshold"), ("half", "At 0.5"), ("never", "Calling no row"), ("always", "Calling every row"),
)  # fmt: skip


def slices(evidence: Evidence) -> str:
    """Segments that are weak, and every level of the columns that were named; nothing for evidence without slices."""
    found = evidence.part("slices")
    if not found:
        return ""
    searched, rate = found.get("searched") or {}, found.get("rate") or {}
    lead = (
        f"{counted(searched.get('segments'), 'segment')} of one or two conditions on {len(searched.get('columns') or ())} "
        f"columns were searched on {number(searched.get('rows'))} test rows, for rows that cost at least a tenth more than "
        f"rows overall, beyond what the model itself expects. By accident any is named in at most "
        f"{percent(rate.get('value'), 0)} of such searches."
    )
    weak = _items(found.get("found"))
    named = {one.get("text") for one in weak}
    hard = [one for one in _items(found.get("hard")) if one.get("text") not in named]
    marks = {"found": tag("warn", f"{len(weak)} found"), "none found": tag("good", "none found")}
    state = marks.get(str(found.get("status")), tag("plain", str(found.get("status"))))
    parts = [note(f"{state} {e(found.get('why'))}.{_findable(found)}")]
    if not searched.get("segments"):
        lead = "Segments of one or two conditions that cost at least a tenth more than rows overall are searched for."
    if weak:
        parts.append(_weak_table("Weak segments", weak, found))
    if hard:
        parts.append(
            '<p class="lead">Hard, and known to be: the model\'s own probabilities say that these rows are uncertain.</p>'
        )
        parts.append(_weak_table("Hard segments", hard, found))
    charts = [_picture(found, "weak and hard segments", [*weak, *hard])] if weak or hard else []
    for one in _items(found.get("named")):
        name = str(one.get("column"))
        charts.append(_picture(found, name, [_without(name, level) for level in _items(one.get("levels"))]))
    if charts:
        parts.append(f'<div class="grid">{"".join(charts)}</div>')
    skipped = found.get("skipped") or {}
    for names, why in (
        (skipped.get("personal"), "they are personal"),
        (skipped.get("leaks"), "they give the answer away"),
    ):
        if names:
            parts.append(f'<p class="lead">Not searched, because {why}: {e(", ".join(map(str, names)))}.</p>')
    return section("slices", "Where it is weak", lead, *parts)


def _chance(p: Any) -> str:
    """A p-value; a tiny one is said to be below a thousandth, never nothing."""
    return "&lt; 0.001" if isinstance(p, int | float) and p < 0.001 else number(p, 2)


def _findable(found: Mapping[str, Any]) -> str:
    if found.get("findable") is None:
        return ""
    name = e((found.get("loss") or {}).get("name"))
    return f" A tenth of the rows would be found four times in five if their {name} were {number(found['findable'])} higher."


def _weak_table(caption: str, segments: Sequence[Mapping[str, Any]], found: Mapping[str, Any]) -> str:
    metric = str(found.get("metric"))
    label = METRICS[metric].label if metric in METRICS else metric
    rows = [
        [f"{e(one.get('text'))}<small>{counted(one.get('rows'), 'row')}, {percent(one.get('share'), 1)}</small>",
         e(_span(one.get("excess"))), e(_span(one.get("metric"))), _chance(one.get("p_value"))]
        for one in segments
    ]  # fmt: skip
    loss = str((found.get("loss") or {}).get("name") or "loss")
    heads = ["Segment", f"{loss} above overall", f"{label} (overall {_value(found.get('overall'))})", "p, adjusted"]
    return table(heads, rows, caption=caption, numeric=(1, 2, 3), wide=0)


def _picture(found: Mapping[str, Any], title: str, items: Sequence[Mapping[str, Any]]) -> str:
    metric = str(found.get("metric"))
    label = METRICS[metric].label if metric in METRICS else metric
    overall = (found.get("overall") or {}).get("value")
    spans = [_one_span(one) for one in items]
    chart = intervals(spans, title=f"{label}: {title}", reference=overall, style=False)
    better = "to the right" if metric in METRICS and METRICS[metric].better == "higher" else "to the left"
    return figure(
        chart,
        f"{label}: {title}",
        f"Lines are 90 % confidence intervals, the dashed line all rows; {better} is better.",
    )


def _without(column: str, level: Mapping[str, Any]) -> dict[str, Any]:
    """A level whose text does not repeat the column's name."""
    return {**level, "text": str(level.get("text")).removeprefix(f"{column} ").removeprefix("is ")}


def _one_span(one: Mapping[str, Any]) -> Span:
    measured = one.get("metric") or {}
    return Span(
        str(one.get("text")), measured.get("value"), measured.get("low"), measured.get("high"),
        note=f"{counted(one.get('rows'), 'row')}", warm="excess" in one,
    )  # fmt: skip


def comparisons(evidence: Evidence) -> str:
    """The paired differences to the champion, and in one line to the baseline."""
    found = evidence.part("comparisons")
    champion, guess = found.get("champion"), found.get("baseline")
    if not found or (not champion and not guess):
        return ""
    lead = (
        "Both models on the same rows: what is hard for both does not blur the difference. Brackets are 90 % intervals."
    )
    parts = [f'<p class="lead">{e(_opened(str(guess["text"])))}.</p>'] if guess else []
    if champion:
        held = f"{champion.get('with')}" + (f", which holds {champion['alias']}," if champion.get("alias") else "")
        parts.append(f"<h3>Against {e(held)} {_outcome(evidence, champion)}</h3>")
        if not champion.get("comparable"):
            parts.append(note(e(f"Not comparable: {champion.get('reason')}.")))
        else:
            if champion.get("caution"):
                parts.append(note(e(f"{champion['caution']}."), "plain" if champion.get("fair") else "warn"))
            parts.append(_differences(evidence, champion))
    else:
        parts.append(
            '<p class="lead">No version held the alias when this one was made, so there is no champion yet.</p>'
        )
    return section("comparison", "Against others", lead, *parts)


def _outcome(evidence: Evidence, champion: Mapping[str, Any]) -> str:
    outcome = ((champion.get("metrics") or {}).get(evidence.metric) or {}).get("outcome")
    kinds = {"better": "good", "worse": "bad"}
    return tag(kinds.get(str(outcome), "plain"), str(outcome)) if outcome else ""


def _differences(evidence: Evidence, champion: Mapping[str, Any]) -> str:
    measured = champion.get("metrics") or {}
    names = sorted((name for name in measured if name in METRICS), key=lambda name: name != evidence.metric)
    rows = [
        [e(METRICS[name].label), number(measured[name].get("ours")), number(measured[name].get("theirs")),
         e(_span(measured[name].get("difference"))), _chance(measured[name].get("p_value")),
         e(measured[name].get("outcome"))]
        for name in names
    ]  # fmt: skip
    heads = ["Metric", "This model", str(champion.get("with")), "Difference", "p", "Outcome"]
    return table(heads, rows, caption=f"Paired on {counted(champion.get('rows'), 'row')}", numeric=(1, 2, 3, 4), wide=0)


def decision(evidence: Evidence) -> str:
    """The threshold, what it costs beside other ways to decide, and the curve over all thresholds."""
    found = evidence.part("decision")
    if not found:
        return ""
    at, positive = number(found.get("threshold")), e(found.get("positive_class"))
    lead = f"A row is called {positive} when its probability is {at} or more: {e(found.get('why'))}."
    marks = [("threshold", float(found["threshold"]))]
    points, costs = _items(found.get("curve")), found.get("costs")
    charts, parts = [], []
    if costs:
        parts.append(_cost_table(found))
        chart = by_threshold(
            points, of=[("cost", "cost a row")], marks=marks, title="Cost by threshold", unit="cost a row", style=False
        )
        named = ", ".join(f"{e(str(name).replace('_', ' '))} {number(value)}" for name, value in costs.items() if value)
        charts.append(figure(chart, "What each threshold costs", f"On the test rows; {named}."))
    chart = by_threshold(
        points, of=[("recall", "recall"), ("precision", "precision"), ("f1", "F1")], marks=marks,
        title="Precision, recall and F1 by threshold", unit="share", style=False,
    )  # fmt: skip
    charts.append(figure(chart, "What each threshold finds", "A lower threshold finds more, with more false alarms."))
    return section("decision", "Deciding", lead, *parts, f'<div class="grid">{"".join(charts)}</div>')


def _cost_table(found: Mapping[str, Any]) -> str:
    cost, saved = found.get("cost") or {}, found.get("saved") or {}
    rows = [
        [label, e(_span(cost.get(name))), e(_span(saved.get(name))) if name in saved else ""] for name, label in _ARMS
    ]
    heads = ["Way to decide", "Cost a row", "The threshold saves"]
    made = table(heads, rows, caption="Cost a row on the test rows", numeric=(1, 2), wide=0)
    return made.replace("<tbody><tr>", '<tbody><tr class="main-row">', 1)


def _opened(sentence: str) -> str:
    """With its first letter large."""
    return sentence[:1].upper() + sentence[1:]


def _items(found: Any) -> Sequence[Mapping[str, Any]]:
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list | tuple) else []


def _span(found: Any) -> str:
    return span(found.get("value"), found.get("low"), found.get("high")) if isinstance(found, Mapping) else "–"


def _value(found: Any) -> str:
    return number(found.get("value")) if isinstance(found, Mapping) else "–"
