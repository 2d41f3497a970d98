"""The false-alarm rate is the stated one: neither more alarms nor fewer. Seeds are fixed, so luck has no say."""

from __future__ import annotations

import numpy as np
import pytest

from flyball.monitoring import alarm_range
from support.worlds import WORLDS, judged

LEVEL = 0.05
SIZES = ((200, 30), (800, 90), (2000, 250), (1500, 400))


def replays(number: int, *, seed: int, profile: bool = False, ordered: bool = False) -> list[float]:
    """p-values of windows in which nothing changed: every world, references and windows of several sizes."""
    found = []
    for turn in range(number):
        rng = np.random.default_rng([seed, turn])
        world = list(WORLDS.values())[turn % len(WORLDS)]
        before, after = SIZES[turn // len(WORLDS) % len(SIZES)]
        rows = int(after * rng.uniform(0.8, 1.2))
        result = judged(world(rng, before), world(rng, rows), level=LEVEL, seed=turn, profile=profile, ordered=ordered)
        assert result.p is not None
        found.append(result.p)
    return found


def test_on_200_replays_without_a_change_the_alarms_are_within_the_budgets_range_at_both_ends() -> None:
    low, high = alarm_range(200, LEVEL)
    assert (low, high) == (4, 16)
    p = np.array(replays(200, seed=20))
    assert low <= (p <= LEVEL).sum() <= high
    for level in (0.1, 0.2, 0.5):  # and the p-values are uniform beyond the level too
        least, most = alarm_range(200, level, share=0.999)
        assert least <= (p <= level).sum() <= most


def test_a_reference_in_order_keeps_the_budget_too() -> None:
    low, high = alarm_range(100, LEVEL, share=0.99)
    assert low <= sum(p <= LEVEL for p in replays(100, seed=31, ordered=True)) <= high


def test_a_bundles_profile_alone_keeps_the_budget() -> None:
    low, high = alarm_range(100, LEVEL, share=0.99)
    assert low <= sum(p <= LEVEL for p in replays(100, seed=42, profile=True)) <= high


@pytest.mark.parametrize(
    ("length", "reference", "rows"), [(10, 6000, 1000), (10, 1500, 60), (3, 3000, 100), (30, 3000, 120)]
)
def test_rows_that_come_in_sessions_are_no_alarm(length: int, reference: int, rows: int) -> None:
    def sessions(rng: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
        return {name: np.repeat(values, length) for name, values in WORLDS["independent"](rng, rows // length).items()}

    alarms = 0
    for turn in range(40):
        rng = np.random.default_rng([7, turn])
        alarms += judged(sessions(rng, reference), sessions(rng, rows), level=LEVEL, seed=turn).verdict == "alarm"
    low, high = alarm_range(40, LEVEL, share=0.999)
    assert low <= alarms <= high


def test_a_season_that_the_reference_shows_is_no_alarm() -> None:
    def week(rng: np.random.Generator, windows: int, begin: int) -> dict[str, np.ndarray]:
        phase = np.repeat(np.arange(begin, begin + windows), 500)
        swing = 0.4 * np.sin(2 * np.pi * phase / 7)
        columns = WORLDS["independent"](rng, 500 * windows)
        return {**columns, "n0": columns["n0"] + swing, "n1": columns["n1"] - swing}

    alarms = {True: 0, False: 0}
    for turn in range(40):
        rng = np.random.default_rng([9, turn])
        before, after = week(rng, 21, 0), week(rng, 1, turn)
        for ordered in alarms:
            alarms[ordered] += judged(before, after, level=LEVEL, seed=turn, ordered=ordered).verdict == "alarm"
    assert alarms[True] <= alarm_range(40, LEVEL, share=0.999)[1]
    assert alarms[False] > 15, "the season is there to be seen"


@pytest.mark.parametrize("level", [0.02, 0.001])
def test_a_smaller_level_gives_fewer_alarms_and_never_more_than_its_range(level: float) -> None:
    alarms = 0
    for turn in range(100):
        rng = np.random.default_rng([11, turn])
        world = WORLDS["discrete"]
        alarms += judged(world(rng, 600), world(rng, 60), level=level, seed=turn).verdict == "alarm"
    assert alarms <= alarm_range(100, level, share=0.99)[1]
