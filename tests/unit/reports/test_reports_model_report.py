"""The report says what the evidence says, to anybody, and lets nothing in that is not text."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest

from flyball.evaluation import METRICS
from flyball.reports import model_report

VERDICT = {
    "gate": "production",
    "passed": False,
    "results": [
        {"rule": "recall >= 0.9", "measured": "0.71 [0.6, 0.8] on 600 test rows", "passes": False,
         "passes_at": "recall of 0.9 or more", "where": "flyball.toml:31"},
    ],
}  # fmt: skip
VOID = {"meta", "br", "line", "rect", "path"}


class Outline(HTMLParser):
    """Collects elements and text; complains when elements do not nest."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(document)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)


def test_every_part_of_the_evidence_is_told(evidence: dict[str, Any]) -> None:
    told = Outline(
        model_report(
            evidence, version=3, verdicts=[VERDICT], bundle={"content_hash": "ab" * 32, "signed_by": "cd" * 32},
            trail={"Evidence": "ef" * 32},
        )
    ).text  # fmt: skip
    for said in (
        "machines version 3", "Predicts whether failed is yes", "2,400 rows to learn from", "later rows differ",
        "A random split would have flattered", "0.91", "0.72", "twf", "implies the target in 46 of 46 rows",
        "numbers the rows", "recall >= 0.9", "recall of 0.9 or more", "flyball.toml:31", "refused", "out of time",
        "ab" * 32, "cd" * 32, "ef" * 32, "9f" * 32, "4b825dc642cb6eb9a060e54bf8d69288fbee4904", "numpy 2.4.6",
        "flyball explain machines@3 --row 0", "23 November 2026, 18:44 UTC", "predicted yes (90 %)",
    ):  # fmt: skip
        assert said in told, said


def test_every_measured_metric_stands_with_its_interval_and_meaning(evidence: dict[str, Any]) -> None:
    outline = Outline(model_report(evidence))
    for name in evidence["metrics"]["test"]:
        assert METRICS[name].label in outline.text
        assert METRICS[name].meaning in outline.text
    assert outline.text.count("[0.") >= 2 * len(evidence["metrics"]["test"]) - 4


def test_the_page_has_no_script_and_fetches_nothing(evidence: dict[str, Any]) -> None:
    outline = Outline(model_report(evidence, version=1, verdicts=[VERDICT]))
    names = {name for name, _ in outline.elements}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "audio", "video"}
    for _, attributes in outline.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "src"]
        assert (attributes.get("href") or "#").startswith("#")
    policies = [a["content"] for _, a in outline.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies
    assert "default-src 'none'" in str(policies[0])
    assert "url(" not in model_report(evidence)


def test_names_and_values_cannot_become_markup(evidence: dict[str, Any]) -> None:
    plain = Outline(model_report(evidence, version=1, verdicts=[VERDICT]))
    hostile = '"><script>alert(1)</script><img src=x onerror=alert(1)>'

    def poison(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: poison(one) for key, one in value.items()}
        if isinstance(value, list):
            return [poison(one) for one in value]
        return value + hostile if isinstance(value, str) else value

    document = {key: poison(value) for key, value in evidence.items()}
    document["metric"], document["task"] = "roc_auc", "binary"
    outline = Outline(
        model_report(document, version=1, verdicts=[poison(VERDICT)], trail={"x": hostile}, commands=[hostile])
    )
    assert outline.count("script") == outline.count("img") == 0
    assert outline.count("section") == plain.count("section")
    assert "alert(1)" in outline.text


def test_values_of_personal_columns_stay_out(evidence: dict[str, Any]) -> None:
    page = model_report(evidence)
    assert "Featherstonehaugh" not in page
    assert "hidden (personal)" in page
    evidence["data"]["personal"] = []
    assert "Featherstonehaugh" in model_report(evidence)


def test_a_model_no_better_than_guessing_is_said_to_be_so(evidence: dict[str, Any]) -> None:
    assert "Clearly better than guessing" in Outline(model_report(evidence)).text
    evidence["metrics"]["test"]["roc_auc"] = {"value": 0.52, "low": 0.46, "high": 0.58}
    evidence["comparisons"] = {"baseline": None}
    assert "Not clearly better than guessing" in Outline(model_report(evidence)).text


def test_the_verdict_does_not_deny_what_the_paired_comparison_shows(evidence: dict[str, Any]) -> None:
    evidence["metrics"]["test"]["roc_auc"] = {"value": 0.52, "low": 0.46, "high": 0.58}
    evidence["comparisons"] = {
        "baseline": {"metrics": {"roc_auc": {"outcome": "better"}}, "text": "clearly better than the baseline"}
    }
    text = Outline(model_report(evidence)).text
    assert "not by as much as new tests vary" in text
    assert "Not clearly better than guessing" not in text


def test_a_gap_within_its_noise_is_not_called_flattering(evidence: dict[str, Any]) -> None:
    evidence["random_gap"] = {
        "metric": "roc_auc",
        "random": 0.73,
        "honest": 0.72,
        "value": 0.01,
        "low": -0.02,
        "high": 0.04,
    }
    told = Outline(model_report(evidence)).text
    assert "would not clearly have flattered" in told
    assert "about the same" in told
    assert "too good" not in told


@pytest.mark.parametrize(("demonstrated", "told"), [(True, "Test rows differ"), (False, "Test rows are like")])
def test_a_shift_of_the_test_rows_is_told_as_what_it_is(
    evidence: dict[str, Any], *, demonstrated: bool, told: str
) -> None:
    evidence["shift"] = {
        "auc": {"value": 0.71, "low": 0.66, "high": 0.76}, "p": 0.001, "demonstrated": demonstrated,
        "columns": [{"column": "heat", "share": 0.6}],
    }  # fmt: skip
    text = Outline(model_report(evidence)).text
    assert told in text
    assert "0.71 [0.66, 0.76]" in text
    assert ("heat 60 %" in text) == demonstrated


@pytest.mark.parametrize(
    "part",
    ["data", "split", "metrics", "random_gap", "shift", "leaks", "findings", "calibration", "curves", "importance", "effects",
     "examples", "leaderboard", "parity", "latency", "environment", "code", "created", "budget", "confusion", "classes"],
)  # fmt: skip
def test_an_absent_part_is_left_out(evidence: dict[str, Any], part: str) -> None:
    for absent in (None, "gone"):
        document = {key: value for key, value in evidence.items() if key != part}
        if absent is None:
            document[part] = None
        outline = Outline(model_report(document))
        assert "None" not in outline.text
        assert outline.count("h1") == 1


def test_an_empty_document_still_makes_a_page() -> None:
    outline = Outline(model_report({}))
    assert "was not measured" in outline.text


def test_contents_lead_to_sections_that_exist(evidence: dict[str, Any]) -> None:
    outline = Outline(model_report(evidence))
    targets = [str(attributes["href"])[1:] for name, attributes in outline.elements if name == "a"]
    ids = [attributes.get("id") for _, attributes in outline.elements if attributes.get("id")]
    assert set(targets) <= set(ids)
    assert len(ids) == len(set(ids))


def test_regression_and_multiclass_reports_have_their_own_pictures(evidence: dict[str, Any]) -> None:
    bins = [{"low": -1, "high": 1, "rows": 9}]
    by = [{"predicted": 1.0, "observed": 1.1, "low": 0.5, "high": 2.0, "rows": 9}]
    changed = {
        **evidence,
        "task": "regression",
        "metric": "rmse",
        "curves": None,
        "calibration": None,
        "confusion": None,
    }
    numbers = {**changed, "residuals": {"bins": bins, "by_prediction": by},
               "metrics": {"test": {"rmse": {"value": 3.0, "low": 2.5, "high": 3.5}}}}  # fmt: skip
    told = Outline(model_report(numbers)).text
    assert "How the errors spread" in told
    assert "Predicts the number failed" in told
    many = {**evidence, "task": "multiclass", "classes": list("abc"), "confusion": {"counts": [[1, 0, 0]] * 3}}
    assert "which of 3 classes" in Outline(model_report(many)).text
