"""The page of a model, in a real browser: what it says, at every width and in both colour schemes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

NO_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SPILLED = """() => [...document.querySelectorAll('main *, header *')]
  .filter((one) => !one.closest('.unseen') && !one.closest('svg') && one.getBoundingClientRect().right > innerWidth + 1)
  .map((one) => one.outerHTML.slice(0, 90))"""
WATCH_SHIFTS = """window.shifts = 0; new PerformanceObserver((list) => {
  for (const shift of list.getEntries()) if (!shift.hadRecentInput) window.shifts += shift.value;
}).observe({ type: 'layout-shift', buffered: true });"""
FIRST_WORDS = {"": "paper-mill", "machines/watch": "2 open alerts"}
SECTIONS = {
    "machines": [
        "Quality",
        "Weak segments",
        "Comparisons",
        "Threshold",
        "Class sets",
        "Reasons",
        "Overruled",
        "Gates",
        "History",
    ],
    "prices": ["Quality", "Weak segments", "Comparisons", "Intervals", "Reasons", "Gates", "History"],
    "letters": ["Quality", "Weak segments", "Class sets", "Reasons", "Gates", "History"],
}


@pytest.mark.parametrize("model", ["machines", "prices", "letters"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_page_shows_quality_reasons_gates_and_history_without_overflow_or_serious_findings(
    server: Any,
    open_page: Callable[..., Page],
    assert_accessible: Callable[[Page], None],
    picture: Callable[[Page, str], None],
    width: int,
    scheme: str,
    model: str,
) -> None:
    page = open_page(width, scheme)
    page.goto(f"{server.url}#/{model}")
    expect(page.get_by_role("heading", level=1)).to_have_text(model)
    assert page.get_by_role("heading", level=2).all_inner_texts() == SECTIONS[model]
    assert page.get_by_role("navigation").get_by_role("link").all_inner_texts() == [
        *SECTIONS[model],
        "What happens now",
    ]
    picture(page, f"{model}-{width}-{scheme}")
    assert page.evaluate(NO_OVERFLOW) <= 0
    assert page.evaluate(SPILLED) == []
    assert_accessible(page)


def test_no_width_between_a_small_phone_and_a_wide_screen_overflows(
    server: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    for model in ("machines", "prices", "letters", "machines/watch", ""):
        page.goto(f"{server.url}#/{model}")
        expect(page.get_by_role("heading", level=1)).to_have_text(FIRST_WORDS.get(model, model))
        for width in (320, 480, 641, 768, 1023, 1100, 1920):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate(NO_OVERFLOW) <= 0, (model, width)
            assert page.evaluate(SPILLED) == [], (model, width)


def test_first_paint_takes_less_than_a_second_and_nothing_moves_while_loading(
    server: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    page.add_init_script(WATCH_SHIFTS)
    page.goto(f"{server.url}#/machines")
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert paint < 1000
    page.wait_for_timeout(200)
    assert page.evaluate("window.shifts") < 0.1


def test_address_chooses_model_and_version_and_the_menus_change_it(server: Any, open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.goto(f"{server.url}#/machines/2")
    expect(page).to_have_title("machines@2 · Flyball")
    expect(page.locator(".measure .value")).to_have_text("0.741")
    page.get_by_label("Version", exact=True).select_option("3")
    expect(page).to_have_url(f"{server.url}#/machines/3")
    expect(page.locator(".alias")).to_have_text(["production since 12 Nov 2026", "champion since 12 Nov 2026"])
    page.get_by_label("Model", exact=True).select_option("prices")
    expect(page).to_have_title("prices@1 · Flyball")
    page.go_back()
    expect(page).to_have_title("machines@3 · Flyball")


def test_a_refused_version_says_rule_measure_what_would_pass_and_where(
    server: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    page.goto(f"{server.url}#/machines/4")
    page.get_by_role("link", name="production refuses it").click()
    refused = page.get_by_role("listitem").filter(has=page.get_by_role("img", name="Fails"))
    expect(refused).to_be_in_viewport()
    for part in ("calibration_error <= 0.03", "0.041 [0.033, 0.049]", "has to shrink by 0.011", "flyball.toml:32"):
        expect(refused).to_contain_text(part)
    expect(page.get_by_text("flyball promote")).to_have_count(0)


def test_a_version_that_passes_but_is_not_promoted_shows_the_command_to_type(
    server: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    page.goto(f"{server.url}#/machines/2")
    expect(page.get_by_text('flyball promote machines@2 production --reason "..."')).to_be_visible()
    page.goto(f"{server.url}#/machines/3")
    expect(page.get_by_role("link", name="production lets it in")).to_be_visible()
    expect(page.get_by_text("flyball promote")).to_have_count(0)


def test_an_honest_split_shows_what_a_random_one_would_have_claimed(
    server: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    page.goto(f"{server.url}#/prices")
    expect(page.get_by_text("41,900")).to_be_visible()
    expect(page.get_by_text("−4,912 (−5,512 to −4,312)")).to_be_visible()


def test_test_rows_of_another_kind_are_told_with_the_columns_that_tell(
    server: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    page.goto(f"{server.url}#/prices")
    expect(page.get_by_text("Test rows differ from training rows")).to_contain_text("median_income, latitude")
    page.goto(f"{server.url}#/machines")
    expect(page.get_by_text("Machine failure").first).to_be_visible()
    expect(page.get_by_text("Test rows differ from training rows")).to_have_count(0)


def test_keyboard_alone_reaches_the_reasons_and_the_versions(server: Any, open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.goto(f"{server.url}#/machines")
    wear = page.get_by_role("button", name="Tool wear [min]")
    expect(wear).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    for _ in range(80):
        page.keyboard.press("Tab")
        if wear.evaluate("one => one === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(wear).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("heading", name="Tool wear [min]")).to_be_visible()
    page.get_by_role("link", name="Version 1: 0.706").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_title("machines@1 · Flyball")


def test_names_from_the_data_are_shown_as_text(server: Any, open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.on("dialog", lambda dialog: pytest.fail(f"a column name ran as script: {dialog.message}"))
    page.goto(f"{server.url}#/letters")
    expect(page.get_by_text("<img src=x onerror=alert(1)>")).to_be_visible()
    expect(page.get_by_text("<b>b</b>")).to_be_visible()


def test_every_hash_is_verified_on_demand_and_damage_is_named(
    server: Any, project: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    page.goto(f"{server.url}#/machines")
    page.get_by_role("button", name="Verify every hash").click()
    expect(page.get_by_text("Every hash holds")).to_be_visible()
    project.problems = [
        {"code": "FB-AUDIT-007", "where": "entries, seq 12", "what": "the body does not match its hash"}
    ]
    page.get_by_role("button", name="Verify every hash").click()
    expect(page.get_by_text("1 problem")).to_be_visible()
    expect(page.get_by_text("entries, seq 12: the body does not match its hash")).to_be_visible()


def test_report_of_the_chosen_version_is_one_click_away(server: Any, open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.goto(f"{server.url}#/machines/2")
    page.get_by_role("link", name="Full report").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Report of machines@2")


def test_page_fetches_nothing_from_elsewhere(server: Any, open_page: Callable[..., Page]) -> None:
    page = open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{server.url}#/machines")
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    assert len(asked) >= 4
    assert [url for url in asked if not url.startswith(server.url)] == []


def test_page_works_behind_a_proxy_whose_password_stands_in_the_address(
    guarded: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    page.goto(guarded.url.replace("//", "//ada:sesame@") + "#/machines")
    expect(page.get_by_role("heading", level=1)).to_have_text("machines")
