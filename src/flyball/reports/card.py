"""The model card: Markdown with the front matter that Hugging Face's hub reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from flyball.charts import number, percent, span
from flyball.core.counting import counted
from flyball.evaluation import METRICS
from flyball.reports.conformal import conformal_sentence
from flyball.reports.evidence import Evidence
from flyball.reports.overview import purpose

__all__ = ["model_card"]


def model_card(evidence: Mapping[str, Any], *, version: int | str | None = None) -> str:
    """A model card for the bundle: intended use, data, metrics with intervals, reasons, limits.

    Names come from the user's table and are escaped; values of personal columns do not appear.
    Mitchell et al. (2019), Model Cards for Model Reporting; https://huggingface.co/docs/hub/model-cards
    """
    known = Evidence(evidence)
    title = known.model if version is None else f"{known.model}, version {version}"
    parts = [
        _front_matter(known),
        f"# {_plain(title)}",
        purpose(known, _plain),
        _use(known),
        _measured(known),
        _deciding(known),
        _weak(known),
        _data(known),
        _reasons(known),
        _limits(known),
        _checking(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(known: Evidence) -> str:
    """YAML, every text written as a JSON string, which YAML reads alike."""
    kind = "tabular-regression" if known.task == "regression" else "tabular-classification"
    data = known.part("data")
    lines = ["---", "library_name: flyball", f"pipeline_tag: {kind}", "tags:", "  - tabular", "  - onnx", "  - flyball"]
    measured = [(name, known.measured("test", name).get("value")) for name in known.metrics]
    figures = [(name, float(value)) for name, value in measured if value is not None]
    lines += ["model-index:", f"  - name: {_quoted(known.model)}", "    results:", "      - task:"]
    lines += [
        f"          type: {kind}",
        "        dataset:",
        f"          name: {_quoted(data.get('dataset') or 'data')}",
    ]
    lines += [f"          type: {_quoted(data.get('dataset') or 'data')}", "          split: test"]
    if data.get("version"):
        lines.append(f"          revision: {_quoted(data['version'])}")
    lines.append("        metrics:" if figures else "        metrics: []")
    for name, value in figures:
        lines += [f"          - type: {name}", f"            name: {_quoted(METRICS[name].label)}"]
        lines.append(f"            value: {value!r}")
    return "\n".join([*lines, "---"])


def _use(known: Evidence) -> str:
    inputs = ", ".join(_plain(name) for name in known.part("data").get("used") or ())
    text = "## Use\n\nScore rows of the same kind as the training rows, with `flyball_runtime.open_bundle`."
    made = {str(one.get("name")) for one in known.part("features").get("features") or ()}
    if made & set(known.part("data").get("used") or ()):
        text = (
            "## Use\n\nScore rows of the same kind as the training rows in batch, with `flyball predict` where the project's "
            "tables are: some inputs are made from other tables."
        )
    return text + (f" Inputs: {inputs}." if inputs else "")


def _measured(known: Evidence) -> str:
    rows = known.part("split").get("test_rows")
    lines = [
        f"## Quality\n\nOn {number(rows)} test rows, with the interval that holds, at 90 %, the figure of as many new "
        "rows; the baseline looks at no column.\n"
    ]
    lines += ["| metric | test | cross-validation | baseline |", "|---|---|---|---|"]
    for name in known.metrics:
        cells = " | ".join(known.shown(part, name) for part in ("test", "cv", "baseline"))
        lines.append(f"| {METRICS[name].label} | {cells} |")
    if said := conformal_sentence(known.part("conformal")):
        lines.append(f"\n{said}. The promise is for {_plain(known.part('conformal').get('target'))}.")
    gap = known.part("random_gap")
    if gap.get("random") is not None and gap.get("honest") is not None:
        label = known.label(str(gap.get("metric") or known.metric))
        shown = span(gap.get("value"), gap.get("low"), gap.get("high"))
        lines.append(
            f"\nA random split would have said {label} {number(gap['random'])} where the honest one says "
            f"{number(gap['honest'])} (a quick model on both; gap {shown})."
        )
    return "\n".join(lines)


def _deciding(known: Evidence) -> str:
    """The threshold in words, with its cost where costs are given, and the paired comparison with the champion."""
    found, lines = known.part("decision"), []
    if found:
        positive = _plain(found.get("positive_class"))
        lines.append(f"A row is called {positive} at a probability of {number(found.get('threshold'))} or more: "
                     f"{_plain(found.get('why'))}.")  # fmt: skip
        cost, saved = known.part("decision", "cost", "chosen"), known.part("decision", "saved", "half")
        if cost:
            lines.append(
                f"On the test rows that costs {span(cost['value'], cost['low'], cost['high'])} a row, "
                f"{span(saved['value'], saved['low'], saved['high'])} less than a threshold of 0.5."
            )
    champion = known.part("comparisons", "champion")
    if champion.get("text"):
        caution = f" ({_plain(champion['caution'])})" if champion.get("caution") else ""
        lines.append(f"\nAgainst {_plain(champion.get('with'))}: {_plain(champion['text'])}{caution}.")
    return "## Deciding\n\n" + "\n".join(lines) if lines else ""


def _weak(known: Evidence) -> str:
    """Weak segments, or that none was found, and what the search can tell."""
    found = known.part("slices")
    if not found:
        return ""
    label = known.label(str(found.get("metric")))
    lines = [f"{_plain(str(found.get('status')).capitalize())}: {_plain(found.get('why'))}."]
    for one in found.get("found") or ():
        measured = one.get("metric") or {}
        shown = span(measured.get("value"), measured.get("low"), measured.get("high"))
        lines.append(f"- {_plain(one.get('text'))}: {label} {shown} on {counted(one.get('rows'), 'row')}")
    for column in found.get("named") or ():
        lines += [f"\n| {_plain(column.get('column'))} | rows | {label} |", "|---|---|---|"]
        for level in column.get("levels") or ():
            measured = level.get("metric") or {}
            shown = (
                span(measured.get("value"), measured.get("low"), measured.get("high"))
                if measured
                else "not enough data"
            )
            lines.append(f"| {_plain(level.get('text'))} | {number(level.get('rows'))} | {shown} |")
    personal = (found.get("skipped") or {}).get("personal")
    if personal:
        lines.append(f"\nNot searched, because they are personal: {', '.join(_plain(name) for name in personal)}.")
    return "## Where it is weak\n\n" + "\n".join(lines)


def _data(known: Evidence) -> str:
    data, split = known.part("data"), known.part("split")
    lines = [f"## Data\n\n{_plain(data.get('dataset') or 'The table')}: {counted(data.get('rows'), 'row')}."]
    if data.get("version"):
        lines.append(f"Version `{_plain(data['version'])}`.")
    if split:
        by = f" by {_plain(split['by'])}" if split.get("by") else ""
        lines.append(f"Split: {_plain(split.get('kind'))}{by}. {_plain(split.get('why') or '')}")
        lines += [f"{_plain(str(one)[:1].upper() + str(one)[1:])}." for one in split.get("details") or ()]
    left = [f"- {_plain(one.get('column'))}: {_plain(one.get('why'))}" for one in data.get("left_out") or ()]
    return "\n".join(lines) + ("\n\nLeft out:\n\n" + "\n".join(left) if left else "")


def _reasons(known: Evidence) -> str:
    found = known.items("importance")[:10]
    if not found:
        return ""
    total = sum(float(one.get("value") or 0) for one in known.items("importance")) or 1.0
    lines = [f"{place}. {_plain(one.get('column'))} ({percent(float(one.get('value') or 0) / total, 0)})"
             for place, one in enumerate(found, 1)]  # fmt: skip
    return "## What moves it\n\nShare of the mean size of all attributions:\n\n" + "\n".join(lines)


def _limits(known: Evidence) -> str:
    lines = [
        "- Attributions say what moved the model, not what causes the target.",
        "- The figures hold for rows like the test rows; nothing is known about others.",
    ]
    lines += [f"- `{name}` holds personal data." for name in map(_plain, sorted(known.personal))]
    lines += [f"- Overruled: {_plain(one.get('text'))}." for one in known.items("overrules")]
    lines += [
        f"- {_plain(leak.get('column'))} gives the target away and was kept: {_plain(leak.get('why'))}"
        for leak in known.items("leaks") if leak.get("action") != "leave out"
    ]  # fmt: skip
    return "## Limits\n\n" + "\n".join(lines)


def _checking() -> str:
    return (
        "## Checking it\n\n`flyball_runtime.open_bundle(path, trust=key)` verifies every file against the signature; "
        "`golden.npz` holds rows with the scores that they must get, `sbom.cdx.json` the packages."
    )


def _plain(value: Any) -> str:
    """Text on one line in which Markdown and HTML mean nothing."""
    text = " ".join(str("" if value is None else value).split())
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text)


def _quoted(value: Any) -> str:
    return json.dumps(str(value), ensure_ascii=True)
