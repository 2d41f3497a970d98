"""The sections on weak segments, comparisons, the threshold, coverage and overrules, in every state they have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect


def section(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def test_weak_segments_stand_beside_hard_ones_and_named_levels_each_with_its_rows(
    server: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    page.goto(f"{server.url}#/machines")
    weak = section(page, "Weak segments")
    expect(weak).to_contain_text("Weak in 1 segment; 812 segments of 2,000 test rows were searched.")
    expect(weak).to_contain_text("At most 5% of searches name one.")
    found = weak.get_by_role("list", name="Worse than its own probabilities say").get_by_role("listitem")
    expect(found).to_contain_text("212 rows, 11 %; log loss +0.31 (0.16 to 0.46) a row")
    expect(found).to_contain_text("0.651")
    hard = weak.get_by_role("list", name="Hard, and it knows").get_by_role("listitem")
    expect(hard).to_contain_text("these rows leave it undefined")
    expect(weak.get_by_role("list", name="By Type").get_by_role("listitem")).to_have_count(3)
    expect(weak).to_contain_text("Not searched: operator (personal), TWF (gives the target away)")


def test_no_weak_segment_says_what_would_have_been_found_and_few_rows_say_so(
    server: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    page.goto(f"{server.url}#/prices")
    weak = section(page, "Weak segments")
    expect(weak).to_contain_text("No weak segment was found among 812 segments of 2,000 test rows.")
    expect(weak).to_contain_text("costs 2300 units of median_house_value more absolute error than is expected")
    page.goto(f"{server.url}#/letters")
    few = "Not enough data to search: 48 rows in 48 independent units; 100 rows in 20 units are needed."
    expect(section(page, "Weak segments")).to_contain_text(few)


def test_wins_and_losses_against_production_are_told_with_their_intervals(
    server: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    page.goto(f"{server.url}#/machines")
    compared = section(page, "Comparisons")
    expect(compared.get_by_role("heading", name="Against production, machines@3")).to_be_visible()
    expect(compared).to_contain_text("machines@3 learned from 1,599 of the 2,000 rows; they are left out")
    expect(compared).to_contain_text("better in 1, worse in 1, no clear difference in 2, not enough data in 1")
    rows = compared.get_by_role("list", name="Against production, machines@3").get_by_role("listitem")
    expect(rows).to_have_count(4)
    expect(rows.filter(has_text="Log loss")).to_contain_text("worse")
    compared.get_by_role("button", name="Show all metrics").click()
    expect(rows).to_have_count(5)
    expect(rows.filter(has_text="Calibration error")).to_contain_text("not enough data")
    page.get_by_role("link", name="No clear difference").click()
    expect(compared).to_be_in_viewport()


def test_an_unfair_or_impossible_comparison_says_why(server: Any, open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.goto(f"{server.url}#/machines/2")
    expect(section(page, "Comparisons")).to_contain_text("Not a fair test. It is not known whether machines@1 learned")
    page.goto(f"{server.url}#/machines/3")
    expect(section(page, "Comparisons")).to_contain_text("Not comparable: the data that machines@1 was made from")


def test_a_version_is_compared_on_demand_with_what_is_in_service_now(
    server: Any, project: Any, open_page: Callable[..., Page], damaged: Exception
) -> None:
    page = open_page(complaints=False)
    page.goto(f"{server.url}#/machines/2")
    compared = section(page, "Comparisons")
    expect(compared).to_contain_text("Since then version 3 holds production.")
    project.failure = damaged
    compared.get_by_role("button", name="Compare with version 3").click()
    expect(compared).to_contain_text("The store is damaged.")
    project.failure = None
    compared.get_by_role("button", name="Compare with version 3").click()
    expect(compared.get_by_role("heading", name="Against production now, machines@3")).to_be_visible()
    expect(compared.get_by_role("status")).to_have_text("Compared: no clear difference to machines@3")


def test_the_line_its_cost_and_other_lines_are_shown_and_tried_by_keyboard(
    server: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    page.goto(f"{server.url}#/machines")
    threshold = section(page, "Threshold")
    expect(threshold).to_contain_text("A row is called 1 from a probability of 3.9 % on.")
    costs = threshold.get_by_role("list", name="Cost a row").get_by_role("listitem")
    expect(costs).to_have_count(4)
    expect(costs.nth(0)).to_contain_text("0.20")
    expect(costs.nth(1)).to_contain_text("this version saves 0.21 (0.16 to 0.26)")
    expect(costs.nth(2)).to_contain_text("no clear saving: −0.02 (−0.07 to 0.03)")
    expect(costs.nth(3)).to_contain_text("this version costs 0.30 more (0.25 to 0.35)")
    slider = threshold.get_by_role("slider", name="Try another threshold")
    expect(slider).to_have_attribute("aria-valuetext", "3.9\N{NO-BREAK SPACE}%")
    slider.press("End")
    expect(threshold.get_by_role("term").filter(has_text="Recall")).to_be_visible()
    expect(threshold.locator("dl")).to_contain_text("Called 10.1 %")
    threshold.get_by_role("button", name="Back to 3.9 %").click()
    expect(slider).to_have_attribute("aria-valuetext", "3.9\N{NO-BREAK SPACE}%")


def test_without_costs_the_curve_is_precision_and_recall_and_the_page_says_how_to_state_them(
    server: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    page.goto(f"{server.url}#/machines/3")
    threshold = section(page, "Threshold")
    expect(threshold.get_by_role("heading", name="Found and false by threshold")).to_be_visible()
    expect(threshold).to_contain_text("costs = { false_positive = 1, false_negative = 20 }")
    expect(threshold.get_by_role("list", name="Cost a row")).to_have_count(0)


def test_a_promise_that_does_not_hold_is_told_and_so_is_one_that_nobody_can_judge(
    server: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    page.goto(f"{server.url}#/prices")
    intervals = section(page, "Intervals")
    expect(intervals).to_contain_text("they held 87.1 % (86.1 % to 88.1 %). The promise does not hold.")
    expect(intervals).to_contain_text("none goes below 0")
    by_prediction = intervals.get_by_role("list", name="Coverage By prediction").get_by_role("listitem")
    expect(by_prediction.first).to_contain_text("40,000 to 80,000")
    page.goto(f"{server.url}#/letters")
    sets = section(page, "Class sets")
    expect(sets).to_contain_text("Too few independent rows to tell.")
    expect(sets.get_by_role("listitem")).to_have_count(12)
    sets.get_by_role("button", name="Show all 26").click()
    expect(sets.get_by_role("listitem")).to_have_count(26)


def test_what_was_overruled_is_told_with_who_why_and_whether_it_flatters(
    server: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page(390)
    page.goto(f"{server.url}#/machines/4")
    overruled = section(page, "Overruled")
    expect(overruled).to_contain_text("the plant vouches for it")
    rows = overruled.get_by_role("listitem")
    expect(rows.first).to_contain_text("may flatter the model")
    expect(rows.last).to_contain_text("does not flatter")


@pytest.mark.parametrize("width", [390, 1440])
def test_an_older_version_lacks_these_sections_and_nothing_else(
    server: Any, open_page: Callable[..., Page], width: int
) -> None:
    page = open_page(width)
    page.goto(f"{server.url}#/machines/1")
    expect(page.get_by_role("heading", level=1)).to_have_text("machines")
    assert page.get_by_role("heading", level=2).all_inner_texts() == ["Quality", "Reasons", "Gates", "History"]
