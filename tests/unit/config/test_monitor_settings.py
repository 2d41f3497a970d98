"""`[monitor.MODEL]`: a budget becomes a level; what cannot hold is refused with its line."""

from __future__ import annotations

import pytest

from flyball.config import Budget, BudgetInvalid, ConfigInvalid, ConfigUnknownKey, MonitorConfig, parse_project

BASE = '[project]\nname = "p"\n[data.d]\nsource = "d.csv"\n[model.m]\ndata = "d"\ntarget = "y"\n'


def monitor(text: str, name: str = "m") -> MonitorConfig:
    return parse_project(f"{BASE}[monitor.{name}]\n{text}").monitor[name]


@pytest.mark.parametrize(
    ("text", "every", "level"),
    [
        ("1 per 1000 windows", None, 1 / 1000),
        ("2 per 40 windows", None, 1 / 20),
        ("0.5 per 100 windows", 60.0, 1 / 200),
        ("1 per 30d", 3600.0, 1 / 720),
        ("3 per 1d", 3600.0, 3 / 24),
        ("1 in 20 windows", None, 1 / 20),
    ],
)
def test_a_budget_is_read_as_the_level_of_each_window(text: str, every: float | None, level: float) -> None:
    budget = Budget.parse(text, every_seconds=every)
    assert budget.level == pytest.approx(level, rel=1e-12)
    assert budget.text == text


@pytest.mark.parametrize(
    ("text", "every", "why"),
    [
        ("never", None, "not of the form"),
        ("0 per 10 windows", None, "never alarms"),
        ("1 per 0 windows", None, "never alarms"),
        ("1 per 1 windows", None, "more than one false alarm in two windows"),
        ("1 per 9000000 windows", None, "a million windows"),
        ("1 per 30d", None, "as fast as the requests"),
        ("1 per fortnight", 3600.0, "neither a length of time"),
        ("1 per 1h", 3600.0, "more than one false alarm in two windows"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused(text: str, every: float | None, why: str) -> None:
    with pytest.raises(BudgetInvalid) as refused:
        Budget.parse(text, every_seconds=every)
    assert why in str(refused.value.why)
    assert refused.value.fix


def test_without_a_section_windows_have_500_rows_and_a_thousand_of_them_one_false_alarm() -> None:
    default = MonitorConfig()
    assert (default.every, default.rows, default.fewest, default.budget.level) == (None, 500, 50, 0.001)


def test_windows_end_by_time_or_by_rows() -> None:
    assert monitor('every = "1h"\nfalse_alarms = "1 per 30d"').budget.level == pytest.approx(1 / 720)
    assert monitor("window = 200\nfewest = 20").rows == 200
    with pytest.raises(ConfigInvalid, match="not by both"):
        monitor('every = "1h"\nwindow = 200')


@pytest.mark.parametrize(
    "text",
    [
        "window = 5",
        "fewest = 3",
        "window = 30",
        'every = "10ms"',
        'false_alarms = "1 per 30d"',
        'false_alarms = "often"',
    ],
)
def test_settings_that_cannot_hold_are_refused_with_their_line(text: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        monitor(text)
    assert "flyball.toml:8" in str(refused.value.where) or "flyball.toml:9" in str(refused.value.where)


def test_a_misspelt_setting_or_model_is_offered_the_right_one() -> None:
    with pytest.raises(ConfigUnknownKey) as key:
        monitor('false_alarm = "1 per 20 windows"')
    assert 'did you mean "false_alarms"?' in str(key.value.fix)
    with pytest.raises(ConfigInvalid, match='there is no model "mm" to watch'):
        monitor("window = 100", "mm")
