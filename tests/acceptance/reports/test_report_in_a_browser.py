"""The report as people see it: on a phone and a desk, by day and night, on paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from flyball.evaluation import calibration_bins, confusion, curves
from flyball.reports import model_report

LONG = "an_extraordinarily_long_column_name_" * 4

OVERFLOWING = """() => [...document.querySelectorAll("body *")].filter(part => {
    if (part.closest("pre, caption, .skip, svg")) return false;
    const box = part.getBoundingClientRect();
    const parent = part.parentElement.getBoundingClientRect();
    return part.scrollWidth > part.clientWidth + 1 && part.clientWidth > 0 || box.right > parent.right + 1.5;
}).map(part => part.tagName + "." + part.className + ": " + part.textContent.slice(0, 60))"""

FAINT = """() => {
    const channels = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
    const light = color => {
        const [r, g, b] = channels(color).map(c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = part => {
        for (; part; part = part.parentElement) {
            const color = getComputedStyle(part).backgroundColor;
            if (color !== "rgba(0, 0, 0, 0)") return color;
        }
        return "rgb(255, 255, 255)";
    };
    return [...document.querySelectorAll("body *")].filter(part =>
        !part.closest("svg, caption, .skip") && [...part.childNodes].some(n => n.nodeType === 3 && n.data.trim())
    ).filter(part => {
        const [a, b] = [light(getComputedStyle(part).color), light(ground(part))];
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
    }).map(part => part.className + ": " + part.textContent.slice(0, 40));
}"""

SMALLEST = """() => Math.min(...[...document.querySelectorAll("svg text")].map(part =>
    parseFloat(getComputedStyle(part).fontSize) * part.getScreenCTM().a))"""

BEYOND = """() => [...document.querySelectorAll("svg")].flatMap(sheet => {
    const frame = sheet.getBoundingClientRect();
    return [...sheet.querySelectorAll("text")].filter(part => {
        const box = part.getBoundingClientRect();
        return box.right > frame.right + 2 || box.left < frame.left - 2 || box.bottom > frame.bottom + 2;
    }).map(part => part.textContent);
})"""


def evidence() -> dict[str, Any]:
    rng = np.random.default_rng(3)
    positive = rng.random(900) < 0.3
    chance = 1 / (1 + np.exp(-(rng.normal(size=900) + 3 * positive - 2)))
    found = {"value": 0.91, "low": 0.88, "high": 0.94}
    names = ["roc_auc", "log_loss", "brier", "calibration_error", "recall"]
    reasons = [{"column": name, "value": value, "contribution": share}
               for name, value, share in (("torque", 61.25, 1.5), (LONG, "text " * 30, -0.75), ("Type", None, 0.1))]  # fmt: skip
    return {
        "model": "machines", "task": "binary", "target": LONG, "metric": "roc_auc", "classes": ["no", "yes"],
        "positive_class": "yes", "created": "2026-11-23T18:44:00.000000Z", "size_bytes": 845_321,
        "data": {"dataset": "telemetry", "version": "9f" * 32, "rows": 4500, "columns": 9, "used": ["torque", LONG],
                 "left_out": [{"column": LONG, "why": "x" * 200}], "personal": []},
        "split": {"kind": "time", "by": LONG, "confidence": 0.97, "why": "later rows differ", "train_rows": 3600,
                  "test_rows": 900},
        "metrics": {part: dict.fromkeys(names, found) for part in ("test", "cv", "baseline")},
        "random_gap": {"metric": "roc_auc", "random": 0.97, "honest": 0.91, "value": 0.06, "low": 0.03, "high": 0.08},
        "leaks": [{"column": LONG, "why": "implies the target in 46 of 46 rows", "action": "leave out"}],
        "findings": [{"kind": "identifier", "column": "udi", "what": "numbers the rows", "why": "", "action": "keep"}],
        "calibration": {"bins": calibration_bins(chance, positive)}, "curves": curves(chance, positive),
        "confusion": {"counts": confusion(positive, chance > 0.5, [False, True])},
        "importance": [{"column": f"{name}{place}", "value": 1 / (place + 1), "low": 0.9 / (place + 1), "high": 1.2 / (place + 1)}
                       for place, name in enumerate(["torque", LONG] * 5)],
        "effects": [{"column": LONG, "bins": [{"label": LONG, "value": -0.5, "rows": 300},
                                              {"label": "40 to 80", "value": 1.5, "rows": 12_300}]}],
        "examples": [{"row": 4, "prediction": "yes", "probability": {"no": 0.1, "yes": 0.9}, "base": -1.0,
                      "reasons": reasons}],
        "leaderboard": [{"name": LONG, "family": "gbm", "score": 0.93, "seconds": 3.0, "weight": 1.0, "status": "done"},
                        {"name": "linear", "family": "linear", "score": 0.8, "seconds": 1.0, "weight": 0, "status": "done"}],
        "parity": {"rows": 3600, "max_abs_diff": 2e-7}, "latency": {"single_row_ms": 0.2},
        "environment": {"python": "3.11.7", "packages": {"numpy": "2.4.6", "a-package-with-a-long-name": "1.2.3.dev4567"}},
    }  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    verdict = {"gate": "production", "passed": False, "results": [
        {"rule": f"{LONG} >= 0.9", "measured": "0.71 [0.6, 0.8] on 900 test rows", "passes": False,
         "passes_at": "0.9 or more", "where": "flyball.toml:31"}]}  # fmt: skip
    path = tmp_path_factory.mktemp("report") / "report.html"
    bundle = {"content_hash": "ab" * 32, "signed_by": "cd" * 32}
    path.write_text(model_report(evidence(), version=3, verdicts=[verdict], bundle=bundle), encoding="utf-8")
    return path


def open_report(browser: Browser, report: Path, width: int, scheme: Literal["light", "dark"]) -> tuple[Page, list[str]]:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, complaints = context.new_page(), list[str]()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("request", lambda request: complaints.append(request.url) if request.url != report.as_uri() else None)
    page.goto(report.as_uri())
    return page, complaints


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 768, 1440])
def test_nothing_overflows_and_everything_is_legible(
    browser: Browser, report: Path, width: int, scheme: Literal["light", "dark"]
) -> None:
    page, complaints = open_report(browser, report, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width, page.evaluate(OVERFLOWING)
    assert page.evaluate(OVERFLOWING) == []
    assert page.evaluate(BEYOND) == []
    assert page.evaluate(FAINT) == []
    assert page.evaluate(SMALLEST) >= (10.9 if width >= 390 else 8.5)
    assert complaints == []
    page.context.close()


def test_day_and_night_look_different(browser: Browser, report: Path) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        page, _ = open_report(browser, report, 1440, scheme)  # type: ignore[arg-type]
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        grounds.append(page.evaluate("getComputedStyle(document.querySelector('.fb-chart')).backgroundColor"))
        page.context.close()
    assert len(set(grounds)) == 4


def test_the_contents_are_reached_by_keyboard(browser: Browser, report: Path) -> None:
    page, _ = open_report(browser, report, 1440, "light")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.url.endswith("#quality")
    page.context.close()


def test_the_report_prints_in_ink_on_white(browser: Browser, report: Path) -> None:
    page, _ = open_report(browser, report, 1440, "dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(FAINT) == []
    assert not page.locator("nav").is_visible()
    assert page.pdf()[:5] == b"%PDF-"
    page.context.close()
