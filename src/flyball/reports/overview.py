"""The top of the report: what the model is, how good, and whether anything speaks against it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from flyball.charts import duration, file_size, number, track
from flyball.core.counting import counted
from flyball.evaluation import METRICS
from flyball.reports.evidence import Evidence
from flyball.reports.html import definitions, e, tag

__all__ = ["header", "overview", "purpose"]

Gates = Sequence[Mapping[str, Any]]


def header(evidence: Evidence, version: int | str | None) -> str:
    shown = f" <small>version {e(version)}</small>" if version is not None else " <small>not registered</small>"
    return (
        f'<p class="eyebrow">Model report</p><h1>{e(evidence.model)}{shown}</h1>'
        f'<p class="abstract">{purpose(evidence, e)}</p>'
    )


def purpose(evidence: Evidence, quote: Any = str) -> str:
    """One sentence: what is predicted, from what. `quote` makes names safe for the page they go to."""
    data = evidence.part("data")
    classes = [str(name) for name in evidence.document.get("classes") or ()]
    target = quote(evidence.target)
    if evidence.task == "binary":
        positive = evidence.document.get("positive_class")
        aim = f"Predicts whether {target} is {quote(positive if positive is not None else (classes or ['true'])[-1])}"
    elif evidence.task == "multiclass":
        aim = f"Predicts which of {counted(len(classes), 'class')} {target} is"
    else:
        aim = f"Predicts the number {target}"
    used = data.get("used")
    source = f" from {_columns(len(used))}" if used else ""
    where = f" of the table {quote(data['dataset'])}" if data.get("dataset") else ""
    rows = f" ({counted(data['rows'], 'row')})" if data.get("rows") is not None else ""
    return f"{aim}{source}{where}{rows}."


def _columns(count: int) -> str:
    return f"{count} column{'' if count == 1 else 's'}"


def overview(evidence: Evidence, gates: Gates) -> str:
    """The verdict: the metric on its scale, and the facts that a reviewer asks for first."""
    found, name = evidence.measured("test", evidence.metric), evidence.metric
    if found.get("value") is None:
        hero = f"<div><h2>{e(evidence.label(name))} was not measured on the test rows</h2></div>"
    else:
        hero = _score(evidence, name, found)
    return f'<div class="hero" id="verdict">{hero}{_facts(evidence, gates)}</div>'


def _score(evidence: Evidence, name: str, found: Mapping[str, Any]) -> str:
    metric = METRICS.get(name)
    guess = evidence.measured("baseline", name).get("value")
    marks = [("guessing", float(guess))] if guess is not None else []
    tuned = evidence.measured("cv", name).get("value")
    if tuned is not None:
        marks.append(("in cross-validation", float(tuned)))
    limits = None
    if metric and metric.better == "higher":
        limits = (min(float(guess or 0.0), float(found["value"])), 1.0)
    elif metric:
        limits = (0.0, max(float(guess or 0.0), float(found["value"])))
    chart = track(
        float(found["value"]), found.get("low"), found.get("high"),
        marks=marks, title=f"{evidence.label(name)} on the test rows", limits=limits, style=False,
    )  # fmt: skip
    meaning = metric.meaning if metric else ""
    interval = evidence.shown("test", name).partition(" ")[2]
    beside = f"<small>90 % of new tests {e(interval)}</small>" if interval else ""
    return (
        f'<div><h2>{e(evidence.label(name))} on rows it never saw</h2><p class="score">{e(number(found["value"]))}'
        f'{beside}</p><p class="lead">{e(meaning)} {_against(evidence)}</p></div>'
        f"<div>{chart}</div>"
    )


def _against(evidence: Evidence) -> str:
    """Whether the model is better than guessing, as far as the test can tell."""
    name = evidence.metric
    found, guess = evidence.measured("test", name), evidence.measured("baseline", name).get("value")
    if guess is None or name not in METRICS:
        return ""
    end = found.get("low" if METRICS[name].better == "higher" else "high")
    if end is not None and math.isfinite(end) and METRICS[name].improves(float(end), float(guess)):
        return f"Clearly better than guessing ({number(guess)})."
    paired = evidence.part("comparisons").get("baseline") or {}
    if ((paired.get("metrics") or {}).get(name) or {}).get("outcome") == "better":
        return f"Better than guessing ({number(guess)}), but <strong>not by as much as new tests vary</strong>."
    return f"<strong>Not clearly better than guessing</strong> ({number(guess)})."


def _facts(evidence: Evidence, gates: Gates) -> str:
    split, leaks = evidence.part("split"), evidence.items("leaks")
    pairs = [("How it was judged", _split(split)), ("What a random split would have said", _gap(evidence))]
    out = [leak for leak in leaks if leak.get("action") == "leave out"]
    named = ", ".join(e(leak.get("column")) for leak in leaks[:4]) + (" …" if len(leaks) > 4 else "")
    state = tag("warn", f"{len(leaks)} found") if leaks else tag("good", "none found")
    pairs.append(("Leaking columns", f"{state}<small>{named}{f' – {len(out)} left out' if leaks else ''}</small>"))
    pairs.append(("Gates", _gates(gates)))
    parity, latency = evidence.part("parity"), evidence.part("latency")
    if parity:
        detail = f"largest difference {number(parity.get('max_abs_diff'), 2)} over {counted(parity.get('rows'), 'row')}"
        pairs.append(("Exported graph", f"{tag('good', 'same as the fitted model')}<small>{detail}</small>"))
    if latency.get("single_row_ms") is not None:
        size = evidence.document.get("size_bytes")
        ships = f"<small>{file_size(size)} to ship</small>" if size is not None else ""
        pairs.append(("One prediction", f"{duration(float(latency['single_row_ms']) / 1000)}{ships}"))
    return definitions(pairs).replace("<dl>", '<dl class="facts">', 1)


def _split(split: Mapping[str, Any]) -> str:
    if not split:
        return ""
    kinds = {"random": "Random rows", "time": "On the latest rows", "group": "On groups it never saw"}
    by = split.get("by")
    by = "the order of rows" if by == "row_order" else by
    said = f"{kinds.get(str(split.get('kind')), split.get('kind'))}{f', by {by}' if by else ''}"
    if split.get("test_file"):
        said = f"On the rows of {split['test_file']}"
    sizes = f"{counted(split.get('train_rows'), 'row')} to learn from, {number(split.get('test_rows'))} to judge by"
    return f"{e(said)}<small>{sizes}</small>"


def _gap(evidence: Evidence) -> str:
    gap = evidence.part("random_gap")
    if not gap or gap.get("random") is None or gap.get("honest") is None:
        split = evidence.part("split")
        if split.get("test_file"):
            return "No split was made<small>the test rows are a file of their own</small>"
        if split.get("kind") == "random":
            return "The same<small>the honest split is the random one</small>"
        return "Not measured<small>the metric is undefined there, or the classes are too many</small>"
    name = str(gap.get("metric") or evidence.metric)
    label = evidence.label(name)
    difference = float(gap["random"]) - float(gap["honest"])
    flatters = name in METRICS and METRICS[name].improves(float(gap["random"]), float(gap["honest"]))
    verb = (
        f"{number(abs(difference))} {'too good' if flatters else 'worse'}"
        if evidence.is_clear(gap)
        else "about the same"
    )
    shown = f"{e(label)} {number(gap['random'])}, {verb}"
    return f"{shown}<small>honestly split: {number(gap['honest'])}, with a quick model on both</small>"


def _gates(gates: Gates) -> str:
    if not gates:
        return f"{tag('plain', 'not judged yet')}<small>a gate is judged when an alias moves</small>"
    parts = []
    for gate in gates:
        refused = sum(not result.get("passes") for result in gate.get("results") or ())
        mark = tag("good", "passed") if gate.get("passed") else tag("bad", f"refused by {refused}")
        parts.append(f"{e(gate.get('gate'))} {mark}")
    return "<br>".join(parts)
