"""What the model learned from, how it was split, and what was found in the columns."""

from __future__ import annotations

from collections.abc import Mapping

from flyball.charts import number, percent, span
from flyball.core.counting import counted
from flyball.evaluation import METRICS
from flyball.reports.evidence import Evidence
from flyball.reports.html import code, definitions, e, note, section, table, tag

__all__ = ["data_and_split", "findings"]


def data_and_split(evidence: Evidence) -> str:
    data, split = evidence.part("data"), evidence.part("split")
    personal = sorted(evidence.personal)
    pairs = [
        (
            "Table",
            f"{e(data.get('dataset'))}: {counted(data.get('rows'), 'row')}, {counted(data.get('columns'), 'column')}",
        ),
        ("Version", code(data["version"]) if data.get("version") else ""),
        ("Learned from", ", ".join(e(name) for name in data.get("used") or ())),
        ("Tested on", e("; ".join(map(str, split.get("details") or ())))),
        ("Personal columns", f"{e(', '.join(personal))} – values are not shown in this report" if personal else ""),
    ]
    lead = "A model is judged by rows that stand to its training rows as future rows will: the split follows the data."
    return section(
        "data",
        "Data and split",
        lead,
        _shares(split),
        _why(split),
        _gap(evidence),
        _shift(evidence),
        definitions(pairs),
    )


def _shares(split: Mapping[str, object]) -> str:
    learn, judge = split.get("train_rows"), split.get("test_rows")
    if not isinstance(learn, int) or not isinstance(judge, int) or learn + judge == 0:
        return ""
    part = 100 * learn / (learn + judge)
    return (
        f'<div class="share" role="img" aria-label="{learn} rows to learn from, {judge} to judge by">'
        f'<span class="learn" style="flex:{part:.1f}">{number(learn)} to learn</span>'
        f'<span class="judge" style="flex:{100 - part:.1f}">{number(judge)} to judge</span></div>'
    )


def _why(split: Mapping[str, object]) -> str:
    if not split:
        return ""
    by = {"row_order": "the order of rows"}.get(str(split.get("by")), split.get("by"))
    kind = {"random": "at random", "time": "by time", "group": "by group"}.get(
        str(split.get("kind")), split.get("kind")
    )
    sure = split.get("confidence")
    confidence = f" (confidence {percent(sure, 0)})" if isinstance(sure, int | float) else ""
    name = f", {code(by)}" if by else ""
    return f"<p class=lead>Split {e(kind)}{name}{confidence}: {e(split.get('why'))}</p>"


def _gap(evidence: Evidence) -> str:
    gap = evidence.part("random_gap")
    if not gap or gap.get("random") is None or gap.get("honest") is None:
        return ""
    name = str(gap.get("metric") or evidence.metric)
    flatters = name in METRICS and METRICS[name].improves(float(gap["random"]), float(gap["honest"]))
    clear = flatters and evidence.is_clear(gap)
    shown = span(gap.get("value"), gap.get("low"), gap.get("high"))
    if not clear:
        return note(f"A random split would not clearly have flattered: {e(evidence.label(name))} {number(gap['random'])} "
                    f"at random, {number(gap['honest'])} honestly split (difference {e(shown)}).")  # fmt: skip
    return note(
        f"<strong>A random split would have flattered.</strong> The same quick model reaches {e(evidence.label(name))} "
        f"{number(gap['random'])} on random rows and {number(gap['honest'])} on the honest split: a gap of {e(shown)}. "
        "Expect the honest figure in use.",
        "warn",
    )


def _shift(evidence: Evidence) -> str:
    """Whether test rows are of another kind than training rows; nothing where that could not be told."""
    shift = evidence.part("shift")
    auc = evidence.part("shift", "auc")
    if auc.get("value") is None:
        return ""
    shown = e(span(auc["value"], auc.get("low"), auc.get("high")))
    if not shift.get("demonstrated"):
        return note(f"Test rows are like training rows: a model that looks for a difference reaches an AUC of {shown}; "
                    "0.5 is chance.")  # fmt: skip
    told = ", ".join(f"{code(one['column'])} {percent(one['share'], 0)}" for one in shift.get("columns") or ())
    return note(
        f"<strong>Test rows differ from training rows.</strong> A quick model tells them apart with an AUC of {shown}"
        f"{f', by {told} of what it goes by' if told else ''}. The measured quality is that on rows which have moved on.",
        "warn",
    )


def findings(evidence: Evidence) -> str:
    """Leaks first, then everything else that was noticed, and what was left out for it."""
    leaks = [
        [code(leak.get("column")), e(leak.get("why")), _action(leak.get("action"))] for leak in evidence.items("leaks")
    ]
    others = [
        [f"{code(item['column']) if item.get('column') else 'the table'}<small>{e(item.get('kind'))}</small>",
         " – ".join(e(item[key]) for key in ("what", "why") if item.get(key)), _action(item.get("action"))]
        for item in evidence.items("findings") if item.get("kind") != "leak"
    ]  # fmt: skip
    heads = ["Column", "Evidence", "What was done"]
    parts = [_overruled(evidence)]
    if leaks:
        parts.append("<h3>Columns that know the answer</h3>" + table(heads, leaks, caption="Leaks", wide=1))
    else:
        parts.append(note(f"{tag('good', 'no leak found')} No column gives the target away."))
    if others:
        parts.append("<h3>Other findings</h3>" + table(heads, others, caption="Findings", wide=1))
    parts.append(_left_out(evidence))
    lead = "Columns that would not be known in time, or that only seem to help, were looked for before learning."
    return section(
        "findings", "Findings", lead, *[f'<div style="margin-top:1.2rem">{part}</div>' for part in parts if part]
    )


def _overruled(evidence: Evidence) -> str:
    """What was decided against the look, first: whoever approves the model should see it before all else."""
    made = [[code(one["column"]) if one.get("column") else e(one.get("kind")), e(one.get("text")),
             tag("warn" if one.get("loosens") else "plain", "overruled")]
            for one in evidence.items("overrules")]  # fmt: skip
    if not made:
        return ""
    return "<h3>Overruled in the project file</h3>" + table(
        ["What", "Found and chosen", ""], made, caption="Overruled findings", wide=1
    )


def _left_out(evidence: Evidence) -> str:
    named = {str(item.get("column")) for key in ("leaks", "findings") for item in evidence.items(key)}
    raw = evidence.part("data").get("left_out") or ()
    rest = [[code(item.get("column")), e(item.get("why"))] for item in raw if str(item.get("column")) not in named]
    if not rest:
        return ""
    return "<h3>Also left out</h3>" + table(["Column", "Why"], rest, caption="Columns left out", wide=1)


def _action(action: object) -> str:
    kind = {"leave out": "warn"}.get(str(action), "plain")
    return tag(
        kind,
        {"leave out": "left out", "keep": "kept", "mark": "marked", "as missing": "taken as missing"}.get(
            str(action), str(action or "noted")
        ),
    )
