"""How the model came about and how to check it: gates, the search, lineage, and the way to make it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flyball.charts import Entry, duration, leaderboard, number
from flyball.reports.evidence import Evidence
from flyball.reports.html import code, definitions, e, figure, section, table, tag

__all__ = ["gates", "lineage", "reproduce", "search"]


def gates(verdicts: Sequence[Mapping[str, Any]]) -> str:
    lead = "The rules of the project file against this version's evidence."
    if not verdicts:
        text = "<p class=lead>No gate has judged this version yet. One is judged when an alias is to move to it.</p>"
        return section("gates", "Gates", "", text)
    parts = []
    for verdict in verdicts:
        mark = tag("good", "passed") if verdict.get("passed") else tag("bad", "refused")
        rows = [
            [f"{code(one.get('rule'))}<small>{e(one.get('where'))}</small>", e(one.get("measured")),
             e(one.get("passes_at")), tag("good", "passes") if one.get("passes") else tag("bad", "fails")]
            for one in verdict.get("results") or ()
        ]  # fmt: skip
        heads = ["Rule", "Measured", "Passes at", "Outcome"]
        body = (
            table(heads, rows, caption=f"Gate {verdict.get('gate')}", wide=0)
            if rows
            else "<p class=lead>It has no rules.</p>"
        )
        parts.append(f'<div style="margin-top:1.2rem"><h3>{e(verdict.get("gate"))} {mark}</h3>{body}</div>')
    return section("gates", "Gates", lead, *parts)


def search(evidence: Evidence) -> str:
    found = evidence.items("leaderboard")
    if not found:
        return ""
    budget = evidence.part("budget")
    spent = f" in {duration(budget['used_seconds'])}" if budget.get("used_seconds") is not None else ""
    allowed = f" of {duration(budget['seconds'])} allowed" if budget.get("seconds") is not None else ""
    chosen = [one for one in found if float(one.get("weight") or 0) > 0]
    tried = sum(isinstance(one.get("score"), int | float) for one in found)
    left = f", {len(found) - tried} had no time left" if tried < len(found) else ""
    lead = f"{tried} candidates were tried{spent}{allowed}{left}; {len(chosen)} make up the model."
    entries = [
        Entry(str(one.get("name")), float(one["score"]), float(one.get("weight") or 0) > 0)
        for one in found if isinstance(one.get("score"), int | float)
    ]  # fmt: skip
    # What the search compares is its loss on rows it had not seen, in the units that it learns in; lower is better.
    label = str(found[0].get("loss") or evidence.label(evidence.metric))
    chart = leaderboard(entries[:15], title=f"Candidates by {label}", metric=label, style=False)
    rows = [
        [f"{e(one.get('name'))}<small>{e(one.get('family'))}</small>", number(one.get("score"), 4),
         f"{number(100 * float(one.get('weight') or 0), 2)} %", duration(one.get("seconds")), e(one.get("status"))]
        for one in found
    ]  # fmt: skip
    heads = ["Candidate", "Score", "Weight", "Time", "State"]
    listed = table(heads, rows, caption="Candidates", numeric=(1, 2, 3))
    drawn = figure(chart, f"{label} in cross-validation", "Filled dots are part of the model.") if entries else ""
    return section("search", "Search", lead, f'<div class="grid"><div>{drawn}</div><div>{listed}</div></div>')


def lineage(evidence: Evidence, bundle: Mapping[str, Any], trail: Mapping[str, Any]) -> str:
    """`trail`: further names and digests (evidence, run, ledger entry …), shown as they are."""
    environment, source = evidence.part("environment"), evidence.part("code")
    signer = bundle.get("signed_by")
    pairs = [
        ("Data version", code(evidence.part("data").get("version")) if evidence.part("data").get("version") else ""),
        ("Content hash", code(bundle["content_hash"]) if bundle.get("content_hash") else ""),
        ("Signed by key", code(signer) if signer else tag("plain", "not signed")),
        ("Code", code(source["git_commit"]) if source.get("git_commit") else "not under version control"),
        ("Python", e(environment.get("python"))),
        ("Platform", e(environment.get("platform"))),
        ("Seed", e(evidence.document.get("seed")) if evidence.document.get("seed") is not None else ""),
        ("Made", e(evidence.created)),
        *((str(name), code(value)) for name, value in trail.items() if value),
    ]
    packages = environment.get("packages") or {}
    listed = "".join(f"<li>{e(name)} {e(version)}</li>" for name, version in packages.items())
    more = f"<details><summary>{len(packages)} packages</summary><ul class=packages>{listed}</ul></details>"
    lead = "Every part that this version depends on, by the hash of its content; the ledger binds them together."
    return section("lineage", "Lineage", lead, definitions(pairs), more if packages else "")


def reproduce(evidence: Evidence, version: int | str | None, commands: Sequence[str]) -> str:
    name = evidence.model
    shown = commands or (
        "flyball run                                   # unchanged steps are reused; the seed is in the project file",
        f"flyball explain {name}@{'latest' if version is None else version} --row 0",
        "flyball audit verify                          # every hash, from the data to the decision",
    )
    lines = "\n".join(e(command) for command in shown)
    lead = "In the project's folder, with the data version and the packages listed above:"
    return section("reproduce", "Check it yourself", lead, f'<pre tabindex="0"><code>{lines}</code></pre>')
