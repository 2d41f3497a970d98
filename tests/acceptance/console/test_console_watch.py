"""What happens now: the list of models and the watch of one, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

NO_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
EVERY_LOOK = [(width, scheme) for width in (390, 1440) for scheme in ("light", "dark")]


@pytest.mark.parametrize(("width", "scheme"), EVERY_LOOK)
@pytest.mark.parametrize(
    ("model", "first"), [("machines", "2 open alerts"), ("prices", "As before"), ("letters", "Nothing to watch yet")]
)
def test_the_watch_stands_at_every_width_in_both_schemes(
    server: Any,
    open_page: Callable[..., Page],
    picture: Callable[..., None],
    assert_accessible: Callable[[Page], None],
    width: int,
    scheme: str,
    model: str,
    first: str,
) -> None:
    page = open_page(width, scheme)
    page.on("dialog", lambda dialog: pytest.fail(f"a column name ran as script: {dialog.message}"))
    page.goto(f"{server.url}#/{model}/watch")
    expect(page.get_by_role("heading", level=1)).to_have_text(first)
    expect(page).to_have_title(f"{model}, watch · Flyball")
    picture(page, f"watch-{model}-{width}-{scheme}")
    assert page.evaluate(NO_OVERFLOW) <= 0
    assert_accessible(page)


@pytest.mark.parametrize(("width", "scheme"), EVERY_LOOK)
def test_the_list_puts_the_model_that_needs_somebody_first(
    server: Any,
    open_page: Callable[..., Page],
    picture: Callable[..., None],
    assert_accessible: Callable[[Page], None],
    width: int,
    scheme: str,
) -> None:
    page = open_page(width, scheme)
    page.goto(server.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("paper-mill")
    assert page.get_by_role("heading", level=2).all_inner_texts() == ["machines", "letters", "prices"]
    first = page.get_by_role("list", name="Models").get_by_role("listitem").first
    for part in ("Critical", "Warning, acknowledged", "production: version 3", "0.851"):
        expect(first).to_contain_text(part)
    picture(page, f"list-{width}-{scheme}")
    assert page.evaluate(NO_OVERFLOW) <= 0
    assert_accessible(page)
    page.get_by_role("link", name="Critical").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 open alerts")


def test_a_project_with_one_model_opens_it_at_once(server: Any, project: Any, open_page: Callable[..., Page]) -> None:
    project.documents = {"prices": project.documents["prices"]}
    page = open_page()
    page.goto(server.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("prices")


def test_an_open_alert_stands_over_the_model_and_leads_to_what_moved(
    server: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    page.goto(f"{server.url}#/machines")
    alerts = page.get_by_role("list", name="Open alerts").get_by_role("listitem")
    expect(alerts.first).to_contain_text("Critical:")
    expect(alerts.nth(1)).to_contain_text("user:grace looks after it")
    alerts.first.get_by_role("link").click()
    card = page.get_by_role("article").first
    for part in (
        "Torque [Nm]",
        "median 29.1; 40 before",
        "Nobody looks after it yet",
        "first in window 14",
        "seen in 3 windows",
        "50 % of the rows lie elsewhere than before",
        "fewer than 1 in 1,000,000 windows",
        "<b>X</b> in 27.0 %",
    ):
        expect(card).to_contain_text(part)
    expect(card.get_by_text('flyball alerts acknowledge 41 --reason "who looks after it"')).to_be_visible()
    page.goto(f"{server.url}#/prices")
    expect(page.get_by_role("heading", level=1)).to_have_text("prices")
    expect(page.get_by_role("list", name="Open alerts")).to_have_count(0)


def test_windows_are_walked_by_keyboard_and_each_says_what_it_showed(
    server: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    page.goto(f"{server.url}#/machines/watch")
    strip = page.get_by_role("img", name="Torque [Nm]: beyond the limit in 3 of 17 windows, last in window 17")
    expect(strip).to_be_visible()
    expect(page.get_by_role("heading", name="Window 17: alarm")).to_be_visible()
    slider = page.get_by_role("slider", name="Window")
    for _ in range(6):
        slider.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuetext", "window 11 of version 3, not enough data")
    expect(page.get_by_text("12 rows; 50 are needed")).to_be_visible()
    strip.click(position={"x": 3, "y": 9})
    expect(page.get_by_role("heading", name="Window 1: healthy")).to_be_visible()


def test_the_budget_is_put_into_words_and_what_is_not_watched_is_named(
    server: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    page.goto(f"{server.url}#/machines/watch")
    budget = page.get_by_role("region", name="How often it cries wolf")
    expect(budget).to_contain_text("1 per 1000 windows is the budget for false alarms.")
    expect(budget).to_contain_text(
        "15 windows would give 0.02 false alarms by chance, 0 of them 95 times in a hundred; 3 alarmed."
    )
    expect(budget).to_contain_text("Not watched: operator.")
    expect(page.get_by_text("70 of 200 rows for the next window; 2 came too late for their window")).to_be_visible()
    resolved = page.get_by_role("region", name="Resolved").get_by_role("listitem")
    expect(resolved).to_contain_text("sensor replaced")


def test_a_resolved_alert_leaves_the_page_within_fifteen_seconds(
    server: Any, project: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    page.clock.install()
    page.goto(f"{server.url}#/machines/watch")
    expect(page.get_by_role("heading", level=1)).to_have_text("2 open alerts")
    project.watched["machines"] = {**project.watched["machines"], "alerts": project.watched["machines"]["alerts"][:1]}
    page.clock.fast_forward(16_000)
    expect(page.get_by_role("heading", level=1)).to_have_text("1 open alert")


@pytest.mark.parametrize("address", ["#/", "#/machines/watch"])
def test_loading_failing_and_stale_are_designed_here_too(
    server: Any, project: Any, open_page: Callable[..., Page], damaged: Exception, address: str
) -> None:
    project.failure = damaged
    page = open_page(complaints=False)
    page.clock.install()
    page.goto(f"{server.url}{address}")
    expect(page.get_by_role("alert")).to_contain_text("FB-STORE-004")
    project.failure = None
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Up to date", exact=True)).to_be_visible()
    server.pause()
    page.clock.fast_forward(16_000)
    expect(page.get_by_role("status").first).to_contain_text("The figures are not up to date")
    expect(page.get_by_role("heading", level=1)).to_have_text("paper-mill" if address == "#/" else "2 open alerts")
