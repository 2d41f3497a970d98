"""Which version served at a time is answered exactly, however often the alias moved."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from flyball.ledger import Draft
from flyball.project import Project
from flyball.project.history import MomentInvalid, served_at
from flyball.registry import ModelUnknown
from flyball.server import open_for_server
from flyball.testing.registries import TESTER, SteppingClock
from support.command_line import flyball

MOVES = 10_000


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    opened, _ = open_for_server(tmp_path, clock=SteppingClock())
    for number in range(3):
        evidence = {
            "metrics": {"test": {"roc_auc": {"value": 0.8 + number / 10, "low": None, "high": None}}},
            "data": {"inputs": []},
        }
        opened.registry.register_external(
            "machines",
            files={},
            evidence={**evidence, "code": {"commit": f"c{number}"}},
            run_id=None,
            actor=TESTER,
            reason="made",
        )
    yield opened
    opened.close()


def many_moves(project: Project, rng: random.Random) -> list[tuple[str, int | None, int]]:
    """Time, version (None: taken off) and entry of each of many moves; some are of one instant, as in one transaction."""
    registry, moves = project.registry, []
    entries = {number: registry.version("machines", number).entry for number in (1, 2, 3)}
    while len(moves) < MOVES:
        numbers: list[int | None] = []
        while len(numbers) < min(rng.randint(1, 60), MOVES - len(moves)):
            held = numbers[-1] if numbers else moves[-1][1] if moves else None
            numbers.append(None if held is not None and rng.random() < 0.1 else rng.randint(1, 3))
        drafts = [
            Draft("alias.removed", "machines@production", TESTER, "off")
            if number is None
            else Draft("alias.moved", "machines@production", TESTER, "on", {"version": entries[number]})
            for number in numbers
        ]
        with project.database.write("test") as tx:
            made = project.ledger.append(tx, *drafts)
        moves += [(entry.time, number, entry.seq) for entry, number in zip(made, numbers, strict=True)]
    return moves


def test_it_is_exact_at_and_between_all_of_ten_thousand_moves(project: Project) -> None:
    rng = random.Random(3)
    moves = many_moves(project, rng)
    assert project.registry.move_alias("machines", "other", 1, TESTER, "on").number == 1
    times = [datetime.fromisoformat(time) for time, _, _ in moves]
    at = rng.sample(sorted(set(times)), 60)
    for moment in (
        *at,
        *(one - timedelta(microseconds=1) for one in at),
        *(one + timedelta(microseconds=1) for one in at),
    ):
        told = served_at(project, "machines@production", moment)
        place = bisect_right(times, moment)
        since, version, entry = moves[place - 1] if place else (None, None, None)
        assert (told["version"], told["since"]) == (version, since)
        assert told["until"] == (moves[place][0] if place < MOVES else None)
        assert (told["moved"] and told["moved"]["entry"]) == entry
    first = served_at(project, "machines@production", times[0] - timedelta(days=1))
    assert (first["version"], first["moved"], first["until"]) == (None, None, moves[0][0])


def test_the_answer_names_who_why_evidence_and_code(project: Project, tmp_path: Path) -> None:
    project.promote("machines@2", "production", reason="quarterly refresh")
    told = flyball("served", "machines@production", folder=tmp_path).answer()
    assert (told["ref"], told["moved"]["reason"], told["code"]) == ("machines@2", "quarterly refresh", {"commit": "c1"})
    assert told["evidence"]["metrics"]["roc_auc"]["value"] == 0.9
    assert told["registered"]["by"]["id"] == TESTER.id
    past = flyball("served", "machines@production", "--at", "2020-01-01T00:00:00Z", folder=tmp_path).answer()
    assert past["version"] is None


@pytest.mark.parametrize("at", ["yesterday", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z"])
def test_a_moment_without_its_time_zone_is_refused(project: Project, at: str) -> None:
    with pytest.raises(MomentInvalid):
        served_at(project, "machines@production", at)


@pytest.mark.parametrize("ref", ["machines", "machines@3", "machines@latest"])
def test_only_an_alias_can_be_asked_for(project: Project, ref: str) -> None:
    with pytest.raises(MomentInvalid):
        served_at(project, ref)


def test_an_unknown_model_is_said_to_be_unknown(project: Project) -> None:
    with pytest.raises(ModelUnknown):
        served_at(project, "machine@production")
