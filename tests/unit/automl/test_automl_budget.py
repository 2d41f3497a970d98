"""A regression keeps time for the widths of its intervals, inside the budget."""

from __future__ import annotations

import pytest

from flyball.automl.budget import Budget


class Hand:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("seconds", [0.5, 8.0, 60.0, 3600.0])
def test_the_search_ends_early_enough_for_the_widths_and_these_before_the_finish(seconds: float) -> None:
    clock = Hand()
    plain, kept = Budget(seconds, clock), Budget(seconds, clock, intervals=True)
    assert kept.left == pytest.approx(plain.left - kept.for_interval)
    assert 0 < kept.for_interval <= 5.0
    late = kept.interval_moment
    clock.now = seconds - plain.reserve
    assert kept.left <= 0
    assert not late()
    clock.now = seconds - 0.5 * plain.reserve
    assert late()
