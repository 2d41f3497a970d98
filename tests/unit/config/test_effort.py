"""A budget is a length of time or a number of trials."""

from __future__ import annotations

import pytest

from flyball.config import DurationInvalid, Effort, parse_effort


@pytest.mark.parametrize(("text", "effort"), [
    ("90s", Effort(90.0)), (12, Effort(12.0)), (0, Effort(0.0)), ("1h30m", Effort(5400.0)), ("1 trial", Effort(60.0, 1)),
    (" 40 Trials ", Effort(60.0, 40)), ("7trials", Effort(60.0, 7)),
])  # fmt: skip
def test_what_people_write_is_read(text: object, effort: Effort) -> None:
    assert parse_effort(text) == effort
    assert parse_effort(effort) is effort


@pytest.mark.parametrize(
    "text", ["0 trials", "10001 trials", "some trials", "-1 trials", "2.5 trials", "soon", True, None]
)
def test_what_is_no_budget_is_refused(text: object) -> None:
    with pytest.raises(DurationInvalid):
        parse_effort(text)


def test_an_effort_says_itself() -> None:
    assert [str(one) for one in (Effort(90.0), Effort(60.0, 1), Effort(60.0, 20))] == ["90 s", "1 trial", "20 trials"]
