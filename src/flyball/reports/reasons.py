"""Why the model says what it says: over all rows, along single columns, and for example rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flyball.charts import Bar, Part, bars, percent, waterfall
from flyball.core.counting import counted
from flyball.reports.evidence import Evidence
from flyball.reports.html import e, figure, section

__all__ = ["example_parts", "reasons"]

_MOST_COLUMNS, _MOST_EFFECTS, _MOST_EXAMPLES = 12, 6, 4


def reasons(evidence: Evidence) -> str:
    unit = _unit(evidence)
    lead = (
        f"Each prediction is a sum: the average, plus what every column adds ({e(unit)}). The parts add up exactly; "
        "they say what moved the model, not what causes the target."
    )
    parts = [_importance(evidence, unit), _effects(evidence, unit), _examples(evidence, unit)]
    return section("reasons", "Reasons", lead, *parts) if any(parts) else ""


def _unit(evidence: Evidence) -> str:
    if evidence.task == "regression":
        return f"in units of {evidence.target}"
    return "in log-odds" if evidence.task == "binary" else "in logits of the predicted class"


def _unweighed(evidence: Evidence) -> str:
    """Reasons are about the model, not about how much its rows count; said where rows are weighed."""
    return ", every row counting alike" if evidence.part("data").get("weight") else ""


def _importance(evidence: Evidence, unit: str) -> str:
    found = evidence.items("importance")
    if not found:
        return ""
    items = [_bar(str(one.get("column")), one) for one in found[:_MOST_COLUMNS]]
    half = (len(items) + 1) // 2 if len(items) > 6 else len(items)
    most = max(item.high or item.value for item in items)
    charts = [
        bars(some, title="Mean size of each column's share", unit=unit, limit=most, style=False)
        for some in (items[:half], items[half:])
        if some
    ]
    rest = f" {len(found) - _MOST_COLUMNS} weaker columns are not shown." if len(found) > _MOST_COLUMNS else ""
    said = f"{e(unit)}, with 90 % intervals{_unweighed(evidence)}"
    caption = f"<p>How far each column moves a prediction on average, {said}.{rest}</p>"
    drawn = "".join(f"<div>{chart}</div>" for chart in charts)
    heading = f"<figcaption><h3>What matters over all rows</h3>{caption}</figcaption>"
    return f'<figure style="margin-top:1.4rem">{heading}<div class="grid" style="margin-top:0">{drawn}</div></figure>'


def _bar(column: str, one: Mapping[str, Any]) -> Bar:
    return Bar(column, float(one.get("value") or 0.0), one.get("low"), one.get("high"))


def _effects(evidence: Evidence, unit: str) -> str:
    charts = []
    shown = [one for one in evidence.items("effects") if one.get("column") not in evidence.personal and one.get("bins")]
    for one in shown[:_MOST_EFFECTS]:
        column = str(one["column"])
        items = [
            Bar(str(bin_.get("label")), float(bin_.get("value") or 0.0), note=f"{counted(bin_.get('rows'), 'row')}")
            for bin_ in one["bins"][:12]
        ]
        charts.append(figure(bars(items, title=f"Effect of {column}", unit=unit, style=False), column))
    if not charts:
        return ""
    said = f"{e(unit)}, averaged over its rows{_unweighed(evidence)}"
    caption = f"<p class=lead>What a value adds to or takes from the prediction, {said}.</p>"
    return f'<h3 style="margin-top:2rem">Along single columns</h3>{caption}<div class="grid">{"".join(charts)}</div>'


def _examples(evidence: Evidence, unit: str) -> str:
    charts = []
    for place, one in enumerate(evidence.items("examples")[:_MOST_EXAMPLES]):
        base, parts = example_parts(evidence, one)
        if not parts:
            continue
        row = f"Row {one['row']}" if one.get("row") is not None else f"Example {place + 1}"
        chart = waterfall(base, parts, title=f"{row}: why this prediction", style=False)
        charts.append(figure(chart, f"{row}: predicted {_answer(evidence, one)}", _truth(one)))
    if not charts:
        return ""
    caption = f"<p class=lead>From the average to the row's score, {e(unit)}, largest share first.</p>"
    return f'<h3 style="margin-top:2rem">Single rows of the test</h3>{caption}<div class="grid">{"".join(charts)}</div>'


def example_parts(evidence: Evidence, example: Mapping[str, Any]) -> tuple[float, list[Part]]:
    """Base and parts of one explained row; values of personal columns are hidden."""
    raw: Sequence[Mapping[str, Any]] = example.get("reasons") or ()
    parts = []
    for one in raw:
        column, value = str(one.get("column")), one.get("value", one.get("data"))
        contribution = one.get("contribution", one.get("attribution"))
        if contribution is not None:
            parts.append(Part(column, evidence.cell(column, value), float(contribution)))
    return float(example.get("base") or 0.0), parts


def _answer(evidence: Evidence, example: Mapping[str, Any]) -> str:
    prediction, probability = example.get("prediction"), example.get("probability")
    shown = evidence.cell("", prediction)
    if isinstance(probability, Mapping):
        chance = probability.get(str(prediction), probability.get(prediction))
        return f"{shown} ({percent(chance)})" if chance is not None else shown
    return f"{shown} ({percent(probability)})" if isinstance(probability, int | float) else shown


def _truth(example: Mapping[str, Any]) -> str:
    return f"In truth: {e(example['target'])}." if example.get("target") is not None else ""
