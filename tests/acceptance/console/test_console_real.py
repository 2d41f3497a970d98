"""The console over a real project: made by the command line, asked through the serving path, watched, and shown."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from playwright.sync_api import Page, expect

from flyball.project import Project
from flyball.project.view import ProjectDocuments
from support.asking import HandClock, ask, gapped, open_at, requests, shifted
from support.command_line import flyball
from support.projects import TARGET, make_project
from support.tables import mixed_table, write

SITE = 'the "site", quoted'
SPEED, SIZE = "speed [rpm]", "größe_µm · 寸"
NO_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SETTINGS = """
[monitor.plant]
window = 60
fewest = 30
false_alarms = "1 per 200 windows"
"""


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions of a model that guesses in the north. The first is in production; the second lacks a column and is
    tested on the last rows, where the look would draw them at random."""
    root = tmp_path_factory.mktemp("plant")
    table = mixed_table(1600, seed=4)
    rng = np.random.default_rng(4)
    north = (table[SITE] == "north").fill_null(False).to_numpy()
    failed = np.where(north, rng.random(len(table)) < 0.5, table["signal"].to_numpy() > 0)
    source = write(table.drop("signal").with_columns(pl.Series(TARGET, failed.astype(int))), root / "table.csv")
    folder, _ = make_project(root / "p", source, TARGET)
    file = folder / "flyball.toml"
    written = file.read_text(encoding="utf-8")
    decided = f"costs = {{ false_positive = 1, false_negative = 4 }}\nslices = ['{SITE}']\nbudget ="
    file.write_text(written.replace("budget =", decided, 1) + SETTINGS, encoding="utf-8")
    flyball("run", "--budget", "2s", "--reason", "first", folder=folder).answer()
    flyball("promote", "plant@1", "production", "--reason", "first in service", folder=folder).answer()
    lacking = file.read_text(encoding="utf-8").replace(
        "\nbudget =", f'\ndrop = ["{SPEED}"]\nsplit = "time"\nbudget =', 1
    )
    file.write_text(lacking, encoding="utf-8")
    flyball("run", "--budget", "2s", "--reason", "without the speed", folder=folder).answer()
    return folder


def windows(project: Project, clock: HandClock, ordinary: int, drifting: int, gaps: int = 0) -> None:
    """Windows of 60 requests, half an hour apart: ordinary ones, then of a drifting sensor, then with gaps as well."""
    for number in range(ordinary + drifting + gaps):
        rows = requests(60, seed=100 + number)
        rows = shifted(rows, SPEED, 15.0) if number >= ordinary else rows
        ask(project, gapped(rows, SIZE, 0.5) if number >= ordinary + drifting else rows, version=1)
        clock.forward(minutes=30)
        project.watch("plant")


@pytest.fixture(scope="module")
def watched(plant: Path) -> Iterator[ProjectDocuments]:
    project, clock = open_at(plant)
    windows(project, clock, ordinary=8, drifting=2, gaps=2)
    ask(project, requests(20, seed=300), version=1)
    yield ProjectDocuments(project)
    project.close()


@pytest.fixture
def copied(plant: Path, tmp_path: Path) -> Path:
    """The same project, to be changed."""
    return Path(shutil.copytree(plant, tmp_path / "copy"))


@pytest.fixture
def real(watched: ProjectDocuments, console_built: Path, serve: Callable[..., Any]) -> Any:
    return serve(watched)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_a_real_version_shows_where_it_is_weak_what_it_is_compared_with_and_what_its_line_costs(
    real: Any,
    open_page: Callable[..., Page],
    picture: Callable[..., None],
    assert_accessible: Callable[[Page], None],
    width: int,
    scheme: str,
) -> None:
    page = open_page(width, scheme)
    page.goto(f"{real.url}#/plant/2")
    expect(page.get_by_role("heading", level=1)).to_have_text("plant")
    weak = page.get_by_role("region", name="Weak segments")
    expect(weak.get_by_role("list", name=f"By {SITE}").get_by_role("listitem").first).to_contain_text("rows")
    compared = page.get_by_role("region", name="Comparisons")
    expect(compared.get_by_role("heading", name="Against production, plant@1")).to_be_visible()
    expect(compared.get_by_role("heading", name="Against guessing")).to_be_visible()
    threshold = page.get_by_role("region", name="Threshold")
    expect(threshold).to_contain_text("a false alarm costs 1")
    expect(threshold.get_by_role("list", name="Cost a row").get_by_role("listitem")).to_have_count(4)
    overruled = page.get_by_role("region", name="Overruled")
    expect(overruled.get_by_role("listitem")).to_contain_text("on request, where the look would split at random")
    expect(overruled).to_contain_text("without the speed")
    for nothing in ("NaN", "undefined", "null"):
        assert nothing not in page.inner_text("main")
    picture(page, f"real-version-{width}-{scheme}")
    assert page.evaluate(NO_OVERFLOW) <= 0
    assert_accessible(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_a_real_drift_is_shown_by_column_with_before_and_now_and_what_to_do(
    real: Any,
    open_page: Callable[..., Page],
    picture: Callable[..., None],
    assert_accessible: Callable[[Page], None],
    width: int,
    scheme: str,
) -> None:
    page = open_page(width, scheme)
    page.clock.set_fixed_time("2026-03-04T20:00:00Z")
    page.goto(real.url)
    page.get_by_role("list", name="Open alerts").get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("1 open alert")
    card = page.get_by_role("article")
    for part in (SPEED, SIZE, "standard deviations", "seen in 4 windows", "Nobody looks after it yet"):
        expect(card).to_contain_text(part)
    expect(card.get_by_text("flyball alerts resolve")).to_be_visible()
    strip = page.get_by_role("img", name=f"{SPEED}: beyond the limit in 4 of 12 windows, last in window 12")
    expect(strip).to_be_visible()
    expect(page.get_by_text("20 of 60 rows for the next window")).to_be_visible()
    picture(page, f"real-watch-{width}-{scheme}")
    assert page.evaluate(NO_OVERFLOW) <= 0
    assert_accessible(page)


def test_an_alert_that_the_command_line_resolves_leaves_the_console(
    copied: Path, serve: Callable[..., Any], open_page: Callable[..., Page]
) -> None:
    project, clock = open_at(copied)
    windows(project, clock, ordinary=1, drifting=1)
    documents = ProjectDocuments(project)
    page = open_page()
    page.clock.install()
    page.goto(f"{serve(documents).url}#/plant/watch")
    (alert,) = documents.alerts("plant")
    expect(page.get_by_role("heading", level=1)).to_have_text("1 open alert")
    flyball("alerts", "resolve", alert["number"], "--reason", "sensor replaced", folder=copied).answer()
    page.clock.fast_forward(16_000)
    expect(page.get_by_role("heading", level=1)).to_have_text("As before")
    expect(page.get_by_role("region", name="Resolved")).to_contain_text("sensor replaced")
    project.close()


def test_a_real_version_is_compared_on_demand_with_what_is_in_service_since(
    copied: Path, serve: Callable[..., Any], open_page: Callable[..., Page]
) -> None:
    flyball("promote", "plant@2", "production", "--reason", "the sensor is gone", folder=copied).answer()
    project, _ = open_at(copied)
    page = open_page()
    page.goto(f"{serve(ProjectDocuments(project)).url}#/plant/1")
    compared = page.get_by_role("region", name="Comparisons")
    compared.get_by_role("button", name="Compare with version 2").click()
    expect(compared.get_by_role("heading", name="Against production now, plant@2")).to_be_visible(timeout=20_000)
    expect(compared.get_by_role("status")).to_contain_text("better than plant@2")
    project.close()
