"""The page while it loads, without a model, without a server, and when its figures grow old."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

WIDTHS_AND_SCHEMES = [(390, "light"), (1440, "dark")]


@pytest.mark.parametrize(("width", "scheme"), WIDTHS_AND_SCHEMES)
def test_skeleton_stands_while_the_server_thinks_and_nothing_moves_when_it_answers(
    server: Any,
    open_page: Callable[..., Page],
    picture: Callable[..., None],
    assert_accessible: Callable[[Page], None],
    width: int,
    scheme: str,
) -> None:
    page = open_page(width, scheme)
    answer = threading.Event()
    held: list[Route] = []
    page.route("**/api/v1/project", lambda route: route.continue_() if answer.is_set() else held.append(route))
    page.goto(f"{server.url}#/machines")
    expect(page.get_by_text("Loading", exact=True)).to_be_attached()
    expect(page.get_by_role("main")).to_have_attribute("aria-busy", "true")
    header = page.locator("header").first.bounding_box()
    assert_accessible(page)
    picture(page, f"state-loading-{width}-{scheme}")
    answer.set()
    held[0].continue_()
    expect(page.get_by_role("heading", level=1)).to_have_text("machines")
    assert page.locator("header").first.bounding_box() == header


@pytest.mark.parametrize(("width", "scheme"), WIDTHS_AND_SCHEMES)
def test_a_project_without_a_model_says_what_to_type(
    server: Any,
    project: Any,
    open_page: Callable[..., Page],
    picture: Callable[..., None],
    assert_accessible: Callable[[Page], None],
    width: int,
    scheme: str,
) -> None:
    project.documents.clear()
    page = open_page(width, scheme)
    page.goto(server.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("No model yet")
    expect(page.get_by_text("flyball init NAME --from TABLE.csv --target COLUMN")).to_be_visible()
    expect(page.get_by_text("flyball run")).to_be_visible()
    assert_accessible(page)
    picture(page, f"state-empty-{width}-{scheme}")


def test_the_first_model_appears_by_itself(server: Any, project: Any, open_page: Callable[..., Page]) -> None:
    documents = {"machines": project.documents["machines"]}
    project.documents.clear()
    page = open_page()
    page.clock.install()
    page.goto(server.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("No model yet")
    project.documents.update(documents)
    page.clock.fast_forward(16_000)
    expect(page.get_by_role("heading", level=1)).to_have_text("machines")


@pytest.mark.parametrize(("width", "scheme"), WIDTHS_AND_SCHEMES)
def test_a_failing_server_is_shown_with_code_cause_and_fix(
    server: Any,
    project: Any,
    open_page: Callable[..., Page],
    picture: Callable[..., None],
    assert_accessible: Callable[[Page], None],
    damaged: Exception,
    width: int,
    scheme: str,
) -> None:
    project.failure = damaged
    page = open_page(width, scheme, complaints=False)
    page.goto(f"{server.url}#/machines")
    alert = page.get_by_role("alert")
    for part in ("FB-STORE-004", "The store is damaged", "page 3 cannot be read", "restore the newest backup"):
        expect(alert).to_contain_text(part)
    assert_accessible(page)
    picture(page, f"state-error-{width}-{scheme}")
    project.failure = None
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("machines")


def test_an_unreachable_server_is_told_apart_and_found_again_by_itself(
    server: Any, open_page: Callable[..., Page], picture: Callable[..., None]
) -> None:
    page = open_page(complaints=False)
    page.clock.install()
    page.route("**/api/v1/**", lambda route: route.abort("connectionrefused"))
    page.goto(f"{server.url}#/machines")
    expect(page.get_by_role("heading", level=1)).to_have_text("The server cannot be reached")
    expect(page.get_by_text("flyball console", exact=True)).to_be_visible()
    picture(page, "state-unreachable")
    page.unroute("**/api/v1/**")
    page.clock.fast_forward(16_000)
    expect(page.get_by_role("heading", level=1)).to_have_text("machines")


def test_an_unknown_model_offers_the_ones_there_are(server: Any, open_page: Callable[..., Page]) -> None:
    page = open_page(complaints=False)
    page.goto(f"{server.url}#/machine")
    expect(page.get_by_role("heading", level=1)).to_have_text('There is no model "machine"')
    expect(page.get_by_text('did you mean "machines"?')).to_be_visible()
    page.get_by_role("link", name="prices", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("prices")


def test_an_unknown_version_leads_to_the_newest(server: Any, open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.goto(f"{server.url}#/machines/9")
    expect(page.get_by_role("heading", level=1)).to_have_text("machines has no version 9")
    page.get_by_role("link", name="version 4", exact=True).click()
    expect(page).to_have_title("machines@4 · Flyball")


@pytest.mark.parametrize(("width", "scheme"), WIDTHS_AND_SCHEMES)
def test_figures_stay_and_tell_their_age_when_the_server_goes_away(
    server: Any,
    open_page: Callable[..., Page],
    picture: Callable[..., None],
    assert_accessible: Callable[[Page], None],
    width: int,
    scheme: str,
) -> None:
    page = open_page(width, scheme, complaints=False)
    page.clock.install()
    page.goto(f"{server.url}#/machines")
    expect(page.get_by_text("Up to date", exact=True)).to_be_visible()
    before = page.get_by_role("heading", name="Reasons").bounding_box()
    server.pause()
    page.clock.fast_forward(16_000)
    expect(page.get_by_role("status").first).to_contain_text("The server cannot be reached. The figures are not")
    page.clock.fast_forward(125_000)
    expect(page.get_by_text("The server cannot be reached. These figures are from")).to_contain_text("2 minutes ago")
    expect(page.get_by_text("Not up to date", exact=True)).to_be_visible()
    expect(page.locator(".measure .value")).to_have_text("0.851")
    assert page.get_by_role("heading", name="Reasons").bounding_box() == before
    assert_accessible(page)
    picture(page, f"state-stale-{width}-{scheme}", full=False)
    server.resume()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Up to date", exact=True)).to_be_visible()
    expect(page.get_by_text("The server cannot be reached.")).to_have_count(0)


def test_a_new_version_shows_within_fifteen_seconds_and_a_hidden_page_asks_nothing(
    server: Any, project: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    page.clock.install()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{server.url}#/machines")
    expect(page).to_have_title("machines@4 · Flyball")
    machines = project.documents["machines"]
    project.documents["machines"] = {
        **machines,
        "versions": [{**machines["versions"][0], "number": 5}, *machines["versions"]],
    }
    page.evaluate(
        "Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => window.seen ?? 'hidden' })"
    )
    asked.clear()
    page.clock.run_for(40_000)
    assert asked == []
    page.evaluate("window.seen = 'visible'; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page).to_have_title("machines@5 · Flyball")
    assert len(asked) == 3
    page.clock.run_for(13_000)
    assert len(asked) == 3
    with page.expect_request("**/api/v1/alerts?model=machines"):
        page.clock.run_for(3_000)
    assert len(asked) == 6


def test_a_model_that_is_only_declared_says_how_to_make_its_first_version(
    server: Any, project: Any, open_page: Callable[..., Page]
) -> None:
    project.documents["machines"] = {**project.documents["machines"], "versions": [], "aliases": [], "history": []}
    page = open_page()
    page.goto(f"{server.url}#/machines")
    expect(page.get_by_role("heading", level=1)).to_have_text("machines has no version yet")
    expect(page.get_by_text("flyball run")).to_be_visible()


def test_a_sparse_version_shows_what_it_has(server: Any, project: Any, open_page: Callable[..., Page]) -> None:
    """Evidence may lack every part; the page says so and stands."""
    version = {**project.documents["prices"]["versions"][0], "evidence": {}}
    project.documents["prices"] = {**project.documents["prices"], "versions": [version]}
    page = open_page()
    page.goto(f"{server.url}#/prices")
    expect(page.get_by_text("This version carries no measured quality")).to_be_visible()
    expect(page.get_by_text("This version carries no attributions")).to_be_visible()
    assert "NaN" not in page.inner_text("body")
    assert "undefined" not in page.inner_text("body")
