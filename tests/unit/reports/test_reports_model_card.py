"""The card is what the hub reads: YAML front matter, Markdown below, names as text."""

from __future__ import annotations

from typing import Any

import yaml

from flyball.reports import model_card


def front_matter(card: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return loaded


def test_the_front_matter_is_yaml_with_the_test_metrics(evidence: dict[str, Any]) -> None:
    front = front_matter(model_card(evidence, version=3))
    assert front["pipeline_tag"] == "tabular-classification"
    result = front["model-index"][0]["results"][0]
    measured = {one["type"]: one["value"] for one in result["metrics"]}
    assert measured == {name: one["value"] for name, one in evidence["metrics"]["test"].items()}
    assert result["dataset"]["revision"] == "9f" * 32


def test_names_with_special_characters_stay_names(evidence: dict[str, Any]) -> None:
    evidence["model"] = 'ma"chi: nes\n---\n# <b>'
    evidence["data"]["used"] = ["a|b", "<script>", "[x](y)", "two\nlines"]
    card = model_card(evidence)
    assert front_matter(card)["model-index"][0]["name"] == evidence["model"]
    body = card.split("---\n", 2)[2]
    assert "\\<script\\>" in body
    assert "\\[x\\]" in body
    assert "two lines" in body


def test_quality_gap_and_limits_are_said(evidence: dict[str, Any]) -> None:
    evidence["leaks"].append({"column": "hdf", "why": "implies the target", "action": "keep"})
    card = model_card(evidence)
    for said in ("| ROC AUC | ", "0.91 where the honest one says 0.72", "hdf gives the target away and was kept",
                 "1. torque (86 %)", "udi: numbers the rows", "On 600 test rows"):  # fmt: skip
        assert said in card, said


def test_values_of_personal_columns_do_not_appear(evidence: dict[str, Any]) -> None:
    assert "Featherstonehaugh" not in model_card(evidence)
    assert "surname" in model_card(evidence)


def test_a_card_from_little_evidence_is_still_a_card() -> None:
    card = model_card({"model": "m", "task": "regression", "target": "y"})
    assert front_matter(card)["pipeline_tag"] == "tabular-regression"
    assert "None" not in card
