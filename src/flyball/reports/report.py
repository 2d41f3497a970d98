"""The report of a model version: one HTML page that explains itself to a reviewer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flyball.reports.data import data_and_split, findings
from flyball.reports.evidence import Evidence
from flyball.reports.features import made_features
from flyball.reports.html import e
from flyball.reports.judging import comparisons, decision, slices
from flyball.reports.making import gates, lineage, reproduce, search
from flyball.reports.overview import header, overview
from flyball.reports.page import page
from flyball.reports.quality import quality
from flyball.reports.reasons import reasons

__all__ = ["model_report"]


def model_report(
    evidence: Mapping[str, Any],
    *,
    version: int | str | None = None,
    verdicts: Sequence[Mapping[str, Any]] = (),
    bundle: Mapping[str, Any] | None = None,
    trail: Mapping[str, Any] | None = None,
    commands: Sequence[str] = (),
) -> str:
    """Self-contained HTML: no script, nothing fetched, light and dark, phone to print.

    evidence: the evidence document; parts that are absent are left out. verdicts: gates as `Verdict.to_dict` gives
    them. bundle: `{"content_hash", "signed_by"}`. trail: further names and digests for the lineage. commands: how to
    reproduce, one a line. Values of columns marked personal are not shown.
    """
    known = Evidence(evidence)
    shown = f"{known.model}@{version}" if version is not None else known.model
    sections = [
        ("verdict", "Verdict", overview(known, verdicts)),
        ("quality", "Quality", quality(known)),
        ("slices", "Where it is weak", slices(known)),
        ("comparison", "Against others", comparisons(known)),
        ("decision", "Deciding", decision(known)),
        ("data", "Data and split", data_and_split(known)),
        ("features", "Features of other tables", made_features(known)),
        ("reasons", "Reasons", reasons(known)),
        ("findings", "Findings", findings(known)),
        ("gates", "Gates", gates(verdicts)),
        ("search", "Search", search(known)),
        ("lineage", "Lineage", lineage(known, bundle or {}, trail or {})),
        ("reproduce", "Check it yourself", reproduce(known, version, commands)),
    ]
    made = f" on {e(known.created)}" if known.created else ""
    footer = f"Made by Flyball from the evidence of {e(shown)}{made}. This page holds no script and fetches nothing."
    return page(f"{shown} – model report", header(known, version), [part for part in sections if part[2]], footer)
