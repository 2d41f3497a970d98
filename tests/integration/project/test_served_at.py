"""Which version served at a time is answered exactly, however often the alias moved."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from flyball.project import Project
from flyball.project.history import MomentInvalid, served_at
from flyball.registry import ModelUnknown
from flyball.server import open_for_server
from flyball.testing.registries import TESTER, SteppingClock
from support.command_line import flyball

MOVES = 400


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


def test_it_is_exact_at_and_between_all_of_many_moves(project: Project) -> None:
    rng = random.Random(3)
    moves = []
    for _ in range(MOVES):
        if moves and moves[-1].number is not None and rng.random() < 0.1:
            moves.append(project.registry.remove_alias("machines", "production", TESTER, "off"))
        else:
            moves.append(project.registry.move_alias("machines", "production", rng.randint(1, 3), TESTER, "on"))
    times = [datetime.fromisoformat(move.time) for move in moves]
    for place in rng.sample(range(MOVES), 60):
        told = served_at(project, "machines@production", times[place])
        assert (told["version"], told["since"], told["moved"]["entry"]) == (
            moves[place].number,
            moves[place].time,
            moves[place].seq,
        )
        assert told["until"] == (moves[place + 1].time if place + 1 < MOVES else None)
        before = served_at(project, "machines@production", times[place] - timedelta(microseconds=1))
        assert before["version"] == (moves[place - 1].number if place else None)
    first = served_at(project, "machines@production", times[0] - timedelta(days=1))
    assert (first["version"], first["moved"], first["until"]) == (None, None, moves[0].time)


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
